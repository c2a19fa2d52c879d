"""The metrics that decide about a run: the best checkpoint, early stopping, the learning rate.

A config names them in ``save_best`` of the checkpoint hook, and as ``monitor`` of
EarlyStoppingHook, also among the ``default_hooks``, and of schedulers that wait for a plateau.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.hooks import EarlyStoppingHook
from mmengine.registry import METRICS

from bag_of_transfer.engine.config_nodes import bare_type, dicts_with
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.tasks import default_scope

__all__ = ["AUTO", "first_metric", "follow_new_names", "metrics_of", "settle_watched_metrics"]

PARTS = ("default_hooks", "custom_hooks", "param_scheduler")  # where a monitor may be stated
EARLY_STOPPING = EarlyStoppingHook.__name__
ON_PLATEAU = "ReduceOnPlateau"  # how the names of mmengine's schedulers with a monitor begin
AUTO = "auto"  # of save_best: the first metric


class _Watcher(NamedTuple):
    """A part of a config that follows metrics.

    Args:
        key: Where it names them.
        node: The part.
        names: The metrics.
    """

    key: str
    node: Any
    names: list[Any]


def settle_watched_metrics(cfg: Config) -> None:
    """Check, before an epoch is trained, the metrics that decide; state which value is better.

    More is better of all metrics of this toolkit.  Of others, mmengine tells it from the name:
    less of a loss.  Evaluators whose class has no attribute ``names`` (others than ours) may give
    any metric.

    Args:
        cfg: Any config; ``rule`` is added where none is stated.

    Raises:
        UserError: If no evaluator gives one of the metrics, if nothing is validated, or if it is
            not known which value of a metric is better.
    """
    scope = default_scope(cfg)
    given = [_names_given(metric, scope) for metric in metrics_of(cfg, "val_evaluator")]
    names = [name for group in given for name in group or ()]
    is_any = not given or None in given
    for key, node, watched in _watchers(cfg):
        if key.endswith(".monitor") and not cfg.get("val_dataloader"):
            mend = "state val_dataloader, or leave it out"
            raise UserError("nothing is validated", key.rpartition(".")[0], mend)
        for name in watched:
            if name not in (*names, AUTO) and not is_any:
                mend = f"use one of {', '.join(names)}"
                raise UserError(f"no metric is called {name!r}", key, mend)
        if given and node.get("rule") is None:
            ours = {*names, *([AUTO] if given[0] else [])}
            _state_rule(node, key, watched, ours)


def follow_new_names(cfg: Config, renamed: Mapping[str, str]) -> None:
    """Let what follows metrics follow them to their new names.

    Args:
        cfg: Any config; changed.
        renamed: The new names by the old ones.
    """
    best = _checkpoint(cfg)
    stated = best.get("save_best")
    if isinstance(stated, str):
        best["save_best"] = renamed.get(stated, stated)
    elif stated:
        best["save_best"] = [renamed.get(name, name) for name in stated]
    for _, node in _monitors(cfg):
        node["monitor"] = renamed.get(node["monitor"], node["monitor"])


def metrics_of(cfg: Config, name: str) -> list[Any]:
    """Return the descriptions of an evaluator's metrics."""
    stated = cfg.get(name) or []
    if isinstance(stated, Mapping) and "metrics" in stated:  # an Evaluator with several metrics
        stated = stated["metrics"]
    return list(stated) if isinstance(stated, list | tuple) else [stated]


def first_metric(cfg: Config, name: str) -> str | None:
    """Return the first metric of an evaluator; None if only a validation tells its name."""
    names = [_names_given(each, default_scope(cfg)) for each in metrics_of(cfg, name)[:1]]
    return names[0][0] if names and names[0] else None


def _names_given(metric: Mapping[str, Any], scope: str) -> list[str] | None:
    """Return the names of an evaluator of ours; None for another one, and for an unknown one."""
    kind = None
    with METRICS.switch_scope_and_registry(scope) as registry:
        with contextlib.suppress(RuntimeError):  # building it will say what is wrong
            kind = registry.get(str(metric.get("type")))
    names = getattr(kind, "names", None)
    prefix = f"{metric['prefix']}/" if metric.get("prefix") else ""
    return None if names is None else [f"{prefix}{name}" for name in names]


def _watchers(cfg: Config) -> Iterator[_Watcher]:
    """Yield what follows metrics; what a hook of the user's does with them is not known."""
    best = _checkpoint(cfg)
    stated = best.get("save_best") or []
    if stated:
        names = [stated] if isinstance(stated, str) else list(stated)
        yield _Watcher("default_hooks.checkpoint.save_best", best, names)
    for key, node in _monitors(cfg):
        if bare_type(node) == EARLY_STOPPING or bare_type(node).startswith(ON_PLATEAU):
            yield _Watcher(f"{key}.monitor", node, [node["monitor"]])


def _monitors(cfg: Config) -> Iterator[tuple[str, Any]]:
    for part in PARTS:
        yield from dicts_with("monitor", cfg.get(part), part)


def _checkpoint(cfg: Config) -> Any:
    return (cfg.get("default_hooks") or {}).get("checkpoint") or {}


def _state_rule(node: Any, key: str, watched: list[Any], ours: set[str]) -> None:
    """State which values are better, but where only mmengine can tell it, or later."""
    if {"greater_keys", "less_keys"} & node.keys():
        return
    if bare_type(node).startswith(ON_PLATEAU) and watched[0] not in ours:
        return  # less is better if nothing is stated, whatever the name
    if AUTO in watched and AUTO not in ours:
        return  # the name is known after the first validation
    rules = ["greater" if name in ours else _rule_of(name, key) for name in watched]
    node["rule"] = rules if len(set(rules)) > 1 else rules[0]


def _rule_of(name: str, key: str) -> str:
    """Return what mmengine tells from a metric's name.

    Raises:
        UserError: If it tells nothing.
    """
    try:
        return str(EarlyStoppingHook(monitor=name).rule)
    except ValueError as error:
        what = f"the name {name!r} does not say whether more or less is better"
        mend = "state rule='greater' or rule='less' beside it"
        raise UserError(what, key, mend) from error
