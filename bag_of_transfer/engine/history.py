"""Logged values that stay on their device until somebody reads them.

mmengine waits for the device at each value of each iteration, keeps them all, and copies the whole
history at each new value.  Here the newest values are kept as they come, and the log's lines,
TensorBoard and hooks that ask the message hub get the same numbers as from mmengine's history.
"""

from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, MessageHub

__all__ = ["LENGTH", "RecentHistory", "history_of", "set_length"]

LENGTH = 100  # values that are kept, unless the log averages over more
_LENGTH_KEY = "history_length"


class RecentHistory(HistoryBuffer):
    """The newest values of one scalar; reading them waits for the device, adding one does not.

    Args:
        length: Number of values that are kept.
    """

    def __init__(self, length: int = LENGTH) -> None:
        self.max_length = length
        self._set_default_statistics()
        self._numbers: deque[float] = deque(maxlen=length)
        self._counts: deque[int] = deque(maxlen=length)
        self._unread: deque[Any] = deque(maxlen=length)

    def add(self, value: float | torch.Tensor) -> None:
        """Add a number, or a tensor of one number, which is read later."""
        self._unread.append(value.detach() if isinstance(value, torch.Tensor) else value)
        self._counts.append(1)

    def update(self, log_val: float, count: int = 1) -> None:
        """Add the sum of ``count`` values, as mmengine's message hub does."""
        self._unread.append(log_val)
        self._counts.append(count)

    @property
    def _log_history(self) -> np.ndarray:
        self._numbers.extend(_read(self._unread))
        self._unread.clear()
        return np.array(self._numbers)

    @property
    def _count_history(self) -> np.ndarray:
        return np.array(self._counts)


def history_of(hub: MessageHub, key: str) -> RecentHistory:
    """Return the history of the scalar ``key``, which begins now if there is none of this kind.

    The values are left out of the hub's state.
    """
    history = hub.log_scalars.get(key)
    if not isinstance(history, RecentHistory):
        history = hub.log_scalars[key] = RecentHistory(hub.get_info(_LENGTH_KEY, LENGTH))
    return history


def set_length(hub: MessageHub, length: int) -> None:
    """State how many values the log needs, for the scalars that are kept from now on."""
    hub.update_info(_LENGTH_KEY, max(length, LENGTH), resumed=False)


def _read(values: Iterable[Any]) -> list[float]:
    """Return numbers and those of tensors, with one wait if one tensor can hold them all."""
    held = list(values)
    if all(isinstance(value, torch.Tensor) for value in held):
        if len({(value.dtype, value.device) for value in held}) == 1:
            return torch.stack([value.reshape(()) for value in held]).tolist()
    return [value.item() if isinstance(value, torch.Tensor) else value for value in held]
