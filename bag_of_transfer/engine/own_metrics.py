"""Let mmdet's and mmsegmentation's own configs be judged by the metrics of this toolkit.

mmdet gives fractions of three digits under names of its own (``coco/bbox_mAP``,
``pascal_voc/mAP``); ours are percent, under the names that ``metrics.json`` has for every run.
The records of the tasks say which of ours stands for which of theirs.
"""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import METRICS
from mmengine.utils import import_modules_from_strings

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.tasks import Judge, all_tasks

__all__ = ["add_import", "check_save_best", "judge_in_percent"]


def judge_in_percent(cfg: Config) -> list[str]:
    """Replace the metrics of mmdet and mmsegmentation by ours, where ours say the same.

    One that judges something else, too (masks, proposals, F-score), or only formats results,
    stays as it is.  ``save_best`` follows to the new name.

    Args:
        cfg: Any config; changed.

    Returns:
        Lines to print: what was replaced.
    """
    judges = {name: judge for task in all_tasks() for name, judge in task.judges.items()}
    lines: dict[str, None] = {}
    for name in ("val_evaluator", "test_evaluator"):
        for metric in _metrics(cfg, name):
            ours = judges.get(str(metric.get("type")))
            if ours and _says_the_same(metric, ours):
                lines[f"metric: {metric.type} -> {ours.type}, percent"] = None
                _replace(metric, ours)
                add_import(cfg, ours.module)
                _follow(cfg, ours.renamed)
    return list(lines)


def check_save_best(cfg: Config) -> None:
    """Refuse a metric's name that no evaluator gives, before an epoch was trained for it.

    Evaluators whose class doesn't say its ``names`` (others than ours) may give any.

    Raises:
        UserError: If ``save_best`` names none of theirs.
    """
    stated = (cfg.get("default_hooks", {}).get("checkpoint") or {}).get("save_best")
    given = [
        getattr(METRICS.get(one["type"]), "names", None)
        for one in _metrics(cfg, "val_evaluator")
        if "type" in one
    ]
    if not stated or not given or None in given:
        return
    names = [name for some in given if some for name in some]
    for name in [stated] if isinstance(stated, str) else stated:
        if name not in names and name != "auto":
            raise UserError(
                f"no metric is called {name!r}",
                "default_hooks.checkpoint.save_best",
                f"one of {', '.join(names)}",
            )


def _metrics(cfg: Config, name: str) -> list[ConfigDict]:
    stated = cfg.get(name) or []
    if isinstance(stated, Mapping) and "metrics" in stated:  # an Evaluator of several
        stated = stated["metrics"]
    return list(stated) if isinstance(stated, list | tuple) else [stated]


def _says_the_same(metric: ConfigDict, ours: Judge) -> bool:
    argument, can = ours.judged
    wanted = metric.get(argument, list(can))
    wanted = [wanted] if isinstance(wanted, str) else wanted
    return set(wanted) <= can and not metric.get("format_only")


def _replace(metric: ConfigDict, ours: Judge) -> None:
    for key in set(metric) - ours.kept:
        del metric[key]
    metric.type = ours.type


def add_import(cfg: Config, module: str) -> None:
    """Let the config import a module of ours, now and wherever its resolved text is read."""
    stated = cfg.get("custom_imports") or dict(imports=[], allow_failed_imports=False)
    imports = stated["imports"]
    imports = [imports] if isinstance(imports, str) else list(imports)
    if module not in imports:  # so that the resolved config stands alone
        cfg.custom_imports = dict(stated, imports=[*imports, module])
    import_modules_from_strings(module)


def _follow(cfg: Config, renamed: dict[str, str]) -> None:
    hook: Any = cfg.get("default_hooks", {}).get("checkpoint") or {}
    if hook.get("save_best") in renamed:
        hook.save_best = renamed[hook.save_best]
