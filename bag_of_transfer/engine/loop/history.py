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
    """Return numbers and those of tensors; tensors of one kind on a GPU take one wait together."""
    held = list(values)
    kinds = {(v.dtype, v.device) if isinstance(v, torch.Tensor) else None for v in held}
    first = held[0] if held else None
    if len(kinds) == 1 and isinstance(first, torch.Tensor) and first.device.type != "cpu":
        return torch.stack([v if v.ndim == 0 else v.reshape(()) for v in held]).tolist()
    return [v.item() if isinstance(v, torch.Tensor) else v for v in held]
