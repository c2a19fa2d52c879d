"""Let all processes of a run know what one of them was asked for, without any device.

NCCL would take the answer to the GPU and back, behind all that the GPU still has to compute.  So
the processes count in the store that they share: each waits until the others have come as far.
"""

import itertools
import time
from collections.abc import Sequence

from bag_of_transfer.engine.process_group import process_group

__all__ = ["Agreement"]

KEY = "bag_of_transfer/asked/{}/{}"
BITS = 20  # for each count in the store's number of 64: of processes, and of those that say yes
PAUSE_S = 0.001


class Agreement:
    """What the processes ask each other; all of them make it, and call it alike.

    Args:
        number: Another one for each agreement of a process.
    """

    def __init__(self, number: int) -> None:
        dist = process_group()
        self._number, self._rounds = number, itertools.count()
        self._size = 1 if dist is None else dist.get_world_size()
        self._store = None if dist is None else dist.distributed_c10d._get_default_store().clone()

    def any_of(self, answers: Sequence[bool]) -> list[bool]:
        """Return for each question whether a process says yes.

        Args:
            answers: This process's, to two questions at most.

        Raises:
            RuntimeError: If another process has not come as far within the store's timeout.
        """
        if self._store is None:
            return list(answers)
        this = next(self._rounds)
        key = KEY.format(self._number, this)
        own = 1 + sum(yes << BITS * place for place, yes in enumerate(answers, start=1))
        found = self._store.add(key, own)
        begun = time.monotonic()
        while found % 2**BITS < self._size:
            time.sleep(PAUSE_S)
            if time.monotonic() - begun > self._store.timeout.total_seconds():
                raise RuntimeError("connection closed: a process of this run does not answer")
            found = self._store.add(key, 0)
        self._store.delete_key(KEY.format(self._number, this - 1))  # all have read it
        return [bool((found >> BITS * place) % 2**BITS) for place in range(1, len(answers) + 1)]
