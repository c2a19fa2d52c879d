"""Which rungs are tuned together: the searches of a ladder's pretrainings, in their order."""

from collections.abc import Callable, Mapping

from bag_of_transfer.ladder.search import Grid, Progress

__all__ = ["search_pretrainings"]

Search = Callable[[Grid, tuple[str, ...]], Progress]


def search_pretrainings(
    grids: Mapping[str, Grid], teachers: Mapping[str, str], search: Search
) -> None:
    """Search the values of all pretrainings, teachers first: students learn from tuned teachers.

    Rungs of the same values and as many teachers above them are one search.  Students begin with
    the values to which their teachers' search was widened.

    Args:
        grids: The values to try, by rung, in the order of the ladder; only rungs that are tuned.
        teachers: The teacher of each rung that has one.
        search: Searches some values for some rungs.
    """
    widened: dict[Grid, Grid] = {}
    for level in sorted({_level(rung, teachers) for rung in grids}):
        of_level = [rung for rung in grids if _level(rung, teachers) == level]
        for grid in dict.fromkeys(grids[rung] for rung in of_level):
            rungs = tuple(rung for rung in of_level if grids[rung] == grid)
            widened[grid] = search(widened.get(grid, grid), rungs).grid


def _level(rung: str, teachers: Mapping[str, str]) -> int:
    """Return the number of teachers above a rung."""
    above: list[str] = []
    while (rung := teachers.get(rung, "")) and rung not in above:
        above.append(rung)
    return len(above)
