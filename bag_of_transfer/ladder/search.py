"""The search for the values of a recipe: what is tried, what is chosen, and when a grid is widened.

Every arm of a search is tried with the same values and the same seeds.  The best value of an arm
may lie at the edge of the grid; then the grid of all arms gets one more value there, so that no
arm is tried with more values than another.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from statistics import fmean

from bag_of_transfer.engine.numbers import is_finite_number

__all__ = [
    "LOST",
    "MAX_WIDENED",
    "Axis",
    "Grid",
    "Point",
    "Progress",
    "Scores",
    "Value",
    "options_of",
    "point_name",
    "search",
]

Value = bool | int | float | str | None
Axis = tuple[str, tuple[Value, ...]]  # a key of the config, and the values to try
Point = tuple[tuple[str, Value], ...]  # a value for each key; () is the config as it is
# The score of an arm's run by its point and seed, in percent; None while it is not done.
Scores = Callable[[str, Point, int], float | None]

MAX_WIDENED = 2  # times that an edge of a grid is moved
LOST = -math.inf  # the score of a run whose loss was lost, or whose added value was refused


@dataclass(frozen=True)
class Grid:
    """The values to try for some keys of a config; all combinations of them are tried.

    Args:
        axes: The keys with their values, in the config's order.
    """

    axes: tuple[Axis, ...]

    @property
    def points(self) -> tuple[Point, ...]:
        """All combinations, the last key's values changing fastest."""
        keys = [key for key, _ in self.axes]
        return tuple(
            tuple(zip(keys, values, strict=True)) for values in product(*(v for _, v in self.axes))
        )

    @property
    def lowest(self) -> Point:
        """The point of the smallest numbers, and of the first of other values."""
        return tuple((key, _lowest(values)) for key, values in self.axes)

    def edges(self, point: Point) -> frozenset[tuple[str, int]]:
        """Return the edges on which a point lies: the key, and -1 for its smallest value or 1.

        Only keys with several values that are all numbers have edges.
        """
        sides = ((key, side, beyond) for key, values in self.axes for side, beyond in _ends(values))
        chosen = dict(point)
        return frozenset((key, side) for key, side, (edge, _) in sides if chosen[key] == edge)

    def widened(self, edges: frozenset[tuple[str, int]]) -> "Grid":
        """Return the grid with one more value beyond each of these edges."""
        axes: list[Axis] = []
        for key, values in self.axes:
            more = {side: ends[1] for side, ends in _ends(values) if (key, side) in edges}
            below, above = ([more[side]] if side in more else [] for side in (-1, 1))
            axes.append((key, (*below, *values, *above)))
        return Grid(tuple(axes))


@dataclass(frozen=True)
class Progress:
    """How far a search is.

    Args:
        grid: The values to try, as far as it is known by now.
        chosen: The point of each arm; empty until all runs are done.
        at_edge: Arms whose point lies at an edge of a grid that was widened as often as it may be.
        means: The mean score over the seeds, by arm and point, of the points that are done.
    """

    grid: Grid
    chosen: Mapping[str, Point]
    at_edge: frozenset[str]
    means: Mapping[str, Mapping[Point, float]]


def search(stated: Grid, arms: tuple[str, ...], seeds: tuple[int, ...], score: Scores) -> Progress:
    """Return how far a search is, from the runs that are done.

    The best point has the largest mean score over the seeds; of equal ones the first in the grid's
    order is taken, but one inside the grid before one at its edge.  Where every run lost its loss,
    the smallest values count as the best, so that smaller ones are tried.

    Args:
        stated: The values that the ladder's config gives.
        arms: What is tuned, each on its own: the rungs.
        seeds: The seeds of the runs.
        score: Gives the score of a run.
    """
    grid = stated
    for widened in range(MAX_WIDENED + 1):
        means = {arm: _means(grid, arm, seeds, score) for arm in arms}
        if any(len(by_point) < len(grid.points) for by_point in means.values()):
            return Progress(grid, {}, frozenset(), means)
        chosen = {arm: _best(grid, means[arm]) for arm in arms}
        edges = {arm: grid.edges(point) for arm, point in chosen.items()}
        crossed = frozenset[tuple[str, int]]().union(*edges.values())
        if not crossed or widened == MAX_WIDENED:
            break
        grid = grid.widened(crossed)
    return Progress(grid, chosen, frozenset(arm for arm in arms if edges[arm]), means)


def _means(grid: Grid, arm: str, seeds: tuple[int, ...], score: Scores) -> dict[Point, float]:
    means: dict[Point, float] = {}
    for point in grid.points:
        scores = [score(arm, point, seed) for seed in seeds]
        known = [each for each in scores if each is not None]
        if len(known) == len(seeds):
            means[point] = fmean(known) if LOST not in known else LOST
    return means


def _best(grid: Grid, means: Mapping[Point, float]) -> Point:
    if set(means.values()) == {LOST}:
        return grid.lowest
    return max(means, key=lambda point: (means[point], not grid.edges(point)))


def _lowest(values: tuple[Value, ...]) -> Value:
    numbers = [v for v in values if is_finite_number(v)]
    return min(numbers) if len(numbers) == len(values) else values[0]


def _ends(values: tuple[Value, ...]) -> list[tuple[int, tuple[float, float]]]:
    """Return -1 and 1 with the smallest or largest value, and the value beyond it."""
    numbers = [v for v in values if is_finite_number(v)]
    if len(numbers) < max(2, len(values)):
        return []
    first, second, *_ = sorted(numbers)
    last, before, *_ = sorted(numbers, reverse=True)
    ends = ((-1, (first, _beyond(first, second))), (1, (last, _beyond(last, before))))
    return [(side, (edge, beyond)) for side, (edge, beyond) in ends if beyond != edge]


def _beyond(edge: float, inner: float) -> float:
    """Return the value beyond ``edge`` in the same ratio to it as it has to ``inner``.

    If ``inner`` is 0, or of the other sign, the difference is kept instead.  Whole numbers stay
    whole.  No value is 0 or of another sign than ``edge``, because few settings allow both: then
    there is no value beyond ``edge``, and it is returned itself.
    """
    if edge == 0:
        return edge
    value = edge * edge / inner if edge * inner > 0 else 2 * edge - inner
    if isinstance(edge, int) and isinstance(inner, int):
        return round(value) or edge
    return float(f"{value:.6g}") or edge


def options_of(point: Point) -> tuple[str, ...]:
    """Return a point as overrides of ``--cfg-options``."""
    return tuple(f"{key}={_text(value)}" for key, value in point)


def _text(value: Value) -> str:
    return str(value) if isinstance(value, str) else repr(value)


def point_name(point: Point) -> str:
    """Return the name of a point's folder: ``optim_wrapper.optimizer.lr=0.01``."""
    return ",".join(options_of(point))
