"""The training loops: mmengine's, with iterations that cost less.

They take the place of mmengine's loops of the same arguments (``runner.py``).  The order of hooks,
what hooks find at the Runner, and all numbers are the same.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from torch import Tensor

from bag_of_transfer.engine.device_copy import CopiedAhead, copied_ahead

__all__ = ["EpochLoop", "HookCalls", "IterLoop", "total_loss", "train_step"]


class HookCalls:
    """Calls those hooks of a Runner that do something at a point of training.

    mmengine calls every hook at every point, most of them in vain.  Hooks that are registered or
    removed later are seen.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._hooks: list[Hook] = []
        self._calls: dict[str, list[Callable[..., None]]] = {}

    def __call__(self, point: str, **what: Any) -> None:
        """Call the hooks, in the order of their priorities.

        Args:
            point: ``before_train_iter``, for instance.
            what: What mmengine's ``Runner.call_hook`` takes at this point.

        Raises:
            TypeError: If a hook does; its name is added.
        """
        if self._hooks != self._runner.hooks:
            self._hooks, self._calls = list(self._runner.hooks), {}
        if point not in self._calls:
            hooks = [hook for hook in self._hooks if point in hook.get_triggered_stages()]
            self._calls[point] = [getattr(hook, point) for hook in hooks]
        for call in self._calls[point]:
            try:
                call(self._runner, **what)
            except TypeError as error:
                raise TypeError(f"{error} in {getattr(call, '__self__', call)}") from None


@LOOPS.register_module()
class EpochLoop(EpochBasedTrainLoop):
    """mmengine's loop that counts epochs, with iterations that cost less."""

    def __init__(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        super().__init__(runner, *args, **kwargs)
        self._call = HookCalls(runner)

    def run_epoch(self) -> None:
        """Train on every batch of the loader once."""
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        for idx, data_batch in enumerate(copied_ahead(self.dataloader, self.runner.model)):
            self.run_iter(idx, data_batch)
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Train on a batch; ``idx`` counts from 0 in the epoch."""
        self._call("before_train_iter", batch_idx=idx, data_batch=data_batch)
        outputs = train_step(self.runner.model, data_batch, self.runner.optim_wrapper)
        self._call("after_train_iter", batch_idx=idx, data_batch=data_batch, outputs=outputs)
        self._iter += 1


@LOOPS.register_module()
class IterLoop(IterBasedTrainLoop):
    """mmengine's loop that counts iterations, with iterations that cost less."""

    def __init__(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        super().__init__(runner, *args, **kwargs)
        self._call = HookCalls(runner)
        endless = getattr(self, "dataloader_iterator")  # noqa: B009  mmengine states no type
        self.dataloader_iterator = CopiedAhead(endless, runner)

    def run_iter(self, data_batch: Any) -> None:
        """Train on a batch."""
        index = self._iter
        self._call("before_train_iter", batch_idx=index, data_batch=data_batch)
        outputs = train_step(self.runner.model, data_batch, self.runner.optim_wrapper)
        self._call("after_train_iter", batch_idx=index, data_batch=data_batch, outputs=outputs)
        self._iter += 1


def train_step(model: Any, batch: Any, wrapper: OptimWrapper) -> dict[str, Tensor]:
    """Do what ``model.train_step`` does; return the values to log.

    Models with a step of their own (DDP's wrapper, a GAN) keep it.
    """
    kind: Any = type(model)
    if getattr(kind, "train_step", None) is not BaseModel.train_step:
        return model.train_step(batch, optim_wrapper=wrapper)
    with wrapper.optim_context(model):
        data = model.data_preprocessor(batch, True)
        losses = model(**data, mode="loss") if isinstance(data, dict) else model(*data, mode="loss")
    own = kind.parse_losses is not BaseModel.parse_losses
    loss, logged = model.parse_losses(losses) if own else total_loss(losses)
    wrapper.update_params(loss)
    return logged


def total_loss(
    losses: dict[str, Tensor | Sequence[Tensor]],
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the sum of the losses, and what is logged, as ``BaseModel.parse_losses`` does.

    That takes the mean of numbers and adds the first to 0; the sum is the same, bit for bit.

    Args:
        losses: What a network returns: tensors of any shape, or lists of them.  Those whose name
            contains ``loss`` are added up, the others are only logged.

    Raises:
        TypeError: If one is neither.
    """
    values = {name: _mean(name, value) for name, value in losses.items()}
    parts = [value for name, value in values.items() if "loss" in name]
    loss = sum(parts[1:], parts[0]) if parts else torch.zeros(())
    return loss, {"loss": loss, **values}


def _mean(name: str, value: Tensor | Sequence[Tensor]) -> Tensor:
    if isinstance(value, Tensor):
        return value if value.ndim == 0 else value.mean()
    if isinstance(value, list) and value and all(isinstance(one, Tensor) for one in value):
        means = [_mean(name, one) for one in value]
        return sum(means[1:], means[0])
    raise TypeError(f"{name} is not a tensor or list of tensors")
