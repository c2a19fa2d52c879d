"""Compute the metrics of a checkpoint, the same way for the three tasks."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config, ConfigDict
from mmengine.dist import is_main_process
from mmengine.hooks import EarlyStoppingHook, EMAHook, Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from bag_of_transfer.engine import progress
from bag_of_transfer.engine.atomic import write_json
from bag_of_transfer.engine.bare_network import network_of
from bag_of_transfer.engine.config.config_file import UserKeys
from bag_of_transfer.engine.config.config_vocabulary import find_callables, parameter_names
from bag_of_transfer.engine.config.input_channels import follow_in_channels
from bag_of_transfer.engine.config.num_classes import fill_num_classes
from bag_of_transfer.engine.config.sized_build import sized_by
from bag_of_transfer.engine.config_nodes import bare_type, dicts_with
from bag_of_transfer.engine.data import (
    class_names,
    data_sets,
    own_metrics,
    own_readers,
    watched_metrics,
)
from bag_of_transfer.engine.data.held_out import hold_out, judged_split
from bag_of_transfer.engine.data.judge_checks import check_judges
from bag_of_transfer.engine.data.splits import PARTS
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.loop import metrics_record
from bag_of_transfer.engine.loop.channels_last import follow_run
from bag_of_transfer.engine.loop.details import Details, details_of
from bag_of_transfer.engine.loop.peak_memory import forget_peak, peak_memory
from bag_of_transfer.engine.numbers import is_whole
from bag_of_transfer.engine.own_files import is_ours
from bag_of_transfer.engine.quantities import counted, figure
from bag_of_transfer.engine.recipe import class_difference
from bag_of_transfer.engine.run import launch, trained_model
from bag_of_transfer.engine.run.runner import build_runner
from bag_of_transfer.engine.run_files import follow_pointer
from bag_of_transfer.engine.tasks import default_scope
from bag_of_transfer.engine.weights import checkpoints

__all__ = ["Evaluated", "evaluate", "report", "split_to_test"]

# Of a hook; mmengine's own methods for tests call the latter four.  before_run and after_run are no
# sign of a hook for tests: those of a training have them, too.
CALLED_BY_TESTS = (
    *(name for name in vars(Hook) if "test" in name),
    *("_before_epoch", "_after_epoch", "_before_iter", "_after_iter"),
)
WITHOUT_TEST = [f"{part}=None" for part in PARTS["test"]]


class Evaluated(NamedTuple):
    """What an evaluation gives.

    Args:
        record: The record for ``metrics.json``.
        details: What the metric found out class by class, on the main process; None if it is one
            that does not.
        work_dir: The folder for what else is written.
        dataset: The images, in the order in which they were evaluated.
        again: Returns the network's output for the image at a position, with the truth.
        tta: Whether images were augmented.
    """

    record: dict[str, Any]
    details: Details | None
    work_dir: Path
    dataset: Any
    again: Callable[[int], Any]
    tta: bool


def evaluate(
    cfg: Config,
    checkpoint_path: Path,
    evaluator_options: dict[str, Any] | None = None,
    tta: bool = False,
    user: UserKeys | None = None,
) -> Evaluated:
    """Evaluate a checkpoint on the test split (the val split where a config has no other).

    The network is rebuilt from its description in the checkpoint, so a detector that was
    fine-tuned with ``--backbone`` does not need that flag again; its ``test_cfg`` is the config's.

    Args:
        cfg: From :func:`load_config`; changed.
        checkpoint_path: A checkpoint that this toolkit wrote, or mmdet or mmseg.
        evaluator_options: More arguments, each for the first metric that takes it, such as where
            to write predictions.
        tta: Test-time augmentation with the config's ``tta_model`` and ``tta_pipeline``; its
            ``tta_test_cfg``, if any (such as sliding windows), goes into the network's
            ``test_cfg``.
        user: From :func:`load_config`: what the user states counts for the network, too.

    Raises:
        UserError: If the checkpoint's tensors do not fit, its classes are not those of the data,
            no metric takes an argument or one cannot judge the data, or the config has neither a
            test nor a validation split or no test-time augmentation.
    """
    checkpoint_path = follow_pointer(checkpoint_path)
    checkpoint = checkpoints.load_from_local_weights_only(str(checkpoint_path), "cpu")
    launch.init_processes(cfg)
    own_metrics.judge_in_percent(cfg)
    split, lines = _only_test(cfg), _keep_hooks_of_tests(cfg)
    own_readers.read_with_ours(cfg)
    user = user or UserKeys()
    lines += trained_model.follow_checkpoint(cfg, checkpoint, checkpoint_path, user.options, user)
    classes = trained_model.stated_classes(checkpoints.meta_of(checkpoint))
    lines += _settle_classes(cfg, classes, checkpoint_path)
    follow_in_channels(cfg)
    follow_run(cfg, checkpoints.meta_of(checkpoint), checkpoint_path)
    launch.share_cores(cfg)
    _hand_over(cfg, evaluator_options or {})
    if tta:
        _augment_at_test_time(cfg)
    state = checkpoints.state_dict_of(checkpoint, checkpoint_path)
    with sized_by(state, checkpoint_path):
        runner = build_runner(cfg)
    dataset = runner.test_loop.dataloader.dataset
    data_sets.check_dataset(dataset)
    _check_classes(classes, class_names.classes_of(dataset), checkpoint_path)
    check_judges(runner.test_loop.evaluator, dataset)
    network = network_of(runner.model)
    network = network.module if tta else network
    checkpoints.refuse_misfits(network, state, checkpoint_path)
    network.load_state_dict(state)
    for line in lines:
        print_log(line, logger="current")
    forget_peak()
    started = time.perf_counter()
    metrics = runner.test()
    seconds = time.perf_counter() - started
    if line := metrics_record.left_out(metrics):
        print_log(line, logger="current")
    record = metrics_record.describe_run(
        runner,
        split=split,
        num_images=len(dataset),
        metrics=metrics,
        by_class=metrics_record.per_class(runner.test_loop.evaluator),
        checkpoint=checkpoint_path,
        seconds=seconds,
        img_per_s=len(dataset) / seconds,
        minutes_per_epoch=None,
        peak=peak_memory(),
    )
    # Of the training: its config got them from --backbone and --seed.
    meta = checkpoints.meta_of(checkpoint)
    seed = meta.get("seed")
    record |= {
        "backbone_sha256": meta.get("backbone_sha256"),
        "seed": seed if is_whole(seed) else None,
    }
    details, work_dir = details_of(runner.test_loop.evaluator), Path(cfg.work_dir)
    return Evaluated(record, details, work_dir, dataset, partial(_again, runner), tta)


def _again(runner: Runner, index: int) -> Any:
    """Return the network's output for one image."""
    network = network_of(runner.model)
    loader = runner.test_loop.dataloader
    with torch.no_grad():
        return network.test_step(loader.collate_fn([loader.dataset[index]]))[0]


def report(record: dict[str, Any], out: Path | None) -> None:
    """Print the metrics, and write the whole record to ``out`` if given; on rank 0 only."""
    if not is_main_process():
        return
    metrics = "  ".join(f"{name} {figure(value)}" for name, value in record["metrics"].items())
    images = counted(record["num_images"], "image")
    print(f"{record['split']} ({images}), in percent: {metrics}")
    if out:
        write_json(out, record)


def split_to_test(cfg: Config) -> tuple[str, list[str]] | None:
    """Return the split that :func:`evaluate` can take, and the overrides that it needs for that.

    It is the test split, if its files are there with their truth, else the val split; None if
    neither can be taken.
    """
    test = cfg.get("test_dataloader")
    if test is not None and not (
        data_sets.missing_places(test.dataset) or data_sets.only_formats(cfg.get("test_evaluator"))
    ):
        return "val" if data_sets.tests_on_val(cfg) else "test", []
    if cfg.get("val_dataloader") is None:
        return None
    return judged_split(cfg), WITHOUT_TEST if test is not None else []


def _only_test(cfg: Config) -> str:
    """Drop what only training needs; return the name of the split to evaluate."""
    if cfg.get("test_dataloader") is None:
        if cfg.get("val_dataloader") is None:
            what = "the config has neither a test nor a validation split"
            raise UserError(what, cfg.filename, "state test_dataloader and test_evaluator")
        hold_out(cfg)
        split = judged_split(cfg)
        cfg.test_dataloader, cfg.test_evaluator = cfg.val_dataloader, cfg.val_evaluator
        cfg.test_cfg = {}
    else:
        split = "val" if data_sets.tests_on_val(cfg) else "test"
    for key in (*PARTS["train"], *PARTS["val"], "param_scheduler", "auto_scale_lr"):
        cfg.pop(key, None)
    cfg.update(load_from=None, resume=False)  # mmengine would load them over the weights to test
    cfg.setdefault("default_hooks", {}).checkpoint = None  # it would look for ``save_best``
    return split


def _keep_hooks_of_tests(cfg: Config) -> list[str]:
    """Leave out this toolkit's hooks of a training, and those that a test never calls."""
    scope = default_scope(cfg)
    stated = [
        (hook, find_callables(hook.get("type"), scope)) for hook in cfg.get("custom_hooks") or ()
    ]
    kept = [hook for hook, kinds in stated if any(map(_is_of_tests, kinds))]
    cfg.custom_hooks = [dict(type=progress.ProgressHook.__name__), *kept]
    told = {
        "as in a training": kept,
        "left out, no module registers it": [hook for hook, kinds in stated if not kinds],
    }
    return [
        f"custom_hooks: {', '.join(map(bare_type, hooks))}: {words}"
        for words, hooks in told.items()
        if hooks
    ]


def _is_of_tests(kind: Any) -> bool:
    if not isinstance(kind, type) or not issubclass(kind, Hook):
        return False
    # A checkpoint's weights are the averages, and nothing can be stopped.
    of_training = issubclass(kind, EMAHook | EarlyStoppingHook)
    called = any(getattr(kind, name) is not getattr(Hook, name) for name in CALLED_BY_TESTS)
    return called and not is_ours(kind.__module__) and not of_training


def _settle_classes(cfg: Config, classes: Sequence[str], path: Path) -> list[str]:
    """Fill in the number of classes, those of the test's data where a checkpoint names none."""
    if classes:
        fill_num_classes(cfg, tuple(classes))
        return []
    if any(node.num_classes is None for _, node in dicts_with("num_classes", cfg.model)):
        dataset = data_sets.build_dataset(cfg.test_dataloader.dataset, cfg.default_scope)
        fill_num_classes(cfg, class_names.classes_of(dataset))
    return [f"classes: those of the data, as {path.name} does not name its own"]


def _hand_over(cfg: Config, options: Mapping[str, Any]) -> None:
    """Give each argument to the first metric that takes it."""
    scope = default_scope(cfg)
    for name, value in options.items():
        metrics = watched_metrics.metrics_of(cfg, "test_evaluator")
        for metric in metrics:
            kinds = find_callables(metric.get("type"), scope)
            if any(name in parameter_names(kind) for kind in kinds):
                metric[name] = value
                break
        else:
            mend = "leave --dump-predictions and --per-image out, or add a metric of this toolkit"
            where = f"test_evaluator ({', '.join(map(bare_type, metrics))})"
            raise UserError(f"no metric takes {name}", where, mend)


def _augment_at_test_time(cfg: Config) -> None:
    if not {"tta_model", "tta_pipeline"} <= cfg.keys():
        raise UserError(
            "the config has no test-time augmentation", "--tta", "state tta_model and tta_pipeline"
        )
    if "tta_test_cfg" in cfg:
        cfg.merge_from_dict({"model": {"test_cfg": cfg.tta_test_cfg}})
    cfg.model = ConfigDict(cfg.tta_model, module=cfg.model)
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline


def _check_classes(trained: Sequence[str], evaluated: Sequence[str], path: Path) -> None:
    pair = class_difference(trained or evaluated, evaluated)
    if pair:
        raise UserError(
            f"the checkpoint's classes are not the data's: {pair[0]} against {pair[1]}",
            path,
            "evaluate on data with the classes it was trained on, in that order",
        )
