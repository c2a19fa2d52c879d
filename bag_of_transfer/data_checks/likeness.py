"""Find pictures that are nearly the same: resized, compressed again, brighter, turned, mirrored.

A picture's likeness are the signs of the 255 lowest frequencies (but the mean) of its grey copy of
32 x 32 pixels.  Two pictures are nearly the same if, in one of the eight ways to turn and mirror
one of them, at most ``MAX_DIFFERENT`` of these signs differ, and at most ``MAX_LOWEST`` of the
lowest 63.  ``docs/data_checks.md`` has what that finds, and how often it is wrong.
"""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from jaxtyping import UInt8, UInt64

__all__ = ["MAX_DIFFERENT", "MAX_LOWEST", "NUM_SIGNS", "likeness", "nearest"]

GREY_SIDE, SIDE, LOWEST_SIDE = 32, 16, 8
NUM_SIGNS = SIDE * SIDE - 1
MAX_DIFFERENT = 32  # of NUM_SIGNS
# Less than the number of bands below, so that two likenesses agree in one band at least.
MAX_LOWEST = 7  # of 63
BANDS = 8  # bytes of the lowest signs
BLOCK = 1 << 18  # pairs that are compared at once

Signs = UInt8[np.ndarray, "N 16 16"]
Lowest = UInt64[np.ndarray, " N"]
Words = UInt64[np.ndarray, "N 4"]  # all signs


def likeness(pixels: UInt8[np.ndarray, "H W 3"]) -> bytes:
    """Return the likeness of an RGB picture, 32 bytes."""
    small = cv2.resize(pixels, (GREY_SIDE, GREY_SIDE), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    signs = cv2.dct(grey)[:SIDE, :SIDE] > 0
    signs[0, 0] = False  # the mean
    return np.packbits(signs).tobytes()


def nearest(
    ours: Sequence[bytes], others: Sequence[bytes] | None = None
) -> list[tuple[int, int] | None]:
    """Find for each likeness the nearest one that is nearly the same.

    Args:
        ours: The likenesses to search for.
        others: Those to search among; None: the others of ``ours``.

    Returns:
        For each of ``ours`` the place in ``others`` and the number of signs that differ, or None.
    """
    if not ours or (others is not None and not others):
        return [None] * len(ours)
    among = _signs_of(ours if others is None else others)
    lowest, words = _lowest(among), _words(among)
    order, starts = _buckets(lowest)
    no_rank = (MAX_DIFFERENT + 1) * len(among)
    ranks = np.full(len(ours), no_rank)
    for signs in _ways(_signs_of(ours)):
        own_lowest, own_words = _lowest(signs), _words(signs)
        for mine, theirs in _candidates(own_lowest, lowest, order, starts):
            count = np.bitwise_count(own_words[mine] ^ words[theirs]).sum(1, dtype=np.int64)
            rank = count * len(among) + theirs
            if others is None:
                rank[mine == theirs] = no_rank
            np.minimum.at(ranks, mine, rank)
    found = [divmod(int(rank), len(among)) for rank in ranks]
    return [None if count > MAX_DIFFERENT else (place, count) for count, place in found]


def _signs_of(likenesses: Sequence[bytes]) -> Signs:
    packed = np.frombuffer(b"".join(likenesses), np.uint8)
    return np.unpackbits(packed).reshape(-1, SIDE, SIDE)


def _ways(signs: Signs) -> Iterator[Signs]:
    """Yield the signs of the picture turned and mirrored in all eight ways.

    Mirroring a picture changes the sign of every second frequency along that side.
    """
    odd = (np.arange(SIDE) % 2).astype(np.uint8)
    for transposed in (signs, signs.transpose(0, 2, 1)):
        for rows in (0, odd[:, None]):
            for columns in (0, odd):
                yield transposed ^ rows ^ columns


def _words(signs: Signs) -> Words:
    return np.packbits(signs.reshape(-1, SIDE**2), axis=1).view(np.uint64)


def _lowest(signs: Signs) -> Lowest:
    corner = signs[:, :LOWEST_SIDE, :LOWEST_SIDE].reshape(-1, LOWEST_SIDE**2)
    return np.packbits(corner, axis=1).view(np.uint64).ravel()


def _buckets(lowest: Lowest) -> tuple[np.ndarray, np.ndarray]:
    """Return for each band the places in the order of its byte, and where each byte begins."""
    bands = lowest.view(np.uint8).reshape(-1, BANDS)
    order = np.argsort(bands, axis=0, kind="stable")
    starts = [np.searchsorted(bands[order[:, b], b], np.arange(257)) for b in range(BANDS)]
    return order, np.array(starts)


def _candidates(
    ours: Lowest, others: Lowest, order: np.ndarray, starts: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield places of pairs whose lowest signs are nearly the same; a pair may come again."""
    for mine, theirs in _blocks(ours, others, order, starts):
        rows = max(1, BLOCK // max(1, len(theirs)))
        for start in range(0, len(mine), rows):
            part = mine[start : start + rows]
            num_different = np.bitwise_count(ours[part, None] ^ others[theirs])
            near, far = np.nonzero(num_different <= MAX_LOWEST)
            if len(near):
                yield part[near], theirs[far]


def _blocks(
    ours: Lowest, others: Lowest, order: np.ndarray, starts: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield places that are to be compared: those with the same byte in a band, or all of few."""
    if len(ours) * len(others) <= BLOCK:
        yield np.arange(len(ours)), np.arange(len(others))
        return
    own = ours.view(np.uint8).reshape(-1, BANDS)
    for band in range(BANDS):
        for value in np.unique(own[:, band]).tolist():
            mine = np.flatnonzero(own[:, band] == value)
            yield mine, order[starts[band, value] : starts[band, value + 1], band]
