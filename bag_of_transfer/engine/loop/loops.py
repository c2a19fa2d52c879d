"""The training loops: mmengine's, with iterations that cost less.

They take the place of mmengine's loops of the same arguments (``runner.py``).  The order of hooks,
what hooks find at the Runner, and all numbers are the same.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from torch import Tensor, nn

from bag_of_transfer.engine.loop.device_copy import copied_ahead
from bag_of_transfer.engine.loop.turns import batches_after, is_endless, samplers_of
from bag_of_transfer.engine.weights.exact_state import VALIDATED

__all__ = ["EpochLoop", "HookCalls", "IterLoop", "losses_of", "total_loss", "train_step"]


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


class _Loop:
    """What both loops do: they validate where it is due, and again if that was cut off."""

    runner: Runner
    val_begin: int
    val_interval: int
    _iter: int

    def __init__(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        super().__init__(runner, *args, **kwargs)  # type: ignore[call-arg]
        self._call = HookCalls(runner)

    def _train_on(self, index: int, batch: Any) -> None:
        self._call("before_train_iter", batch_idx=index, data_batch=batch)
        outputs = train_step(self.runner.model, batch, self.runner.optim_wrapper)
        self._call("after_train_iter", batch_idx=index, data_batch=batch, outputs=outputs)
        self._iter += 1

    def _validate(self, done: int, last: int) -> None:
        """Validate if it is due after ``done`` of ``last`` epochs or iterations."""
        self._decide_current_val_interval()  # type: ignore[attr-defined]
        loop = self.runner.val_loop
        if loop is None or done < self.val_begin or (done % self.val_interval and done != last):
            return
        if self.runner.message_hub.runtime_info.get(VALIDATED) != self._iter:
            loop.run()


@LOOPS.register_module()
class EpochLoop(_Loop, EpochBasedTrainLoop):
    """mmengine's loop that counts epochs, with iterations that cost less.

    A resumed run goes on at any iteration; the batches before it are not loaded.
    """

    def run(self) -> nn.Module:
        """Train, from the start or from where a resumed run was."""
        self.runner.call_hook("before_train")
        if self._iter and self._iter == self._epoch * len(self.dataloader):
            self._validate(self._epoch, self._max_epochs)
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._validate(self._epoch, self._max_epochs)
        self.runner.call_hook("after_train")
        return self.runner.model

    def run_epoch(self) -> None:
        """Train on every batch of the loader once, or on those that are left of an epoch."""
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        done = self._iter - self._epoch * len(self.dataloader)
        batches = batches_after(self.dataloader, done) if done else self.dataloader
        for idx, data_batch in enumerate(copied_ahead(batches, self.runner.model), start=done):
            self.run_iter(idx, data_batch)
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Train on a batch; ``idx`` counts from 0 in the epoch."""
        self._train_on(idx, data_batch)


@LOOPS.register_module()
class IterLoop(_Loop, IterBasedTrainLoop):
    """mmengine's loop that counts iterations, with iterations that cost less.

    A resumed run goes on at any iteration; the batches before it are not loaded.
    """

    def run(self) -> None:
        """Train, from the start or from where a resumed run was."""
        self.runner.call_hook("before_train")
        self.runner.call_hook("before_train_epoch")  # the whole training is one
        if self._iter:
            self._validate(self._iter, self._max_iters)
        done = 0 if self.fast_forward_on_resume else self._iter
        batches = copied_ahead(_endless(self.dataloader, done), self.runner.model)
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            self.run_iter(next(batches))
            self._validate(self._iter, self._max_iters)
        self.runner.call_hook("after_train_epoch")
        self.runner.call_hook("after_train")

    def run_iter(self, data_batch: Any) -> None:
        """Train on a batch."""
        self._train_on(self._iter, data_batch)


def _endless(loader: Any, done: int) -> Iterator[Any]:
    """Yield a loader's batches after the first ``done``, again and again where they end."""
    epoch, start = (0, done) if is_endless(loader) else divmod(done, len(loader))
    while True:
        with_epochs = [one for one in samplers_of(loader) if hasattr(one, "set_epoch")]
        if epoch and with_epochs:
            with_epochs[0].set_epoch(epoch)
        yield from batches_after(loader, start)
        epoch, start = epoch + 1, 0


def train_step(model: Any, batch: Any, wrapper: OptimWrapper) -> dict[str, Tensor]:
    """Do what ``model.train_step`` does; return the values to log.

    Models with a step of their own (DDP's wrapper, a GAN) keep it.
    """
    kind: Any = type(model)
    if getattr(kind, "train_step", None) is not BaseModel.train_step:
        return model.train_step(batch, optim_wrapper=wrapper)
    with wrapper.optim_context(model):
        losses = losses_of(model, batch)
    own = kind.parse_losses is not BaseModel.parse_losses
    loss, logged = model.parse_losses(losses) if own else total_loss(losses)
    wrapper.update_params(loss)
    return logged


def losses_of(network: Any, batch: Any) -> dict[str, Tensor | Sequence[Tensor]]:
    """Return what a network gives for a batch in training: its losses, and values to log.

    Args:
        network: mmengine's, without a wrapper around it.
        batch: What a loader yields.
    """
    data = network.data_preprocessor(batch, True)
    return network(**data, mode="loss") if isinstance(data, dict) else network(*data, mode="loss")


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
