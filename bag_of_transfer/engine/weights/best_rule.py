"""Which checkpoint is the best where only the first validation tells the metric's name."""

from typing import Any

from mmengine.hooks import CheckpointHook
from mmengine.logging import print_log

__all__ = ["BestRule"]


class BestRule(CheckpointHook):
    """mmengine's hook, which does not end a run over the name of a metric that nobody chose.

    With ``save_best="auto"`` and an evaluator of the user's, mmengine would raise an error after
    the first epoch if the name says neither that more nor that less is better.
    """

    def _init_rule(self, rules: list[Any], key_indicators: list[str]) -> None:
        try:
            super()._init_rule(rules, key_indicators)
        except ValueError:
            if getattr(self, "key_indicators", None) != ["auto"]:
                raise
            name = key_indicators[0]
            print_log(
                f"best checkpoint: more of {name!r} counts as better; if less is, state "
                "default_hooks.checkpoint.rule='less'",
                logger="current",
            )
            super()._init_rule(["greater"], key_indicators)
