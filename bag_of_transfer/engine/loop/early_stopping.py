"""mmengine's early stopping, whose count outlives a resumption.

A config says ``custom_hooks = [dict(type="EarlyStoppingHook", monitor="mIoU", patience=10)]``.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from mmengine.hooks import EarlyStoppingHook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from bag_of_transfer.engine.numbers import is_finite_number, is_whole

__all__ = ["StopEarly"]


@HOOKS.register_module()
class StopEarly(EarlyStoppingHook):
    """Stop a training whose metric has not become better for ``patience`` validations.

    Args:
        monitor: The metric.
        rule: ``greater``, as for our metrics, or ``less``; None: what mmengine tells from the name.
        patience: How many validations without a better value end the training.
        more: As mmengine's.

    Raises:
        ValueError: If ``patience`` is not a whole number from 1.
    """

    priority = "LOW"  # before the checkpoint that a better score is added to
    same_in_all_processes = True  # see exact_state.py: a validation has one result for all

    def __init__(
        self, monitor: str, rule: str | None = None, patience: int = 5, **more: Any
    ) -> None:
        if not is_whole(patience) or patience < 1:
            raise ValueError(f"patience must be a whole number, 1 or more, got {patience!r}")
        super().__init__(monitor, rule, patience=patience, **more)

    def before_run(self, runner: Runner) -> None:
        """Demand no training loop, as mmengine's does: a test has none."""

    def process_state(self, runner: Runner) -> dict[str, Any]:
        """Return what is watched, the best value and how many validations were no better."""
        best = float(self.best_score)
        return {
            "monitor": self.monitor,
            "rule": self.rule,
            "best_score": best if isfinite(best) else None,
            "wait_count": self.wait_count,
        }

    def load_process_state(self, runner: Runner, state: Mapping[str, Any]) -> None:
        """Go on counting where the checkpoint's run was, or end where it would have ended.

        If another metric is watched now, or by the other rule, begin to count.  Files from before
        these were stored hold neither.

        Raises:
            ValueError: If the state is damaged.
        """
        best, count = state["best_score"], state["wait_count"]
        if not (best is None or is_finite_number(best)) or not is_whole(count) or count < 0:
            raise ValueError(f"{best!r} and {count!r} are no state of early stopping")
        watched = (state.get("monitor", self.monitor), state.get("rule", self.rule))
        if watched != (self.monitor, self.rule):
            was, now = (f"{name} ({rule})" for name, rule in (watched, (self.monitor, self.rule)))
            print_log(f"early stopping begins anew: it watched {was}, now {now}", logger="current")
            return
        self.wait_count = count
        if best is not None:
            self.best_score = best
        limit = self.stopping_threshold
        is_reached = limit is not None and self.rule_map[self.rule](self.best_score, limit)
        if is_reached or count >= self.patience:
            runner.train_loop.stop_training = True
