"""Pictures that are nearly the same are told from others."""

import cv2
import numpy as np
import pytest

from bag_of_transfer.data_checks.likeness import MAX_DIFFERENT, NUM_SIGNS, likeness, nearest


def draw(seed: int, height: int = 97, width: int = 130) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rough = rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)
    return cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)


PICTURES = [draw(seed) for seed in range(12)]
KNOWN = [likeness(picture) for picture in PICTURES]
COPIES = {
    "compressed": lambda p: cv2.imdecode(cv2.imencode(".jpg", p, [1, 30])[1], cv2.IMREAD_COLOR),
    "half the size": lambda p: cv2.resize(p, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "brighter": lambda p: np.clip(p.astype(int) + 20, 0, 255).astype(np.uint8),
    "mirrored": lambda p: p[:, ::-1],
    "upside down": lambda p: p[::-1],
    "turned": lambda p: p.transpose(1, 0, 2)[::-1],
    "turned and mirrored": lambda p: p.transpose(1, 0, 2),
}


@pytest.mark.parametrize("change", COPIES.values(), ids=COPIES)
def test_a_changed_copy_is_found(change: object) -> None:
    copies = [likeness(np.ascontiguousarray(change(picture))) for picture in PICTURES]
    matches = nearest(copies, KNOWN)
    assert [match and match[0] for match in matches] == list(range(len(PICTURES)))


def test_other_pictures_are_not_alike() -> None:
    assert nearest(KNOWN) == [None] * len(KNOWN)
    assert nearest(KNOWN, []) == [None] * len(KNOWN)
    assert nearest([], KNOWN) == []


@pytest.mark.parametrize(("num_flipped", "found"), [(0, True), (MAX_DIFFERENT, True), (33, False)])
def test_the_threshold_is_the_stated_one(num_flipped: int, found: bool) -> None:
    """The highest frequencies are flipped, so that the lowest 63 stay."""
    signs = np.unpackbits(np.frombuffer(KNOWN[0], np.uint8))
    signs[len(signs) - num_flipped :] ^= 1
    (match,) = nearest([np.packbits(signs).tobytes()], KNOWN)
    assert match == ((0, num_flipped) if found else None)
    assert NUM_SIGNS == 255


@pytest.mark.parametrize("block", [1 << 18, 1 << 10], ids=["all at once", "by bands"])
def test_the_search_finds_what_comparing_all_pairs_finds(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bag_of_transfer.data_checks.likeness.BLOCK", block)
    rng = np.random.default_rng(0)
    signs = rng.integers(0, 2, (150, 256), dtype=np.uint8)
    signs[:, 0] = 0
    flips = rng.random((150, 256)) < np.linspace(0, 0.2, 150)[:, None]
    flips[:, 0] = False
    changed = signs ^ flips
    lowest = np.zeros((16, 16), bool)
    lowest[:8, :8] = True
    near = (flips.sum(1) <= MAX_DIFFERENT) & (flips[:, lowest.ravel()].sum(1) <= 7)
    assert 30 < near.sum() < 120
    matches = nearest(*([np.packbits(row).tobytes() for row in rows] for rows in (changed, signs)))
    expected = [(i, int(flips[i].sum())) if near[i] else None for i in range(150)]
    assert matches == expected
