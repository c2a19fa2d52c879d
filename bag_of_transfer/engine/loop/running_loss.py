"""The loss of an epoch, added up on its device."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["RunningLoss"]

CHUNK = 50  # losses that are added up at once


class RunningLoss:
    """Sum and number of finite losses, and the last finite one, without waiting for the device."""

    def __init__(self) -> None:
        self._recent: list[Tensor] = []
        self._folded = 0
        self._state: Tensor | None = None  # sum, number, and 1 + index of the last finite loss
        self.newest = torch.tensor(torch.nan)

    def __len__(self) -> int:
        """Return the number of losses."""
        return self._folded + len(self._recent)

    def add(self, loss: Tensor) -> None:
        """Add the loss of one iteration."""
        self.newest = loss.detach()
        self._recent.append(self.newest)
        if len(self._recent) == CHUNK:
            self._fold()

    def mean(self) -> Tensor:
        """Return the mean of the finite losses, nan if there is none."""
        state = self._fold()
        return (state[0] / state[1]).float()

    def lost_since(self) -> int:
        """Return the index of the loss after the last finite one; this waits for the device."""
        return int(self._fold()[2])

    def state(self) -> dict[str, Any]:
        """Return what :meth:`load_state` takes; the last losses stay apart, as they are added up.

        Sums of the same parts in the same order are equal to the last bit.
        """
        sums = None if self._state is None else self._state.cpu()
        recent = [loss.cpu() for loss in self._recent]
        return {"recent": recent, "folded": self._folded, "sums": sums}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state`.

        Raises:
            LookupError: If a part is missing.
        """
        self._recent, self._folded = list(state["recent"]), int(state["folded"])
        self._state = state["sums"]
        self.newest = self._recent[-1] if self._recent else torch.zeros(())

    def _fold(self) -> Tensor:
        if self._recent:
            device = self._recent[-1].device  # those of a checkpoint are on the CPU
            losses = torch.stack([loss.to(device) for loss in self._recent]).double()
            finite = losses.isfinite()
            index = torch.arange(1, len(losses) + 1, device=losses.device) + self._folded
            new = torch.stack([losses.where(finite, 0).sum(), finite.sum(), (index * finite).max()])
            state = torch.zeros_like(new) if self._state is None else self._state.to(device)
            self._state = torch.cat([state[:2] + new[:2], torch.maximum(state, new)[2:]])
            self._folded += len(self._recent)
            self._recent = []
        if self._state is None:
            raise ValueError("no loss was added")
        return self._state
