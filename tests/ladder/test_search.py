"""Which values a search tries, which it chooses, and when it goes beyond its edges."""

import math

import pytest

from bag_of_transfer.ladder.search import LOST, Grid, options_of, point_name, search

LR, DECAY = "optim_wrapper.optimizer.lr", "optim_wrapper.optimizer.weight_decay"
THREE = Grid(((LR, (0.01, 0.02, 0.04)),))
ARMS = ("scratch", "d")


def near(best: float):
    """Score a run by how near its rate is to the best one."""
    return lambda arm, point, seed: 50 - abs(math.log2(point[0][1] / best)) + seed / 1000


def chosen_rates(progress) -> dict[str, float]:
    return {arm: point[0][1] for arm, point in progress.chosen.items()}


def rates(grid: Grid) -> tuple:
    return grid.axes[0][1]


def test_the_best_of_the_grid_is_chosen_for_each_arm():
    bests = {"scratch": 0.02, "d": 0.021}
    progress = search(THREE, ARMS, (7, 8), lambda arm, *run: near(bests[arm])(arm, *run))
    assert chosen_rates(progress) == {"scratch": 0.02, "d": 0.02}
    assert progress.grid == THREE
    assert progress.at_edge == frozenset()


def test_nothing_is_chosen_before_all_runs_are_done():
    def score(arm, point, seed):
        return None if (arm, seed) == ("d", 8) else near(0.02)(arm, point, seed)

    progress = search(THREE, ARMS, (7, 8), score)
    assert progress.chosen == {}
    assert len(progress.means["scratch"]) == 3


def test_means_over_the_seeds_decide():
    figures = {(0.01, 7): 50.0, (0.01, 8): 10.0, (0.02, 7): 31.0, (0.02, 8): 31.0}
    score = lambda arm, point, seed: figures.get((point[0][1], seed), 0.0)  # noqa: E731
    assert chosen_rates(search(THREE, ("d",), (7, 8), score)) == {"d": 0.02}


@pytest.mark.parametrize(
    ("best", "tried"), [(0.08, (0.01, 0.02, 0.04, 0.08, 0.16)), (0.005, (0.0025, 0.005, 0.01))]
)
def test_a_best_value_at_the_edge_widens_the_grid_of_all_arms(best, tried):
    bests = {"scratch": 0.02, "d": best}
    progress = search(THREE, ARMS, (7,), lambda arm, *run: near(bests[arm])(arm, *run))
    assert chosen_rates(progress) == bests
    assert set(tried) <= set(rates(progress.grid))
    assert set(progress.means["scratch"]) == set(progress.means["d"])
    assert progress.at_edge == frozenset()


def test_a_best_value_of_0_is_the_end_of_its_axis():
    grid = Grid(((DECAY, (0, 1e-4, 5e-4)),))
    progress = search(grid, ARMS, (7,), lambda arm, point, seed: 50 - point[0][1])
    assert chosen_rates(progress) == {"scratch": 0, "d": 0}
    assert progress.grid == grid
    assert progress.at_edge == frozenset()


def test_a_grid_is_widened_twice_at_most_and_the_arm_is_named():
    progress = search(THREE, ARMS, (7,), near(100.0))
    assert rates(progress.grid) == (0.01, 0.02, 0.04, 0.08, 0.16)
    assert progress.at_edge == set(ARMS)


def test_a_lost_loss_is_never_chosen():
    def score(arm, point, seed):
        return LOST if point[0][1] == 0.02 and seed == 7 else near(0.02)(arm, point, seed)

    assert chosen_rates(search(THREE, ("d",), (7, 8), score))["d"] != 0.02


@pytest.mark.parametrize("stated", [(0.01, 0.02), (0.01, 0.02, 0.04), (0.04, 0.02, 0.01)])
def test_where_every_loss_is_lost_smaller_values_are_tried(stated):
    def score(arm, point, seed):
        return LOST if arm == "d" and point[0][1] >= 0.01 else near(0.02)(arm, point, seed)

    progress = search(Grid(((LR, stated),)), ARMS, (7,), score)
    assert chosen_rates(progress) == {"scratch": 0.02, "d": 0.005}
    assert min(rates(progress.grid)) == 0.0025


def test_where_every_loss_is_lost_to_the_end_the_arm_is_at_its_edge():
    progress = search(THREE, ("d",), (7,), lambda *run: LOST)
    assert rates(progress.grid) == (0.0025, 0.005, 0.01, 0.02, 0.04)
    assert (chosen_rates(progress), progress.at_edge) == ({"d": 0.0025}, {"d"})
    kinds = Grid((("optim_wrapper.optimizer.type", ("SGD", "Adam")),))
    assert search(kinds, ("d",), (7,), lambda *run: LOST).chosen["d"][0][1] == "SGD"


def test_equal_scores_choose_inside_the_grid():
    assert chosen_rates(search(THREE, ("d",), (7,), lambda *run: 1.0)) == {"d": 0.02}


def test_several_keys_are_tried_in_all_combinations():
    grid = Grid(((LR, (0.1, 0.2)), (DECAY, (0.0, 1e-4))))
    assert len(grid.points) == 4
    assert point_name(grid.points[1]) == f"{LR}=0.1,{DECAY}=0.0001"
    assert options_of(grid.points[0]) == (f"{LR}=0.1", f"{DECAY}=0.0")


@pytest.mark.parametrize(
    ("values", "widened"),
    [
        ((0.0, 0.1), (0.0, 0.1, 0.2)),  # below 0 is another sign; no ratio: the same difference
        ((0, 1e-4, 5e-4), (0, 1e-4, 5e-4, 0.0025)),
        ((-0.1, 0.0), (-0.2, -0.1, 0.0)),
        ((-2, -1), (-4, -2, -1)),  # there is no whole number between -1 and 0
        ((-1.0, 1.0), (-3.0, -1.0, 1.0, 3.0)),
        ((2, 4), (1, 2, 4, 8)),
        ((1, 2), (1, 2, 4)),  # there is no whole number below 1
        ((0.04, 0.01), (0.0025, 0.04, 0.01, 0.16)),
        (("SGD", "Adam"), ("SGD", "Adam")),
        ((True, False), (True, False)),
        ((None, 0.1), (None, 0.1)),
        ((0.1,), (0.1,)),
    ],
)
def test_only_numbers_have_edges(values, widened):
    grid = Grid((("k", values),))
    edges = frozenset().union(*(grid.edges(point) for point in grid.points))
    assert grid.widened(edges).axes[0][1] == widened
