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

Pair = tuple[Tensor, Tensor]  # of the average and of the model
Columns = tuple[list[Tensor], list[Tensor]]


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
            _copy(self._all)
        elif steps % self.interval == 0:
            self._move(*self._floats)
        _copy(self._copied)
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
        pairs = list(zip(averaged, [named[name] for name in self.avg_parameters], strict=True))
        self._all = _by_dtype(pairs)
        self._floats = _columns([pair for pair in pairs if pair[0].is_floating_point()])
        buffers = zip(self.module.buffers(), model.buffers(), strict=True)
        self._copied = _by_dtype([] if self.update_buffers else list(buffers))


def _columns(pairs: list[Pair]) -> Columns:
    return [ours for ours, _ in pairs], [theirs for _, theirs in pairs]


def _by_dtype(pairs: list[Pair]) -> list[Columns]:
    """Return the pairs in groups: torch's kernel takes one dtype at once (counts are int64)."""
    groups: dict[tuple[torch.dtype, torch.dtype], list[Pair]] = {}
    for ours, theirs in pairs:
        groups.setdefault((ours.dtype, theirs.dtype), []).append((ours, theirs))
    return [_columns(group) for group in groups.values()]


def _copy(groups: list[Columns]) -> None:
    for ours, theirs in groups:
        torch._foreach_copy_(ours, theirs)


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
