"""Processes, threads and seeds of a run."""

import itertools
import os
import random
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import all_reduce, get_rank, get_world_size, init_dist, is_distributed
from mmengine.hooks import EMAHook, Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bag_of_transfer.engine.arguments import check_launcher
from bag_of_transfer.engine.bare_network import network_of
from bag_of_transfer.engine.config_nodes import dicts_with
from bag_of_transfer.engine.cores import share_of_cores
from bag_of_transfer.engine.data.splits import LOADERS
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.loop.device_copy import pin_data_samples
from bag_of_transfer.engine.loop.heap import keep_freed_memory
from bag_of_transfer.engine.loop.metrics_record import hardware
from bag_of_transfer.engine.lost_process import watch_processes
from bag_of_transfer.engine.process_group import LOCAL_RANKS
from bag_of_transfer.engine.progress import counts_epochs
from bag_of_transfer.engine.quantities import counted
from bag_of_transfer.engine.run.launchers import meeting_place, own_gpu
from bag_of_transfer.engine.run.loader_watch import NO_SIGN_S

__all__ = [
    "EpochSeed",
    "SyncRunningStats",
    "device_line",
    "init_processes",
    "replace_sync_bn",
    "share_cores",
    "use_own_gpu",
]

DRIVER = Path("/proc/driver/nvidia/version")  # there, where NVIDIA's driver is loaded


def init_processes(cfg: Config) -> None:
    """Join the process group, if a launcher is named, before anything needs its size.

    The Runner would join it later than the lr rule needs it.  Without a GPU the group is created
    with gloo, because mmengine's launcher calls ``torch.cuda.set_device`` and would fail; it
    leaves an existing group alone.

    Raises:
        UserError: If the launcher has not started this process, or needs a GPU and there is none,
            or torchrun has started several processes and no launcher is named.
    """
    if cfg.launcher == "none":
        _refuse_several_alone()
        return
    _check_launcher(cfg.launcher)
    if torch.cuda.is_available():
        _init_on_gpus(cfg)
    else:
        _init_on_cpus(cfg)
    watch_processes(max(_seconds_without_a_sign(cfg)))


def _seconds_without_a_sign(cfg: Config) -> list[float]:
    stated = [cfg[name].get("timeout", NO_SIGN_S) for name in LOADERS if cfg.get(name)]
    return stated or [NO_SIGN_S]


def _init_on_cpus(cfg: Config) -> None:
    if not is_distributed():
        stated = _dist_cfg(cfg).get("timeout")
        timeout = None if stated is None else timedelta(seconds=stated)
        torch.distributed.init_process_group("gloo", timeout=timeout)


def use_own_gpu(launcher: str) -> None:
    """Choose this process's GPU without joining the process group, which would do so, too.

    Raises:
        UserError: If the launcher has not started this process, or there is no GPU for it.
    """
    if launcher != "none":
        _check_launcher(launcher)
        torch.cuda.set_device(own_gpu(launcher))


def _refuse_several_alone() -> None:
    count = os.environ.get("WORLD_SIZE", "1")
    if "TORCHELASTIC_RUN_ID" in os.environ and count != "1":
        raise UserError(
            f"torchrun started {count} processes, and each would train alone in the same folder",
            "--launcher none",
            "add --launcher pytorch",
        )


def _check_launcher(launcher: str) -> None:
    check_launcher(launcher)
    if launcher != "pytorch" and not torch.cuda.is_available():
        where = f"--launcher {launcher}"
        raise UserError("there is no GPU here", where, "use torchrun and --launcher pytorch")


def _init_on_gpus(cfg: Config) -> None:
    if is_distributed():
        return
    env = cfg.get("env_cfg") or {}
    # If no method is set, init_dist chooses spawn, which the loaders' workers would use, too.
    method = (env.get("mp_cfg") or {}).get("mp_start_method", "fork")
    torch.multiprocessing.set_start_method(method, force=True)
    name, own = LOCAL_RANKS[cfg.launcher], own_gpu(cfg.launcher)
    os.environ.update(meeting_place(cfg.launcher))
    place = os.environ.get(name, "0")
    os.environ[name] = str(own)  # for mmengine, whose GPU has this number
    init_dist(cfg.launcher, **_dist_cfg(cfg))
    # mmengine's logger looks up the GPU with the number LOCAL_RANK.
    os.environ.update({name: place, "LOCAL_RANK": str(own)})


def _dist_cfg(cfg: Config) -> dict[str, Any]:
    return dict((cfg.get("env_cfg") or {}).get("dist_cfg") or {})


def device_line() -> str:
    """Return the line that says what computes; it tells of a GPU that torch cannot use."""
    line = f"computes on {hardware()}"
    is_hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1")
    if torch.cuda.is_available() or is_hidden or not DRIVER.exists():
        return line
    return (
        f"{line}, as torch {torch.__version__} cannot use the NVIDIA GPU that is here: "
        "docs/installation.md says which driver it needs"
    )


def share_cores(cfg: Config) -> str:
    """Limit loader workers and compute threads to this process's share of the cores.

    More threads than cores wait for each other (up to ten times slower).  ``OMP_NUM_THREADS``
    can lower the number of threads further.  Workers live as long as the run, so that no epoch
    begins with their start, unless the config states ``persistent_workers=False``.  On a GPU,
    batches are pinned, so that a copy does not wait for the step; on a CPU, freed memory is kept.

    Returns:
        The line that says how the cores are shared.
    """
    cores = share_of_cores()
    most_workers = 0
    for name in LOADERS:
        loader = cfg.get(name)
        if loader is not None and "num_workers" in loader:
            loader.num_workers = min(loader.num_workers, cores - 1)
            if loader.num_workers:
                loader.setdefault("persistent_workers", True)
            else:
                loader.pop("persistent_workers", None)
                loader.pop("prefetch_factor", None)
            if torch.cuda.is_available():
                loader.setdefault("pin_memory", True)
            most_workers = max(most_workers, loader.num_workers)
    if torch.cuda.is_available():
        pin_data_samples()
    else:
        keep_freed_memory()
    threads = min(cores - most_workers, int(os.environ.get("OMP_NUM_THREADS", cores)))
    torch.set_num_threads(threads)
    shares = f"{counted(threads, 'compute thread')} + {counted(most_workers, 'loader worker')}"
    return f"cores: {cores} = {shares}"


def replace_sync_bn(cfg: Config) -> str | None:
    """Turn SyncBN into BN where there is no GPU; SyncBN has no CPU kernel.

    On a GPU, mmcv's MMSyncBN, which the heads of some stock configs use and which needs a compiled
    mmcv, becomes torch's: it takes empty batches as well today.
    """
    on_gpu = torch.cuda.is_available()
    kinds, kind = (("MMSyncBN",), "SyncBN") if on_gpu else (("SyncBN", "MMSyncBN"), "BN")
    nodes = [node for _, node in dicts_with("type", cfg.model) if node["type"] in kinds]
    for node in nodes:
        node["type"] = kind
    if not nodes:
        return None
    why = "torch's needs no compiled mmcv" if on_gpu else "no GPU here"
    return f"{kinds[0]} became {kind} in {counted(len(nodes), 'place')}: {why}"


@HOOKS.register_module()
class EpochSeed(Hook):
    """Seed all generators from (seed, epoch, rank) at each epoch's start.

    What the network draws (dropout, sampled proposals) then depends on these three only, so a run
    that resumes at an epoch's end goes on exactly as if it had never stopped.  Images are drawn
    apart from it, see :mod:`bag_of_transfer.engine.loop.draws`.
    """

    priority = "VERY_HIGH"

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed python, numpy and torch."""
        # SeedSequence mixes the three, so neighbouring epochs share no stream of numbers.
        words = np.random.SeedSequence([runner.seed or 0, runner.epoch, get_rank()])
        seed = int(words.generate_state(1)[0])
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002  mmcv's transforms draw from it
        torch.manual_seed(seed)


@HOOKS.register_module()
class SyncRunningStats(Hook):
    """Average batch norm's running statistics over the processes before they are used.

    Each process updates its own statistics from its share of the images.  Without this, every
    process would validate with a different network, and the checkpoint would hold that of rank 0.
    So are those of an EMAHook's average, which a checkpoint holds as the network.
    Norms in evaluation mode (frozen ones) are left as they are, bit for bit.
    """

    # Before the checkpoint hook.
    priority = "NORMAL"

    def __init__(self) -> None:
        self._resumed: Mapping[str, list[Tensor]] = {}

    def process_state(self, runner: Runner) -> dict[str, list[Tensor]]:
        """Return the statistics of this process, which differ until they are averaged."""
        if get_world_size() == 1:
            return {}
        named = _running_stats(runner.model).items()
        return {name: [one.cpu() for one in statistics] for name, statistics in named}

    def load_process_state(self, runner: Runner, state: Mapping[str, list[Tensor]]) -> None:
        """Keep them until the network has its weights."""
        self._resumed = state

    def before_train(self, runner: Runner) -> None:
        """Give a resumed run's process its own statistics."""
        norms = dict(runner.model.named_modules())
        for name, kept in self._resumed.items():
            for statistic, value in zip(_stats_of(norms[name]), kept, strict=True):
                statistic.copy_(value)
        self._resumed = {}

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Average after the last batch before a validation can come, once.

        Checkpoints of this iteration are written later, and hold what is validated.
        """
        if get_world_size() == 1:
            return
        if counts_epochs(runner):
            if self.end_of_epoch(runner.train_dataloader, batch_idx):
                _average_running_stats(runner)
            return
        done, loop = runner.iter + 1, runner.train_loop
        # All intervals of a loop that changes its own: to average once more does no harm.
        intervals = (loop.val_interval, *getattr(loop, "dynamic_intervals", ()))
        if done == runner.max_iters or any(done % interval == 0 for interval in intervals):
            _average_running_stats(runner)


def _average_running_stats(runner: Runner) -> None:
    if get_world_size() == 1:
        return
    network = network_of(runner.model)
    hooks = [hook for hook in runner.hooks if isinstance(hook, EMAHook)]
    for name, statistics in _running_stats(network).items():
        # The average's own norms do not know which are frozen.
        averages = [_stats_of(hook.ema_model.module.get_submodule(name)) for hook in hooks]
        for statistic in itertools.chain(statistics, *averages):
            all_reduce(statistic, "mean")


def _running_stats(network: nn.Module) -> dict[str, tuple[Tensor, Tensor]]:
    """Return mean and variance of the batch norms that are in training mode."""
    return {
        name: _stats_of(norm)
        for name, norm in network.named_modules()
        if isinstance(norm, _BatchNorm) and norm.training and norm.track_running_stats
    }


def _stats_of(norm: Any) -> tuple[Tensor, Tensor]:
    return norm.running_mean, norm.running_var
