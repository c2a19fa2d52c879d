"""Rebuild a trained network from its config and checkpoint."""

import contextlib
import io
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from torch import nn

from bag_of_transfer.engine.config.config_file import resolved_config
from bag_of_transfer.engine.config.num_classes import fill_num_classes
from bag_of_transfer.engine.config.process_setup import prepare_process
from bag_of_transfer.engine.config.sized_build import build_described
from bag_of_transfer.engine.environment import check_environment
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.loop.channels_last import follow_run
from bag_of_transfer.engine.run import trained_model
from bag_of_transfer.engine.run_files import follow_pointer
from bag_of_transfer.engine.tasks import Task, find_task
from bag_of_transfer.engine.weights import checkpoints

__all__ = ["Trained", "choose_device", "load_trained", "scope_of"]

_one_thread = threading.RLock()


class Trained(NamedTuple):
    """A network with its weights, and what its config and checkpoint say about it."""

    network: nn.Module
    classes: tuple[str, ...]
    cfg: Config
    task: Task


@contextlib.contextmanager
def scope_of(name: str) -> Iterator[None]:
    """Let registries look for the classes of mmdet or mmseg first, within this context only.

    mmengine has one scope for all threads, so one thread at a time has it here.
    """
    with _one_thread, DefaultScope.overwrite_default_scope(name):
        yield


def load_trained(
    config: Path, checkpoint: Path, options: Sequence[str] | Mapping[str, Any] = ()
) -> Trained:
    """Rebuild the network from the description in the checkpoint and load all its weights.

    Its ``test_cfg`` is the config's.

    For a checkpoint without a description (mmdet's and mmseg's own), the config describes it.

    Args:
        config: A text config.
        checkpoint: A ``.pth`` or a run's ``last_checkpoint``; only weights are read, never code.
        options: Overrides as in ``--cfg-options``; they also change the described network.

    Raises:
        UserError: If a file is missing or wrong, the two do not belong together, or not every
            tensor fits.
    """
    check_environment()
    prepare_process()
    cfg = resolved_config(config, options)
    task = find_task(cfg)
    model = cfg.get("model")
    if task is None or not isinstance(model, Mapping) or not model.get("type"):
        mend = "give the config that the checkpoint was trained with"
        raise UserError("not a classifier's, detector's or segmenter's config", config, mend)
    path = follow_pointer(checkpoint)
    contents = checkpoints.load_from_local_weights_only(str(path), "cpu")
    state = checkpoints.state_dict_of(contents, path)
    with scope_of(task.scope):
        meta = checkpoints.meta_of(contents)
        lines = trained_model.follow_checkpoint(cfg, contents, path, options)
        classes = _classes(meta, path)
        fill_num_classes(cfg, classes)
        follow_run(cfg, meta, path)
        with contextlib.redirect_stdout(io.StringIO()):  # mmdet prints what it did not import
            network: nn.Module = build_described(cfg.model, state, path)
    checkpoints.refuse_misfits(network, state, path)
    network.load_state_dict(state)
    for line in lines:
        print_log(line, logger="current")
    return Trained(network.eval(), classes, cfg, task)


def choose_device(name: str) -> torch.device:
    """Return the device for ``auto``, ``cpu`` or ``cuda``.

    Raises:
        UserError: If it is none of these, or there is no GPU to use.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise UserError(f"device {name!r} is unknown", "device", "use auto, cpu or cuda")
    has_gpu = torch.cuda.is_available()
    if name == "cuda" and not has_gpu:
        raise UserError("torch finds no GPU", "device cuda", "use cpu, or auto")
    return torch.device("cuda" if has_gpu and name != "cpu" else "cpu")


def _classes(meta: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    classes = trained_model.stated_classes(meta)
    if not classes:
        mend = "use one that this toolkit, mmdet or mmseg wrote"
        raise UserError("the checkpoint does not name its classes", path, mend)
    return classes
