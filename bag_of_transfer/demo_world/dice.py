"""Random integers that are the same on every machine and in every library version.

Source: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
OOPSLA 2014; the three constants are those of Java's SplittableRandom and of
prng.di.unimi.it/splitmix64.c).  numpy's own generators may change their streams between
versions, which would break the committed manifest.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Dice"]

_Item = TypeVar("_Item")

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB


def _mix(state: int) -> int:
    state = ((state ^ (state >> 30)) * _MIX_1) & _MASK
    state = ((state ^ (state >> 27)) * _MIX_2) & _MASK
    return state ^ (state >> 31)


def _mix_array(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    # Shifts and factors as np.uint64: numpy 1 turns uint64 with a signed int into floats.
    state = (state ^ (state >> np.uint64(30))) * np.uint64(_MIX_1)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(_MIX_2)
    return state ^ (state >> np.uint64(31))


class Dice:
    """A stream of integers that depends only on the numbers given to the constructor.

    ``Dice(seed, stream, index)`` gives each picture its own numbers, so that pictures can be drawn
    in any order, in any number of processes, or one by one.
    """

    def __init__(self, *words: int) -> None:
        self._state = 0
        for word in words:
            self._state = _mix((self._state + _GAMMA + word) & _MASK)

    @classmethod
    def from_state(cls, state: int) -> "Dice":
        """Start SplitMix64 at ``state``, as the reference implementation does."""
        dice = cls()
        dice._state = state & _MASK
        return dice

    def bits(self) -> int:
        """Return the next 64 bits."""
        self._state = (self._state + _GAMMA) & _MASK
        return _mix(self._state)

    def below(self, bound: int) -> int:
        """Return an integer in [0, bound); ``bound`` at most 2^32."""
        return ((self.bits() >> 32) * bound) >> 32

    def between(self, low: int, high: int) -> int:
        """Return an integer in [low, high], both ends included."""
        return low + self.below(high - low + 1)

    def chance(self, percent: int) -> bool:
        """Return True in ``percent`` of 100 calls."""
        return self.below(100) < percent

    def pick(self, items: Sequence[_Item]) -> _Item:
        """Return one of ``items``, each equally likely."""
        return items[self.below(len(items))]

    def field(self, shape: tuple[int, ...], bound: int) -> NDArray[np.int32]:
        """Return an array of integers in [0, bound); ``bound`` at most 2^31.

        The values are, in C order, those of as many calls of ``below``.
        """
        count = int(np.prod(shape))
        steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_GAMMA)
        values = _mix_array(np.full(count, self._state, np.uint64) + steps) >> np.uint64(32)
        self._state = (self._state + count * _GAMMA) & _MASK
        return ((values * np.uint64(bound)) >> np.uint64(32)).astype(np.int32).reshape(shape)
