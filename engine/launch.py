"""Where a run runs: processes, threads, seeds."""

import os
import random
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import FUNCTIONS, HOOKS
from mmengine.runner import Runner

from engine.cores import share_of_cores

__all__ = ["EpochSeed", "init_processes", "replace_sync_bn", "seed_worker", "share_cores"]

LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


def init_processes(cfg: Config) -> None:
    """Join the process group with gloo where there is no GPU.

    mmengine's own launcher calls ``torch.cuda.set_device`` and fails there; it leaves a group
    that exists already alone.  Its DDP wrapper is told to put the network on no GPU.
    """
    if cfg.launcher != "pytorch" or torch.cuda.is_available():
        return
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("gloo")
    cfg.model_wrapper_cfg = dict(
        type="MMDistributedDataParallel",
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=cfg.get("find_unused_parameters", False),
    )


def share_cores(cfg: Config) -> str:
    """Give loader workers and compute threads no more than this process's share of the cores.

    On few cores threads that outnumber them wait for each other (up to ten times slower).
    ``OMP_NUM_THREADS`` lowers the threads further.
    """
    cores = share_of_cores()
    most_workers = 0
    for name in LOADERS:
        loader = cfg.get(name)
        if loader is not None and "num_workers" in loader:
            loader.num_workers = min(loader.num_workers, cores - 1)
            if not loader.num_workers:
                loader.pop("persistent_workers", None)
                loader.pop("prefetch_factor", None)
            most_workers = max(most_workers, loader.num_workers)
    threads = min(cores - most_workers, int(os.environ.get("OMP_NUM_THREADS", cores)))
    torch.set_num_threads(threads)
    return f"cores: {cores} = {threads} compute threads + {most_workers} loader workers"


def replace_sync_bn(cfg: Config) -> str | None:
    """Turn SyncBN into BN where there is no GPU; SyncBN has no CPU kernel."""
    if torch.cuda.is_available():
        return None
    count = _rename(cfg.model, "SyncBN", "BN")
    return f"SyncBN became BN in {count} places: no GPU here" if count else None


def _rename(node: Any, old: str, new: str) -> int:
    if isinstance(node, ConfigDict):
        count = int(node.get("type") == old)
        if count:
            node.type = new
        return count + sum(_rename(child, old, new) for child in node.values())
    if isinstance(node, list | tuple):
        return sum(_rename(child, old, new) for child in node)
    return 0


@HOOKS.register_module()
class EpochSeed(Hook):
    """Seed all generators from (seed, epoch, rank) at each epoch's start.

    An epoch is then a function of these three and the weights, so that a run resumed at an
    epoch's end goes on exactly as if it had never stopped.  Loader workers follow, see
    :func:`seed_worker`.
    """

    priority = "VERY_HIGH"

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed python, numpy and torch."""
        # SeedSequence mixes the three, so that neighbouring epochs share no stream.
        words = np.random.SeedSequence([runner.seed or 0, runner.epoch, get_rank()])
        seed = int(words.generate_state(1)[0])
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002  mmcv's transforms draw from it
        torch.manual_seed(seed)


@FUNCTIONS.register_module()
def seed_worker(worker_id: int) -> None:
    """Seed a loader worker from torch's seed, which differs per epoch and worker."""
    seed = torch.initial_seed() % 2**32
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  mmcv's transforms draw from it
