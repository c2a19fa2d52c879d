"""mmengine's moving average of the weights, computed for all tensors at once.

mmengine lists all tensors anew and calls a kernel for each, at each iteration.
"""

from typing import Any

import torch
from mmengine.hooks import EMAHook
from mmengine.model import ExponentialMovingAverage
from mmengine.registry import HOOKS, MODELS
from mmengine.runner import Runner
from torch import Tensor, nn

__all__ = ["MovingAverage", "MovingAverageHook"]


@MODELS.register_module()
class MovingAverage(ExponentialMovingAverage):
    """mmengine's ExponentialMovingAverage with the same numbers; see there for the arguments."""

    moves: Tensor | None = None  # 0 if the newest step changed nothing; None: each step counts
    _source: nn.Module | None = None

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Move the average towards the model's weights."""
        if self._source is not model:
            self._list_tensors(model)
        steps = int(self.steps)
        if steps == 0:
            torch._foreach_copy_(*self._all)
        elif steps % self.interval == 0:
            self._move(*self._floats)
        if self._copied[0]:
            torch._foreach_copy_(*self._copied)
        self.steps += 1

    def _move(self, averages: list[Tensor], weights: list[Tensor]) -> None:
        if self.moves is None:
            torch._foreach_lerp_(averages, weights, self.momentum)
            return
        ways = torch._foreach_sub(weights, averages)
        torch._foreach_mul_(ways, self.moves)
        torch._foreach_add_(averages, ways, alpha=self.momentum)

    def _list_tensors(self, model: nn.Module) -> None:
        # Lists of tensors are no part of the state, and the model is no part of the average.
        self.__dict__["_source"] = model
        named = dict(model.named_parameters()) | dict(model.named_buffers())
        averaged = list(self.avg_parameters.values())
        self._all = averaged, [named[name] for name in self.avg_parameters]
        pairs = [pair for pair in zip(*self._all, strict=True) if pair[0].is_floating_point()]
        self._floats = _columns(pairs)
        buffers = zip(self.module.buffers(), model.buffers(), strict=True)
        self._copied = _columns([] if self.update_buffers else list(buffers))


def _columns(pairs: list[tuple[Tensor, Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
    return [ours for ours, _ in pairs], [theirs for _, theirs in pairs]


@HOOKS.register_module()
class MovingAverageHook(EMAHook):
    """mmengine's EMAHook with our average where it would use its own."""

    def __init__(self, ema_type: str = "ExponentialMovingAverage", **more: Any) -> None:
        alone = ema_type == "ExponentialMovingAverage" and more.get("device") is None
        super().__init__(MovingAverage.__name__ if alone else ema_type, **more)

    def after_train_iter(self, runner: Runner, *args: Any, **more: Any) -> None:
        """Move the average, but not by a step that changed nothing."""
        skipped = getattr(runner.optim_wrapper, "skipped", None)
        if skipped is not None:
            self.ema_model.moves = skipped.counts
        super().after_train_iter(runner, *args, **more)
