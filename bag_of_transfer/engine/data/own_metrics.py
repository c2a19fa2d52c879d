"""Evaluate mmdet's and mmsegmentation's own configs with the metrics of this toolkit.

mmdet gives fractions with three digits under its own names (``coco/bbox_mAP``,
``pascal_voc/mAP``); ours are percent, under the names that ``metrics.json`` has for every run.
The records of the tasks say which of our metrics replaces which of theirs.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.hooks import EarlyStoppingHook
from mmengine.registry import METRICS
from mmengine.utils import import_modules_from_strings

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.tasks import Judge, all_tasks

__all__ = ["add_import", "check_watched_metrics", "judge_in_percent", "metrics_of"]


def judge_in_percent(cfg: Config) -> list[str]:
    """Replace the metrics of mmdet and mmsegmentation with ours, where ours measure the same.

    A metric that also measures something else (masks, proposals, F-score), or only formats
    results, stays as it is.  ``save_best`` gets the new name.

    Args:
        cfg: Any config; changed.

    Returns:
        Lines to print: what was replaced.
    """
    judges = {name: judge for task in all_tasks() for name, judge in task.judges.items()}
    lines: dict[str, None] = {}
    for name in ("val_evaluator", "test_evaluator"):
        for metric in metrics_of(cfg, name):
            ours = judges.get(str(metric.get("type")))
            if ours and _measures_the_same(metric, ours):
                lines[f"metric: {metric.type} -> {ours.type}, percent"] = None
                _replace(metric, ours)
                add_import(cfg, ours.module)
                _rename_best(cfg, ours.renamed)
    return list(lines)


def check_watched_metrics(cfg: Config) -> None:
    """Check, before an epoch is trained, that the evaluators give the metrics that decide.

    These are those of ``save_best`` and of early stopping.  Evaluators whose class has no attribute
    ``names`` (others than ours) may give any metric.

    Raises:
        UserError: If no evaluator gives one of them.
    """
    groups = [
        getattr(METRICS.get(metric["type"]), "names", None)
        for metric in metrics_of(cfg, "val_evaluator")
        if "type" in metric
    ]
    names = [name for group in groups for name in group or ()]
    is_any = not groups or None in groups
    for where, name in _watched(cfg):
        if name not in names and not is_any:
            mend = f"use one of {', '.join(names)}"
            raise UserError(f"no metric is called {name!r}", where, mend)


def _watched(cfg: Config) -> Iterator[tuple[str, Any]]:
    """Yield the keys that name metrics, with the names."""
    best = (cfg.get("default_hooks", {}).get("checkpoint") or {}).get("save_best")
    for name in [best] if isinstance(best, str) else best or ():
        if name != "auto":
            yield "default_hooks.checkpoint.save_best", name
    for place, hook in enumerate(cfg.get("custom_hooks") or ()):
        if str(hook.get("type")).removeprefix("mmengine.") == EarlyStoppingHook.__name__:
            if not cfg.get("val_dataloader"):
                mend = "state val_dataloader, or leave the hook out"
                raise UserError("nothing is validated", f"custom_hooks.{place}", mend)
            yield f"custom_hooks.{place}.monitor", hook.get("monitor")


def metrics_of(cfg: Config, name: str) -> list[ConfigDict]:
    """Return the descriptions of an evaluator's metrics."""
    stated = cfg.get(name) or []
    if isinstance(stated, Mapping) and "metrics" in stated:  # an Evaluator with several metrics
        stated = stated["metrics"]
    return list(stated) if isinstance(stated, list | tuple) else [stated]


def _measures_the_same(metric: ConfigDict, ours: Judge) -> bool:
    argument, possible = ours.judged
    wanted = metric.get(argument, list(possible))
    wanted = [wanted] if isinstance(wanted, str) else wanted
    return set(wanted) <= possible and not metric.get("format_only")


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


def _rename_best(cfg: Config, renamed: dict[str, str]) -> None:
    hook: Any = cfg.get("default_hooks", {}).get("checkpoint") or {}
    if hook.get("save_best") in renamed:
        hook.save_best = renamed[hook.save_best]
