"""How far HSVScale, which computes in float32 and rounds to 8 bits, is from the exact colours.

Command:   python benchmarks/hsv_rounding.py
Largest difference of a channel, in levels of 255: all 16,777,216 colours under the eight corners of
the factors' range, then the worst colours under NUM_TRIED factors more.  Mean: NUM_TRIED factors,
each on 1,000 colours drawn from all.
"""

import argparse
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_of_transfer.classification.transforms import scale_hsv

LOW, HIGH = 0.6, 1.4
NUM_TRIED, NUM_WORST = 20_000, 200


def to_hsv(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn colours N 3 in [0, 1] into hue in [0, 1), saturation and value, without rounding."""
    red, green, blue = rgb.T
    value = rgb.max(axis=1)
    chroma = value - rgb.min(axis=1)
    divisor = np.where(chroma > 0, chroma, 1)
    sixths = np.where(
        value == red,
        (green - blue) / divisor % 6,
        np.where(value == green, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )
    return sixths / 6, chroma / np.where(value > 0, value, 1), value


def to_rgb(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Turn hue, saturation and value back into colours N 3 in [0, 1]."""
    at = (np.array([5, 3, 1])[:, None] + 6 * hue) % 6
    return (value - value * saturation * np.minimum(at, 4 - at).clip(0, 1)).T


def differences(rgb: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Compare HSVScale with the exact colours: N 3, in levels of 255."""
    hue, saturation, value = to_hsv(rgb / 255)
    scale = factors.astype(float)
    exact = to_rgb(
        hue * scale[0] % 1, (saturation * scale[1]).clip(0, 1), (value * scale[2]).clip(0, 1)
    )
    return np.abs(scale_hsv(rgb[None], factors)[0] - 255 * exact)


def all_colours() -> Iterator[np.ndarray]:
    """Yield every colour once, 65,536 at a time."""
    green, blue = np.divmod(np.arange(65_536), 256)
    for red in range(256):
        yield np.stack([np.full(65_536, red), green, blue], axis=1).astype(np.uint8)


def worst_colours() -> tuple[float, np.ndarray]:
    """Search all colours under the corners: the largest difference, and NUM_WORST colours."""
    corners = [np.array(corner, np.float32) for corner in product((LOW, HIGH), repeat=3)]
    worst: dict[tuple[int, ...], float] = {}
    for rgb in all_colours():
        found = np.max([differences(rgb, factors).max(axis=1) for factors in corners], axis=0)
        for at in np.argpartition(found, -8)[-8:]:
            worst[tuple(rgb[at])] = found[at]
    ranked = sorted(worst, key=worst.__getitem__)[-NUM_WORST:]
    return worst[ranked[-1]], np.array(ranked, np.uint8)


def main() -> None:
    """Measure and print."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    largest, colours = worst_colours()
    print(f"all colours, corners of the factors: at most {largest:.2f}")
    rng = np.random.default_rng(0)
    factors = rng.uniform(LOW, HIGH, (NUM_TRIED, 3)).astype(np.float32)
    found = np.array([differences(colours, drawn).max(axis=1) for drawn in factors])
    at, which = np.unravel_index(found.argmax(), found.shape)
    print(f"worst colours, drawn factors: {found.max():.2f}, {colours[which]} x {factors[at]}")
    means = [
        differences(rng.integers(0, 256, (1000, 3), np.uint8), drawn).mean() for drawn in factors
    ]
    print(f"drawn colours, drawn factors: mean {np.mean(means):.2f}")


if __name__ == "__main__":
    main()
