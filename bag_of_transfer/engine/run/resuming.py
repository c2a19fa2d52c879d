"""Resume a run only if it is the run that the config would have given from the start.

mmengine takes the optimizer's values, the schedule and the seed from the checkpoint, the batch
size, the accumulation and the precision from the config, and does not say where they disagree.
Here the config is first compared with what the checkpoint holds of its run: the recipe
(``recipe.py``) and the whole config (``same_run.py``).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper, _ParamScheduler
from mmengine.runner import Runner

from bag_of_transfer.engine.arguments import AUTO
from bag_of_transfer.engine.errors import RefusedError, UserError
from bag_of_transfer.engine.loop.channels_last import follow_run
from bag_of_transfer.engine.loop.fused import settle_kernels
from bag_of_transfer.engine.loop.turns import is_endless
from bag_of_transfer.engine.numbers import is_whole
from bag_of_transfer.engine.progress import counts_epochs
from bag_of_transfer.engine.recipe import (
    FROM_THE_END,
    ITERS_PER_EPOCH,
    KERNELS,
    Difference,
    differences,
    recipe_of,
)
from bag_of_transfer.engine.run.changed_schedule import (
    apply_settings,
    same_rates_so_far,
    settings_of,
)
from bag_of_transfer.engine.run.same_run import changes, data_changes, refusal
from bag_of_transfer.engine.run_files import LAST_CHECKPOINT, follow_pointer, position_of
from bag_of_transfer.engine.weights import checkpoints

__all__ = ["ConfiguredSchedule", "resume"]

LENGTH_OF = "train_cfg."


def resume(cfg: Config, wanted: str | None, *, dry_run: bool = False) -> list[str]:
    """Set the config to resume from a checkpoint if ``--resume`` asks for it.

    Args:
        cfg: Prepared for training; ``resume`` and ``load_from`` are set.  ``resume=True`` in the
            config counts as the flag.
        wanted: The flag: a checkpoint, or ``auto`` for the newest complete one in the work dir.
        dry_run: Nothing will be written, so the work dir may hold another run.

    Returns:
        Lines that say which changed values are used.

    Raises:
        RefusedError: If the work dir holds a run and ``--resume`` is not given, or the run was
            trained with other values than the config's.
    """
    if wanted is None and cfg.get("resume"):  # mmengine's own setting for it
        wanted = cfg.get("load_from") or AUTO
    if wanted is None:
        if not dry_run:
            _refuse_a_second_run(Path(cfg.work_dir))
        return []
    path = (
        checkpoints.find_resumable(Path(cfg.work_dir)) if wanted == AUTO else follow_pointer(wanted)
    )
    if path is None:
        print_log(f"nothing to resume in {cfg.work_dir}: starting a new run", logger="current")
        cfg.resume = False
        return []
    meta = checkpoints.check_resumable(path)
    _refuse_shorter(cfg.train_cfg, meta, path)
    follow_run(cfg, meta, path)
    others = changes(meta.get("config_json"), cfg, path)
    accepted = _refuse_others(recipe_of(cfg), meta, path, others.refused)
    cfg.resume, cfg.load_from = True, str(path)
    told = (
        ("the config's values, which gave the same rates so far", accepted),
        ("other values, so that results may differ by rounding", others.rounding),
        ("other values, which change nothing that is trained", others.harmless),
    )
    return [
        f"resumed with {what}: {'; '.join(map(str, values))}" for what, values in told if values
    ]


def _refuse_a_second_run(work_dir: Path) -> None:
    if (work_dir / LAST_CHECKPOINT).exists():
        raise RefusedError(
            "this folder already holds a run", work_dir, "add --resume, or name another --work-dir"
        )


def _refuse_shorter(train_cfg: Config, meta: Mapping[str, Any], path: Path) -> None:
    """Check that the run has not been trained for longer than the config says.

    Raises:
        RefusedError: If it has.
    """
    for unit, key in (("epoch", "max_epochs"), ("iter", "max_iters")):
        limit = train_cfg.get(key)
        if limit is not None and meta.get(unit, 0) > limit:
            raise RefusedError(
                f"the run was trained for {meta[unit]} {unit}s, the config says {limit}",
                path,
                f"raise train_cfg.{key}, or name another --work-dir",
            )


def _refuse_others(
    now: Mapping[str, Any], meta: Mapping[str, Any], path: Path, others: Sequence[Difference] = ()
) -> list[Difference]:
    """Refuse a run of other values; return the differences with which it may be resumed.

    ``others`` are differences outside of the recipe, with which it may not be resumed.  Files
    from before recipes were stored hold only classes and seed; see ConfiguredSchedule.
    """
    stored = meta.get("recipe")
    was = stored if isinstance(stored, Mapping) else _without_recipe(now, meta)
    changed = differences(was, now)
    accepted = [change for change in changed if change.key == "processes"]
    schedule = [c for c in changed if c.key.startswith(("param_scheduler.", LENGTH_OF))]
    longer = any(change.key.startswith(LENGTH_OF) for change in schedule)
    moved = longer and _counts_back(was, now)
    if schedule and not moved and same_rates_so_far(was, now, meta, _iters_per_epoch(meta, path)):
        accepted += schedule
    refused = [change for change in changed if change not in accepted] + list(others)
    if refused:
        raise refusal(refused, path)
    return accepted


def _without_recipe(now: Mapping[str, Any], meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config's recipe with the values that a file without one does hold."""
    was = dict(now)
    classes = meta.get("classes") or (meta.get("dataset_meta") or {}).get("classes")
    if classes:
        was["classes"] = [str(name) for name in classes]
    if meta.get("seed") is not None:
        was["randomness"] = {"seed": meta["seed"]}
    return was


# ---- a changed schedule ----


def _counts_back(*recipes: Mapping[str, Any]) -> bool:
    """Return whether something begins a given time before the end of training, which has moved."""
    return any(
        key.endswith(FROM_THE_END) and value for recipe in recipes for key, value in recipe.items()
    )


def _iters_per_epoch(meta: Mapping[str, Any], path: Path) -> int | None:
    """Return the batches of an epoch; None where the file does not tell them.

    Files from before they were stored tell them at the end of an epoch, as all were saved whose
    names state no iteration.
    """
    if ITERS_PER_EPOCH in meta:
        stored = meta[ITERS_PER_EPOCH]
        return stored if is_whole(stored) and stored > 0 else None
    _, is_within = position_of(path) or (0, 0)
    epochs, iters = meta.get("epoch", 0), meta.get("iter", 0)
    return iters // epochs if epochs > 0 and not is_within and iters % epochs == 0 else None


class ConfiguredSchedule(Hook):
    """Keep the configured schedule when a checkpoint is resumed; only the position is the file's.

    mmengine replaces the built schedulers' settings (end, milestones, gamma) with the file's.  A
    file without a recipe is compared here, with what was built.
    """

    priority = "VERY_HIGH"  # before the audit and the dry run look at the schedule

    def __init__(self) -> None:
        self._settings: list[dict[str, Any]] = []

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Compare the images, and note the schedule's settings, before they are overwritten.

        Raises:
            UserError: If steps remain but the file, such as a best one, has no state of the
                optimizer or of the schedule.
            RefusedError: If the images, their labels or the iterations per epoch differ, or a file
                without a recipe has another optimizer or schedule.
        """
        meta, path = checkpoint["meta"], Path(str(runner.cfg.load_from))
        if meta["iter"] < runner.max_iters:
            _check_state_is_there(runner, checkpoint, path)
        if "recipe" in meta:
            changed = data_changes(meta.get("data_json"), runner, path)
            changed += _epoch_differences(runner, meta)
        else:
            changed = [
                *_length_differences(runner, meta),
                *_optimizer_differences(runner.optim_wrapper, checkpoint.get("optimizer") or {}),
                *_schedule_differences(runner, checkpoint.get("param_schedulers") or []),
            ]
        if changed:
            raise refusal(changed, path)
        self._settings = [settings_of(known) for known in _schedulers(runner)]
        optimizer = getattr(runner.optim_wrapper, "optimizer", None)
        if optimizer and "optimizer" in checkpoint:
            skips = (runner.cfg.get("non_finite") or {}).get("on") == "skip"
            line = settle_kernels(optimizer, checkpoint["optimizer"], skips)
            if line:
                print_log(line, logger="current")

    def before_train(self, runner: Runner) -> None:
        """Restore the config's settings."""
        for scheduler, settings in zip(_schedulers(runner), self._settings, strict=True):
            apply_settings(scheduler, settings)


def _check_state_is_there(runner: Runner, checkpoint: Mapping[str, Any], path: Path) -> None:
    """Check that a file holds what the next step needs; mmengine would begin it again."""
    mend = "resume from an epoch_N.pth or iter_N.pth, or give it as load_from instead"
    if "optimizer" not in checkpoint:
        what = "the file has no state of the optimizer, so momentum would begin again"
        raise UserError(what, path, mend)
    if runner.param_schedulers and not checkpoint.get("param_schedulers"):
        what = "the file has no state of the schedule, so learning rates would begin again"
        mend = "give it as load_from instead; to save it, leave out save_param_scheduler=False"
        raise UserError(what, path, mend)


def _schedulers(runner: Runner) -> list[_ParamScheduler]:
    built = runner.param_schedulers or []
    kinds = built.values() if isinstance(built, dict) else [built]
    # Schedulers that follow a metric are left out: they do not separate settings and position.
    return [known for group in kinds for known in group if not hasattr(known, "num_bad_epochs")]


def _epoch_differences(runner: Runner, meta: Mapping[str, Any]) -> list[Difference]:
    """Compare the iterations per epoch, which with ``drop_last`` follow from the processes, too.

    Where the sampler has no end, there are no epochs.
    """
    was, loader = meta.get(ITERS_PER_EPOCH), runner.train_dataloader
    if was is None or is_endless(loader) or was == len(loader):
        return []
    return [Difference("iterations per epoch (drop_last, processes)", was, len(loader))]


def _length_differences(runner: Runner, meta: Mapping[str, Any]) -> list[Difference]:
    """Compare the iterations per epoch, which tell of other images or another batch size."""
    epochs, now = meta.get("epoch", 0), len(runner.train_dataloader)
    if not (counts_epochs(runner) and epochs) or meta["iter"] == epochs * now:
        return []
    return [Difference("iterations per epoch", meta["iter"] // epochs, now)]


def _optimizer_differences(wrapper: OptimWrapper, was: Mapping[str, Any]) -> list[Difference]:
    """Compare the first parameter group's settings; scheduled settings by their initial value."""
    groups = was.get("param_groups")
    if not groups or not hasattr(wrapper, "optimizer"):  # several optimizers: not compared
        return []
    built = wrapper.optimizer.param_groups
    if len(groups) != len(built):
        return [Difference("number of parameter groups", len(groups), len(built))]
    old, new = groups[0], built[0]
    scheduled = {key.removeprefix("initial_") for key in (*old, *new) if key.startswith("initial_")}
    return [
        Difference(f"optimizer.{key.removeprefix('initial_')}", old.get(key), new.get(key))
        for key in sorted({*old, *new} - {"params", "param_names", *KERNELS} - scheduled)
        if old.get(key) != new.get(key)
    ]


def _schedule_differences(runner: Runner, was: Any) -> list[Difference]:
    """Compare the schedulers' settings; a longer training shows in their ``end``."""
    built = _schedulers(runner)
    if not isinstance(was, list) or len(was) != len(runner.param_schedulers or []):
        return (
            []
            if isinstance(was, dict)
            else [Difference("number of schedulers", len(was), len(runner.param_schedulers or []))]
        )
    return [
        Difference(f"param_scheduler.{index}.{key}", old.get(key), value)
        for index, (new, old) in enumerate(zip(built, was, strict=False))
        for key, value in settings_of(new).items()
        if key in old and old[key] != value
    ]
