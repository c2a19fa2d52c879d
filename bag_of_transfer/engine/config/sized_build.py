"""Build the network that a file describes, with no more memory than its tensors can explain."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from bag_of_transfer.engine.config.described import MEND
from bag_of_transfer.engine.errors import UserError, without_colons

__all__ = ["build_described", "sized_by"]

# Beside its weights a network creates tensors that it does not store: grids, anchors, copies.
SPARE_ELEMENTS, SPARE_TENSORS = 1 << 26, 2_000
TIMES = 8  # a weight is drawn, moved and converted, and each of these creates a tensor


def build_described(model: Mapping[str, Any], state: Mapping[str, Tensor], where: object) -> Any:
    """Build a network that :func:`bag_of_transfer.engine.config.described.admit` has admitted.

    Args:
        model: The description.
        state: The network's weights.
        where: The file, for the error.

    Raises:
        UserError: If it cannot be built, or is far larger than its weights.
    """
    with sized_by(state, where):
        try:
            network: nn.Module = MODELS.build(model)
        except UserError:
            raise
        except Exception as error:  # with arguments from any file, a class may raise anything
            reason = without_colons(f"{type(error).__name__} {error}".split("\n")[0])
            what = f"the network that the file describes cannot be built ({reason[:200]})"
            raise UserError(what, where, MEND) from error
    return network


@contextmanager
def sized_by(state: Mapping[str, Tensor], where: object) -> Iterator[None]:
    """Stop building a network far larger than its weights, before it takes the memory.

    Args:
        state: The weights.
        where: The file, for the error.

    Raises:
        UserError: If the network is far larger.
    """
    most = TIMES * sum(tensor.numel() for tensor in state.values()) + SPARE_ELEMENTS
    try:
        with _Allowance(most, TIMES * len(state) + SPARE_TENSORS):
            yield
    except _TooLargeError as error:
        what = "the network that the file describes is far larger than the file's weights"
        raise UserError(what, where, MEND) from error


class _TooLargeError(BaseException):
    """Not an Exception, so ``except Exception`` in the libraries does not catch it."""


class _Allowance(TorchDispatchMode):
    """Counts the elements and tensors that torch is about to create."""

    def __init__(self, elements: float, tensors: int) -> None:
        super().__init__()
        self._elements, self._tensors = elements, tensors

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        count = _new_elements(func, args)
        if count is not None:
            self._elements -= count
            self._tensors -= 1
            if self._elements < 0 or self._tensors < 0:
                raise _TooLargeError
        return func(*args, **(kwargs or {}))


def _new_elements(func: Any, args: tuple[Any, ...]) -> float | None:
    """Return how many elements an operation creates; None if it creates no new tensor."""
    name = getattr(func, "overloadpacket", func).__name__
    if name == "arange":
        start, end, step = (0, *args, 1) if len(args) == 1 else (*args, 1)[:3]
        return abs(float(end) - float(start)) / max(abs(float(step)), 1e-12)
    if name == "linspace":
        return float(args[2]) if len(args) > 2 else None
    if name == "repeat":
        return float(math.prod(args[1]) * args[0].numel())
    if name.startswith("new_"):
        return float(math.prod(args[1]))
    if args and isinstance(args[0], list | tuple):
        if all(isinstance(value, int) for value in args[0]):
            return float(math.prod(args[0]))
    return None
