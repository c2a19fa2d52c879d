"""Evaluate mmdet's and mmsegmentation's own configs with the metrics of this toolkit.

mmdet gives fractions with three digits under its own names (``coco/bbox_mAP``,
``pascal_voc/mAP``); ours are percent, under the names that ``metrics.json`` has for every run.
The records of the tasks say which of our metrics replaces which of theirs.
"""

from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.utils import import_modules_from_strings

from bag_of_transfer.engine.data.splits import EVALUATORS
from bag_of_transfer.engine.data.watched_metrics import follow_new_names, metrics_of
from bag_of_transfer.engine.tasks import Judge, all_tasks

__all__ = ["add_import", "judge_in_percent"]


def judge_in_percent(cfg: Config) -> list[str]:
    """Replace the metrics of mmdet and mmsegmentation with ours, where ours measure the same.

    A metric with an argument that changes what is measured (thresholds, masks, F-score), or that
    only formats results, stays as it is.  What follows a metric gets its new name.

    Args:
        cfg: Any config; changed.

    Returns:
        Lines to print: what was replaced, and what was not, with the reason.
    """
    judges = {
        name: judge
        for task in all_tasks()
        for theirs, judge in task.judges.items()
        for name in (theirs, f"{task.scope}.{theirs}")
    }
    lines: dict[str, None] = {}
    for evaluator in EVALUATORS:
        for metric in metrics_of(cfg, evaluator):
            ours = judges.get(str(metric.get("type")))
            if ours is None:
                continue
            if reason := _other_arguments(metric, ours):
                lines[f"metric: {metric.type} stays as it is: {reason}"] = None
                continue
            lines[f"metric: {metric.type} -> {ours.type}, percent"] = None
            _replace(metric, ours)
            add_import(cfg, ours.module)
            if evaluator == "val_evaluator":
                follow_new_names(cfg, ours.renamed)
    return list(lines)


def _other_arguments(metric: ConfigDict, ours: Judge) -> str:
    """Return the arguments with which theirs measures what ours does not."""
    others = {
        key: value
        for key, value in metric.items()
        if key not in ours.kept | {"type", "_scope_"}
        and _as_list(value) not in map(_as_list, ours.same.get(key, ()))
    }
    return ", ".join(f"{key}={value!r}" for key, value in others.items())


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _replace(metric: ConfigDict, ours: Judge) -> None:
    for key in set(metric) - ours.kept:
        del metric[key]
    metric.type = ours.type


def add_import(cfg: Config, module: str) -> None:
    """Import a module of ours now, and add it to the config, for those who read its text."""
    stated = cfg.get("custom_imports") or dict(imports=[], allow_failed_imports=False)
    imports = stated["imports"]
    imports = [imports] if isinstance(imports, str) else list(imports)
    if module not in imports:  # so the resolved config is complete by itself
        cfg.custom_imports = dict(stated, imports=[*imports, module])
    import_modules_from_strings(module)
