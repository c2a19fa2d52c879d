"""Train a model from a config, in the same way for the three tasks."""

import contextlib
import copy
import math
import os
import tempfile
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

import bag_of_transfer.engine.loop.freeze_first
import bag_of_transfer.engine.schedules  # noqa: F401  registers the warm-ups
from bag_of_transfer.engine import lr, progress
from bag_of_transfer.engine.bare_network import network_of
from bag_of_transfer.engine.config.config_values import check_training_sections
from bag_of_transfer.engine.config.custom_imports import import_own_types
from bag_of_transfer.engine.config.input_channels import follow_in_channels
from bag_of_transfer.engine.config.mistakes import building
from bag_of_transfer.engine.config.num_classes import fill_num_classes
from bag_of_transfer.engine.config_nodes import bare_type
from bag_of_transfer.engine.data import (
    class_names,
    data_sets,
    held_out,
    own_metrics,
    own_readers,
    watched_metrics,
)
from bag_of_transfer.engine.data.splits import check_splits
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.interruption import act_at_once, telling
from bag_of_transfer.engine.json_file import read_json_or_none
from bag_of_transfer.engine.last_lines import Finished
from bag_of_transfer.engine.loop import (
    details_hook,
    fused,
    layer_decay,
    non_finite,
    precision,
    records,
)
from bag_of_transfer.engine.loop.channels_last import channels_last_line
from bag_of_transfer.engine.run import auto_batch, compiling, deterministic, launch, outputs
from bag_of_transfer.engine.run.dry_run import DryRunDone
from bag_of_transfer.engine.run.first_step import FirstStep, nothing_left_behind
from bag_of_transfer.engine.run.loop_unit import follow_loop_unit
from bag_of_transfer.engine.run.resuming import ConfiguredSchedule, resume
from bag_of_transfer.engine.run.runner import build_runner
from bag_of_transfer.engine.run.schedule_fit import fit_schedule
from bag_of_transfer.engine.run.stored_run import stored_precision
from bag_of_transfer.engine.run.work_dir import WorkDirWatch
from bag_of_transfer.engine.run_files import METRICS, follow_pointer, newest_checkpoint
from bag_of_transfer.engine.tasks import task_named
from bag_of_transfer.engine.weights import checkpoints, exact_state
from bag_of_transfer.engine.weights.checkpoint_hook import SafeCheckpointHook

__all__ = ["add_hooks", "prepare_training", "train"]

# Every training run has these hooks; the imports above register them.
HOOKS = (
    launch.EpochSeed,
    launch.SyncRunningStats,
    exact_state.ExactState,
    data_sets.LookAtSplits,
    progress.ProgressHook,
    records.RunRecorder,
    details_hook.DetailsRecorder,
)
ENDLESS = ("InfiniteSampler", "MultiSourceSampler", "GroupMultiSourceSampler")


def prepare_training(
    cfg: Config, amp: str, *, fill_memory: bool = False, resume_from: str | None = None
) -> tuple[list[str], Any]:
    """Add to the config, in place, what every training run of this toolkit needs.

    These change: processes, threads, SyncBN, precision, batch size, lr, metrics, readers, hooks
    and the number of classes.

    Args:
        cfg: From ``load_config``; changed.
        amp: The flag ``--amp``.
        fill_memory: The flag ``--auto-batch``: choose the batch size, see ``auto_batch.py``.
        resume_from: The flag ``--resume``: the run that is resumed has chosen already.

    Returns:
        The lines that say what was changed, and the training data, which :func:`train` takes.

    Raises:
        UserError: If a part of a split is missing, or the training data cannot be read, is less
            than a batch or has a single class where a classifier is trained.
    """
    check_training_sections(cfg, cfg.filename or "the config")
    _check_epochs_end(cfg)
    images = auto_batch.stored_images(cfg, resume_from) if fill_memory else None
    largest = _largest_batch(cfg, amp) if fill_memory and images is None else None
    launch.init_processes(cfg)
    lines, dataset = _prepare(cfg, amp, stored_precision(cfg, amp, resume_from))
    if images is not None:
        lines.append(auto_batch.take_stored(cfg, images))
    elif largest is not None:
        lines.append(auto_batch.agree(cfg, largest, len(dataset)))
    lines.append(lr.apply_lr_rule(cfg, get_world_size()))
    _check_a_batch_is_there(cfg.train_dataloader, len(dataset))
    lines += fit_schedule(cfg, _iters_per_epoch(cfg.train_dataloader, len(dataset)))
    return lines, dataset


def _prepare(cfg: Config, amp: str, stored: str | None = None) -> tuple[list[str], Any]:
    """Prepare all but processes, batch size and lr; return lines and the training data."""
    by_iterations = follow_loop_unit(cfg)
    lines = [*own_metrics.judge_in_percent(cfg), *held_out.hold_out(cfg), check_splits(cfg)]
    _forget_workers_of_an_epoch(cfg.train_dataloader)
    lines += [launch.device_line(), launch.share_cores(cfg), launch.replace_sync_bn(cfg)]
    lines += [precision.apply_precision(cfg, amp, stored), compiling.follow_compiler(cfg)]
    lines.append(deterministic.follow_determinism(cfg))
    lines += own_readers.read_with_ours(cfg)
    skipping = non_finite.follow_non_finite(cfg)
    lines += [fused.use_fused_update(cfg), skipping, by_iterations]
    lines += follow_in_channels(cfg) + layer_decay.use_resnet_layer_decay(cfg)
    with building("train_dataloader.dataset", cfg):
        dataset = data_sets.build_dataset(held_out.training_images(cfg), cfg.default_scope)
    cfg.num_train_images = len(dataset)
    cfg.classes = class_names.classes_of(dataset)
    if task_named(cfg.task).needs_several_classes:
        class_names.check_several_classes(cfg.classes, cfg.train_dataloader.dataset)
    fill_num_classes(cfg, cfg.classes)
    asked_for = [non_finite.SkipNonFinite] if skipping else []
    add_hooks(cfg, *(hook.__name__ for hook in (*HOOKS, *asked_for)))
    outputs.save_safely(cfg)
    watched_metrics.settle_watched_metrics(cfg)
    return [line for line in lines if line], dataset


def _largest_batch(cfg: Config, amp: str) -> int:
    """Return the batch size that fits this process's GPU, found by a run that is thrown away."""
    auto_batch.refuse_without_gpu()
    launch.use_own_gpu(cfg.launcher)
    alone, probe = copy.deepcopy(cfg), auto_batch.BatchProbe()
    alone.update(launcher="none", compile=None, resume=False, log_level="ERROR")
    alone.train_dataloader.batch_size = 1
    with auto_batch.kept_draws(), tempfile.TemporaryDirectory() as alone.work_dir:
        _, dataset = _prepare(alone, amp)
        train(alone, [], dataset, rehearsal=probe)
    return probe.batch_size


def add_hooks(cfg: Config, *names: str) -> None:
    """Append hooks that the config does not list itself."""
    listed = list(cfg.get("custom_hooks") or [])
    named = {hook["type"] for hook in listed}
    cfg.custom_hooks = listed + [dict(type=name) for name in names if name not in named]


def train(
    cfg: Config,
    lines: list[str],
    train_set: Any = None,
    *,
    resume_from: str | None = None,
    tensorboard: bool = False,
    rehearsal: Hook | None = None,
) -> Finished | None:
    """Train as the config says.

    Args:
        cfg: From :func:`prepare_training`.
        lines: What was changed in it, for the log.
        train_set: The training data, if it is built already.
        resume_from: See :func:`resume`.
        tensorboard: Also write events for TensorBoard.
        rehearsal: A hook such as DryRun, which ends the run before its first step; what it writes
            is in the work dir's folder ``.dry_run``.

    Returns:
        What the run has left; None after a rehearsal.

    Raises:
        RefusedError: If the work dir already holds a run and ``--resume`` is not given, or the
            run to resume was trained with other values.
        UserError: If the run does not get as far as its first step; the work dir is as
                before, but for what a validation before that step has left.
    """
    import_own_types(cfg)
    lines = lines + resume(cfg, resume_from, dry_run=rehearsal is not None)
    if tensorboard:
        outputs.write_events(cfg)
    if rehearsal:
        cfg.work_dir = os.path.join(cfg.work_dir, ".dry_run")
    first_step, work_dir = FirstStep(), WorkDirWatch()
    with nothing_left_behind(Path(cfg.work_dir), first_step):
        runner = build_runner(cfg, train_set)
        if cfg.get("load_from"):
            lines = lines + _check_start(runner, str(cfg.load_from), whole=cfg.get("resume", False))
        for line in [*lines, channels_last_line(runner.cfg)]:
            print_log(line, logger="current")
        runner.register_hook(first_step)
        runner.register_hook(work_dir)
        if rehearsal:
            runner.register_hook(rehearsal)
        if cfg.get("resume"):
            runner.register_hook(ConfiguredSchedule())
        with contextlib.suppress(DryRunDone), first_step.reporting_mistakes():
            with work_dir.explaining(), telling(lambda: _how_to_go_on(runner)):
                runner.train()
    act_at_once()
    return None if rehearsal else _finished(runner)


def _how_to_go_on(runner: Runner) -> str:
    newest = newest_checkpoint(Path(runner.work_dir))
    return f"{newest.name} is the last checkpoint; go on with --resume" if newest else ""


def _finished(runner: Runner) -> Finished:
    work_dir = Path(runner.work_dir)
    hooks = [hook for hook in runner.hooks if isinstance(hook, SafeCheckpointHook)]
    best = hooks[0].best(runner) if hooks else {}
    record = read_json_or_none(work_dir / METRICS) or {}
    return Finished(work_dir, newest_checkpoint(work_dir), best, record.get("metrics") or {})


def _forget_workers_of_an_epoch(loader: Config) -> None:
    """Drop what resolved configs stated while workers, which seeded images, lived for an epoch."""
    if loader.get("worker_init_fn") == dict(type="seed_worker"):
        del loader.worker_init_fn
        loader.pop("persistent_workers", None)


def _iters_per_epoch(loader: Config, num_images: int) -> int:
    per_process = math.ceil(num_images / get_world_size())
    batches = per_process / loader.get("batch_size", 1)
    whole = math.floor(batches) if loader.get("drop_last") else math.ceil(batches)
    return max(1, min(whole, loader.get("num_batch_per_epoch") or whole))


def _check_a_batch_is_there(loader: Config, num_images: int) -> None:
    """Check that the images fill a batch; otherwise there is no step, or its lr is too large.

    A sampler without end repeats images and fills every batch, unless the last is dropped.
    """
    per_process = math.ceil(num_images / get_world_size())
    if per_process < loader.batch_size and (loader.get("drop_last") or not _endless(loader)):
        raise UserError(
            f"{num_images} training images are less than a batch",
            "train_dataloader.batch_size",
            "make the batch smaller, or use more images",
        )


def _check_epochs_end(cfg: Config) -> None:
    """Check that epochs have an end where the loop counts them."""
    kind = _endless(cfg.train_dataloader)
    if kind and cfg.train_cfg.get("max_epochs"):
        raise UserError(
            f"{kind} yields images without end, so no epoch of train_cfg.max_epochs would end",
            "train_dataloader.sampler",
            "use DefaultSampler, or count iterations (train_cfg.by_epoch=False with max_iters)",
        )


def _endless(loader: Config) -> str:
    """Return the name of a loader's sampler that has no end; empty if it has one."""
    for part in ("sampler", "batch_sampler"):
        name = bare_type(loader.get(part) or {})
        if name in ENDLESS:
            return name
    return ""


def _check_start(runner: Runner, load_from: str, whole: bool) -> list[str]:
    """Check that a file fits, before mmengine loads only a part of it; return what does not fit.

    To start from a file, as opposed to resuming, only the backbone has to fit: heads for other
    classes start from new weights.
    """
    if "://" in load_from:
        return [f"load_from={load_from}: fetched by mmengine, not checked tensor by tensor"]
    network = network_of(runner.model)
    path = follow_pointer(load_from)
    state = checkpoints.state_dict_of(checkpoints.load_checkpoint(path), path)
    if whole or not hasattr(network, "backbone"):
        checkpoints.refuse_misfits(network, state, path)
        return []
    prefix = "backbone."
    inner = {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
    checkpoints.refuse_misfits(network.backbone, inner, path)
    rest = checkpoints.misfits(network, state)
    note = f", {len(rest)} other tensors start anew, first {rest[0]}" if rest else ""
    return [f"load_from={load_from}: the whole backbone fits{note}"]
