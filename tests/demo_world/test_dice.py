import numpy as np
import pytest

from bag_of_transfer.demo_world.dice import Dice


def test_bits_are_those_of_splitmix64() -> None:
    # Output of prng.di.unimi.it/splitmix64.c for the state 1234567.
    dice = Dice.from_state(1234567)
    assert [dice.bits() for _ in range(5)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_a_field_equals_as_many_single_throws() -> None:
    first, second = Dice(3, 1), Dice(3, 1)
    assert first.field((3, 5), 1000).ravel().tolist() == [second.below(1000) for _ in range(15)]
    assert first.bits() == second.bits()


def test_both_ends_of_a_range_occur_and_nothing_beyond() -> None:
    dice = Dice(7)
    assert {dice.between(-2, 2) for _ in range(200)} == {-2, -1, 0, 1, 2}


def test_every_value_is_about_equally_likely() -> None:
    counts = np.bincount(Dice(5).field((60_000,), 6), minlength=6)
    assert len(counts) == 6
    # Standard deviation of each count: sqrt(60000 * 1/6 * 5/6) = 91.
    assert abs(counts - 10_000).max() < 4 * 91


@pytest.mark.parametrize(("first", "second"), [((0, 1), (1, 0)), ((0,), (0, 0)), ((5,), (6,))])
def test_other_words_give_another_stream(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    assert Dice(*first).bits() != Dice(*second).bits()


def test_chance_counts_percent() -> None:
    dice = Dice(1)
    hits = sum(dice.chance(30) for _ in range(10_000))
    assert abs(hits - 3000) < 4 * 46  # sqrt(10000 * 0.3 * 0.7) = 46
