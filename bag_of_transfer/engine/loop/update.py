"""The optimizer's update without waiting for the device.

Both classes take the place of mmengine's optimizer wrappers of the same arguments
(``runner.py``).
"""

import contextlib
from contextlib import AbstractContextManager
from typing import Any

import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import Tensor, nn
from torch.optim import Optimizer

from bag_of_transfer.engine.loop.fused import one_group_per_setting
from bag_of_transfer.engine.loop.history import history_of
from bag_of_transfer.engine.loop.skipped_steps import SkippedSteps

__all__ = ["ScaledUpdate", "Update", "lay_out_state"]

STEP = "step"  # torch's name for a tensor's number of updates, in the state of Adam and others


@OPTIM_WRAPPERS.register_module()
class Update(OptimWrapper):
    """mmengine's OptimWrapper; the norm of clipped gradients stays on its device.

    Attributes:
        skipped: What keeps a step from changing anything if its loss or gradient is no number;
            None where that was not asked for (``non_finite.py``).
    """

    skipped: SkippedSteps | None = None

    def step(self, **more: Any) -> None:
        """Clip the gradients, if asked for, and update the tensors."""
        if self.skipped is not None:
            self.optimizer.found_inf = self.skipped.judge(self.optimizer)
        if self.clip_grad_kwargs:
            self._clip_grad()
        with one_group_per_setting(self.optimizer):
            self.optimizer.step(**more)

    def optim_context(self, model: nn.Module) -> AbstractContextManager[None]:
        """Keep DDP from averaging gradients that are not complete."""
        if self.skipped is not None:
            self.skipped.begin(model)
        alone = self._accumulative_counts == 1
        return contextlib.nullcontext() if alone else super().optim_context(model)

    def scale_loss(self, loss: Tensor) -> Tensor:
        """Divide the loss by the number of batches of an update, if there are several."""
        if self.skipped is not None:
            self.skipped.add(loss)
        return loss if self._accumulative_counts == 1 else super().scale_loss(loss)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the optimizer's state in the layout of its parameters."""
        super().load_state_dict(state_dict)
        lay_out_state(self.optimizer)

    def _clip_grad(self) -> None:
        groups = self.optimizer.param_groups
        params = [one for group in groups for one in group["params"] if one.grad is not None]
        norm = self.clip_func(params, **self.clip_grad_kwargs) if params else None
        if norm is not None:  # clipping by value has none
            history_of(self.message_hub, f"train/{self.grad_name}").add(norm)


@OPTIM_WRAPPERS.register_module()
class ScaledUpdate(AmpOptimWrapper, Update):
    """mmengine's AmpOptimWrapper, which scales the loss, with the same changes."""

    def step(self, **more: Any) -> None:
        """Clip the gradients, if asked for, update the tensors, and adapt the loss scale."""
        if self.skipped is not None:
            self.skipped.judge(self.optimizer, by_gradients=False)
        with one_group_per_setting(self.optimizer):
            super().step(**more)

    def scale_loss(self, loss: Tensor) -> Tensor:
        """Divide the loss as :class:`Update` does; one that is no number has no gradients, either.

        The loss scaling then leaves the step out.
        """
        scaled = super().scale_loss(loss)
        return scaled if self.skipped is None else scaled * (1 + 0 * scaled.detach())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the optimizer's state in the layout of its parameters, and the loss scale."""
        super().load_state_dict(state_dict)
        lay_out_state(self.optimizer)


def lay_out_state(optimizer: Optimizer) -> None:
    """Bring the state's tensors to where the update expects them, which differs in a checkpoint.

    They get the order of their parameters in memory, which a fused update takes for granted.  The
    counts of steps go to the CPU, unless a fused or captured update reads them on the device: torch
    leaves them where they were loaded, and would wait for the device at each of them.
    """
    for group in optimizer.param_groups:
        counts_on_device = group.get("fused") or group.get("capturable")
        for param in group["params"]:
            state = optimizer.state.get(param, {})
            for key, value in state.items():
                if not isinstance(value, Tensor):
                    continue
                if key == STEP:
                    state[key] = value if counts_on_device else value.cpu()
                elif value.shape == param.shape:
                    state[key] = torch.empty_like(param, dtype=value.dtype).copy_(value)
