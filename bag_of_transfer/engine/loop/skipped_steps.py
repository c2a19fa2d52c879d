"""Steps that change nothing, because their loss or gradient is no number.

Whether a step is one of them is known on the device alone: the optimizer's kernel asks there
(``found_inf``, as torch's loss scaling has it), and running statistics and averages are put back
there.  The host reads the answers where the log is written.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmengine.dist import all_reduce
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from bag_of_transfer.engine.run_files import SKIPPED

__all__ = ["SkippedSteps", "skipped_steps"]


class _Kept(NamedTuple):
    """Buffers of one kind, and their values of before in one row."""

    buffers: list[Tensor]
    values: Tensor


class SkippedSteps:
    """Decides on the device whether a step counts, and keeps what a step in vain changes.

    All processes of a run decide alike.

    Args:
        before: Updates in vain of the run that is resumed.

    Attributes:
        counts: 1 if the newest update took place, 0 if not, on its device; None before the first.
        iterations: Those of the updates in vain, as far as :meth:`total` has read them.
        longest_row: How many of them came one after the other.
    """

    def __init__(self, before: int = 0) -> None:
        self._before = before
        self.longest_row = 0
        self.counts: Tensor | None = None
        self.iterations: list[int] = []
        self._loss: Tensor | None = None
        self._kept: list[_Kept] = []
        self._judged: list[Tensor] = []
        self._updates: list[tuple[int, Tensor]] = []
        self._row = 0

    def begin(self, network: nn.Module) -> None:
        """Keep the running statistics; called before the forward pass of each batch."""
        if self._kept:  # more batches make one update
            return
        kinds: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
        for buffer in network.buffers():
            if buffer.numel():
                kinds.setdefault((buffer.dtype, buffer.device), []).append(buffer)
        self._kept = [_Kept(buffers, _in_a_row(buffers)) for buffers in kinds.values()]

    def add(self, loss: Tensor) -> None:
        """Note the loss of a batch."""
        loss = loss.detach().float()
        self._loss = loss if self._loss is None else self._loss + loss

    @torch.no_grad()
    def judge(self, optimizer: Optimizer, *, by_gradients: bool = True) -> Tensor:
        """Decide about an update that is due, and put running statistics back if it is in vain.

        Args:
            optimizer: Its gradients are those of all processes.
            by_gradients: False where a loss scaling looks at the gradients itself.

        Returns:
            1 if the update is in vain, else 0, on the device.
        """
        measure = torch.zeros(()) if self._loss is None else self._loss
        if by_gradients:
            params = (one for group in optimizer.param_groups for one in group["params"])
            # A sum of numbers and of what is none is none.
            measure = measure + get_total_norm([p.grad for p in params if p.grad is not None])
        in_vain = measure.isfinite().logical_not().float()
        all_reduce(in_vain, "max")
        for buffers, values in self._kept:
            merged = torch.where(in_vain.bool(), values, _in_a_row(buffers))
            parts = merged.split([one.numel() for one in buffers])
            shaped = [part.view_as(one) for part, one in zip(parts, buffers, strict=True)]
            torch._foreach_copy_(buffers, shaped)
        self._kept, self._loss, self.counts = [], None, 1 - in_vain
        self._judged.append(self.counts)
        return in_vain

    def note(self, iteration: int) -> None:
        """Note which iteration an update belongs to, if there was one since the last call."""
        self._updates += [(iteration, counts) for counts in self._judged]
        self._judged = []

    def total(self) -> int:
        """Return the number of updates in vain; this waits for the device if there are new ones."""
        if self._updates:
            read = torch.stack([counts for _, counts in self._updates]).tolist()
            for (iteration, _), counts in zip(self._updates, read, strict=True):
                self._row = 0 if counts else self._row + 1
                self.longest_row = max(self.longest_row, self._row)
                if not counts:
                    self.iterations.append(iteration)
            self._updates = []
        return self._before + len(self.iterations)


def skipped_steps(wrapper: object) -> dict[str, int]:
    """Return how many steps of a run were left out, by the name in records.

    Returns:
        Nothing where no step is left out.
    """
    skipped = getattr(wrapper, "skipped", None)
    return {} if skipped is None else {SKIPPED: skipped.total()}


def _in_a_row(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([one.reshape(-1) for one in tensors])
