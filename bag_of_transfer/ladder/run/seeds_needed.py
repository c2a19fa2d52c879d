"""Tell how many seeds narrow intervals take, and add seeds until they are narrow (``--precision``).

What is added follows from the spread of the differences alone, never from their means, so that no
verdict is favoured.  With fewer than ``MIN_SEEDS`` seeds nobody stops: there is no verdict yet, and
an interval that is narrow by chance holds the truth too rarely
(docs/decisions/0008-one-interval-per-verdict.md).
"""

import itertools
from collections.abc import Iterator

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.quantities import counted
from bag_of_transfer.ladder.metrics import label_of
from bag_of_transfer.ladder.plan.plan_file import other_seeds, read_plan
from bag_of_transfer.ladder.plan.spec import Ladder
from bag_of_transfer.ladder.report.findings import compare_rungs
from bag_of_transfer.ladder.report.planned import TaskResults
from bag_of_transfer.ladder.report.results import LadderResults, read_results
from bag_of_transfer.ladder.report.summary import on_screen
from bag_of_transfer.ladder.run.call import MOST, POINTS, LadderCall
from bag_of_transfer.ladder.statistics.over_seeds import (
    ENOUGH_FOR_A_GUESS,
    MIN_SEEDS,
    Comparison,
    seeds_for,
)
from bag_of_transfer.pages.table import Entry, Table

__all__ = ["begun", "check_number", "next_seeds", "print_needed"]


def check_number(call: LadderCall, ladder: Ladder) -> None:
    """Check that there is a difference to narrow, and that a call may run all of its seeds.

    Raises:
        UserError: If there is none, or it may not.
    """
    if call.precision is not None and sum(not rung.teaches_only for rung in ladder.rungs) < 2:
        what = "there is no difference whose interval could be narrow"
        raise UserError(f"{what}, the ladder has one rung", POINTS, "leave it out")
    if call.max_seeds is not None and call.max_seeds < len(ladder.seeds):
        what = f"{MOST} {call.max_seeds}, but the ladder has {counted(len(ladder.seeds), 'seed')}"
        raise UserError(what, MOST, f"give {len(ladder.seeds)} or more")


def begun(call: LadderCall, ladder: Ladder) -> tuple[int, ...]:
    """Return the seeds that earlier calls began, as far as this one may go on with them."""
    if call.max_seeds is None:
        return ()
    return tuple(sorted(other_seeds(ladder, call.root))[: call.max_seeds - len(ladder.seeds)])


def next_seeds(call: LadderCall, ladder: Ladder) -> tuple[int, ...]:
    """Return the seeds to run next; none if the intervals are narrow enough, or at the most seeds.

    They are the whole numbers after the seeds of the ladder, without the tuning seeds: half of
    those that are missing, because the spread is known better when these are done.
    """
    if call.precision is None or call.max_seeds is None:
        return ()
    results = read_results(call.root)
    num, missing, fewest = len(results.seeds), 0, MIN_SEEDS
    for rung, task, each in _differences(results):
        if any(results.num_diverged(name, task.name) >= num for name in (rung, results.reference)):
            continue  # no number of seeds would do
        needed = seeds_for(each, call.precision)
        missing = max(missing, (needed or ENOUGH_FOR_A_GUESS) - each.n)
        fewest = min(fewest, each.n)
    if num < ENOUGH_FOR_A_GUESS:
        more = ENOUGH_FOR_A_GUESS - num
    else:
        more = max((missing + 1) // 2, MIN_SEEDS - fewest)
    more = min(more, call.max_seeds - num)
    new = (n for n in itertools.count(max(results.seeds) + 1) if n not in ladder.tuning_seeds)
    seeds = tuple(itertools.islice(new, max(0, more)))
    if seeds:
        print(f"\nmore seeds for +-{call.precision:g} points: {', '.join(map(str, seeds))}")
    return seeds


def print_needed(call: LadderCall) -> None:
    """Print how many seeds the intervals of a call's ladder take, as far as results are there."""
    if call.precision is None:
        return
    if read_plan(call.root) is None:
        print("no results yet from which to tell how many seeds it takes")
        return
    results, points = read_results(call.root), call.precision
    rows = tuple(_row(results, *each, points) for each in _differences(results))
    reference = results.rungs[results.reference].label
    caption = f"seeds for 95 % intervals of +-{points:g} points: differences to {reference}"
    columns = ("rung", "task", "metric", "n", "sd", "half-width", "seeds needed")
    print(f"\n{caption}\n\n{on_screen(Table(caption, columns, rows))}")
    print(f"if the spread stays as it is; for a verdict at least {MIN_SEEDS}")


def _differences(results: LadderResults) -> Iterator[tuple[str, TaskResults, Comparison]]:
    for task in results.tasks.values():
        for rung, each in compare_rungs(results, task.name, task.metrics[-1]).items():
            yield rung, task, each


def _row(
    results: LadderResults, rung: str, task: TaskResults, each: Comparison, points: float
) -> tuple[Entry, ...]:
    needed = seeds_for(each, points)
    return (
        Entry(results.rungs[rung].label),
        Entry(task.name),
        Entry(label_of(task.metrics[-1])),
        Entry(str(each.n)),
        Entry("" if each.sd is None else f"{each.sd:.2f}"),
        Entry("" if each.half_width is None else f"{each.half_width:.2f}"),
        Entry("unknown" if needed is None else str(needed)),
    )
