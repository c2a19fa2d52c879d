"""Check, before the first step or image, that the metrics of val and test can judge their data."""

import contextlib
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from mmengine.evaluator import Evaluator
from mmengine.registry import METRICS

from bag_of_transfer.engine.config_nodes import bare_type
from bag_of_transfer.engine.data.watched_metrics import metrics_of
from bag_of_transfer.engine.own_files import is_ours
from bag_of_transfer.engine.tasks import check_module, default_scope

__all__ = ["check_described_judges", "check_judges"]


def check_judges(evaluator: Any, dataset: Any, is_used: bool = True) -> None:
    """Check an evaluator that was built, with the data set that it judges.

    Evaluators of another kind than mmengine's, whose metrics judge parts of the data, are left out.

    Args:
        evaluator: The evaluator.
        dataset: The data set.
        is_used: Whether it will judge, so that what its metrics read now is not read again.

    Raises:
        UserError: If a metric cannot judge the data set.
    """
    for metric in evaluator.metrics if type(evaluator) is Evaluator else []:
        module = check_module(type(metric), "judge_checks")
        if module:
            import_module(module).check(metric, dataset, is_used)


def check_described_judges(cfg: Mapping[str, Any], evaluator: str, dataset: Any) -> None:
    """Check an evaluator that is not built: our metrics in it that have a check are built for that.

    Those of mmdet read whole files when they are built; they are checked before they judge.

    Args:
        cfg: Any config whose metrics are ours where we have one.
        evaluator: Its key.
        dataset: The data set that it judges.

    Raises:
        UserError: If a metric cannot judge the data set.
    """
    stated = cfg.get(evaluator)
    if isinstance(stated, Mapping) and "metrics" in stated and stated.get("type"):
        if bare_type(stated) != Evaluator.__name__:
            return
    for described in metrics_of(cfg, evaluator):
        with METRICS.switch_scope_and_registry(default_scope(cfg)) as registry:
            kind = None
            with contextlib.suppress(RuntimeError):  # a test will say that it is unknown
                kind = registry.get(str(described.get("type")))
            if not isinstance(kind, type) or not is_ours(kind.__module__):
                continue
            if not check_module(kind, "judge_checks"):
                continue
            built = Evaluator([registry.build(described)])
        built.dataset_meta = dataset.metainfo
        check_judges(built, dataset, is_used=False)
