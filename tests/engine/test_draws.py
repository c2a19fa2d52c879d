"""Random numbers of an image depend on the seed, the epoch and the image's index alone."""

import pickle
import random
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.dataset import InfiniteSampler
from mmengine.registry import DATA_SAMPLERS
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Sampler

from bag_of_transfer.engine.loop import turns
from bag_of_transfer.engine.loop.draws import SeededItems, draw_by_index
from bag_of_transfer.engine.loop.turns import EndlessTurns, TurnIndex, batches_after

IMAGES = 7
Item = tuple[int, float, float, float]


class Drawing:
    """A data set whose items are a draw from each global generator."""

    pipeline = "first"

    def __len__(self) -> int:
        return IMAGES

    def __getitem__(self, index: int) -> Item:
        numpy_draw = float(np.random.rand())  # noqa: NPY002
        return index, random.random(), numpy_draw, float(torch.rand(()))


class Backwards(Sampler[int]):
    """A sampler that knows no epoch and repeats an image."""

    def __init__(self, dataset: Any, seed: int | None) -> None:
        self.indices = [*reversed(range(len(dataset))), 0]

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)

    def __len__(self) -> int:
        return len(self.indices)


def loader_of(
    sampler: Any = "DefaultSampler", workers: int = 0, seed: int = 0, **more: Any
) -> DataLoader:
    described = dict(
        dataset=dict(type=Drawing),
        sampler=dict(type=sampler),
        batch_size=2,
        num_workers=workers,
        collate_fn=dict(type=list),
        **more,
    )
    return Runner.build_dataloader(draw_by_index(described, seed), seed=seed)


def epoch_of(loader: DataLoader, epoch: int = 0) -> list[Item]:
    loader.sampler.set_epoch(epoch)
    return [item for batch in loader for item in batch]


def states() -> tuple[Any, ...]:
    numpy_state = np.random.get_state()  # noqa: NPY002
    return random.getstate(), numpy_state[1].tolist(), torch.get_rng_state().tolist()


@pytest.fixture
def ranks(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set which of how many processes samplers take themselves to be in."""

    def become(rank: int, world_size: int) -> None:
        monkeypatch.setattr(turns, "get_dist_info", lambda: (rank, world_size))
        monkeypatch.setattr("mmengine.dataset.sampler.get_dist_info", lambda: (rank, world_size))

    return become


def test_every_image_and_epoch_has_its_own_numbers_and_a_seed_repeats_them() -> None:
    first, second = epoch_of(loader_of(), 0), epoch_of(loader_of(), 1)
    numbers = [number for item in first + second for number in item[1:]]
    assert len(set(numbers)) == 2 * IMAGES * 3
    again = loader_of()
    epoch_of(again, 5)
    assert epoch_of(again, 1) == second
    assert not set(numbers) & {number for item in epoch_of(loader_of(seed=1)) for number in item}


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    orders = [
        [item[0] for item in epoch_of(loader_of(seed=seed, workers=workers), epoch)]
        for seed, epoch, workers in [(0, 0, 0), (0, 0, 2), (0, 1, 0), (3, 0, 0)]
    ]
    assert orders[0] == orders[1]
    assert len(set(map(tuple, orders))) == 3
    assert all(sorted(order) == list(range(IMAGES)) for order in orders)


@pytest.mark.parametrize("sampler", ["DefaultSampler", Backwards])
def test_the_main_generators_go_on_as_if_nothing_had_been_loaded(sampler: Any) -> None:
    before = states()
    assert len(epoch_of(loader_of(sampler))) >= IMAGES
    epoch_of(loader_of(sampler, workers=1))
    assert states() == before


def test_two_processes_draw_what_one_draws(ranks: Any) -> None:
    alone = sorted(epoch_of(loader_of(), 4))
    shares = []
    for rank in range(2):
        ranks(rank, 2)
        shares.append(epoch_of(loader_of(), 4))
    assert len(shares[0]) == len(shares[1]) == 4  # 7 images, one of them given to both
    assert sorted(set(shares[0] + shares[1])) == alone


def test_processes_with_seeds_of_their_own_share_one_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mmengine.dataset.sampler.sync_random_seed", lambda: 99)
    described = dict(dataset=dict(type=Drawing), sampler=dict(type="DefaultSampler"), batch_size=2)
    for seed in (5, 6):  # of two ranks
        loader = draw_by_index(described, seed)
        assert Runner.build_dataloader(loader, seed, diff_rank_seed=True).sampler.seed == 99


def test_an_endless_sampler_gives_each_image_new_numbers_in_each_pass(ranks: Any) -> None:
    loader = loader_of("InfiniteSampler")
    alone = [item for batch in islice(loader, IMAGES) for item in batch]
    assert len(set(alone)) == 2 * IMAGES
    assert sorted(item[0] for item in alone) == sorted([*range(IMAGES)] * 2)
    shares = []
    for rank in range(2):
        ranks(rank, 2)
        batches = islice(loader_of("InfiniteSampler"), IMAGES)
        shares.append([item for batch in batches for item in batch])
    together = [item for pair in zip(*shares, strict=True) for item in pair]
    assert together[: 2 * IMAGES] == alone


@pytest.mark.parametrize("workers", [0, 1])
def test_an_endless_sampler_starts_where_a_resumed_run_starts(workers: int) -> None:
    loader = loader_of("InfiniteSampler")
    whole = list(islice(loader, 6))
    rest = loader_of("InfiniteSampler", workers)
    assert list(islice(batches_after(rest, 4), 2)) == whole[4:]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("rank", [0, 1])
def test_an_endless_sampler_starts_anywhere_as_mmengines_does(
    ranks: Any, rank: int, shuffle: bool
) -> None:
    ranks(rank, 2)
    for start in (0, 1, 3, 4, 11):
        theirs = InfiniteSampler(range(7), shuffle, seed=5)
        theirs.skip(start)
        ours = EndlessTurns(InfiniteSampler(range(7), shuffle, seed=5))
        ours.start_after(start)
        assert list(islice(ours, 20)) == list(islice(theirs, 20))


def test_looking_at_a_batch_of_an_endless_sampler_moves_nothing() -> None:
    loader = loader_of("InfiniteSampler")
    looked_at = next(iter(loader))
    assert next(iter(loader)) == looked_at


def test_a_sampler_that_repeats_images_gets_other_numbers_for_each() -> None:
    loader = loader_of(Backwards)
    items = epoch_of(loader)
    assert [item[0] for item in items] == [6, 5, 4, 3, 2, 1, 0, 0]
    assert len(set(items)) == 8
    assert epoch_of(loader) == items
    assert not set(epoch_of(loader, 1)) & set(items)


def test_batches_of_another_sampler_keep_the_turns() -> None:
    class Pairs(Sampler[list[int]]):
        def __init__(self, sampler: Sampler[int], batch_size: int) -> None:
            self.sampler = sampler

        def __iter__(self) -> Iterator[list[int]]:
            indices = list(self.sampler)
            return iter([indices[:3], indices[3:]])

    loader = loader_of(batch_sampler=dict(type=Pairs))
    loader.batch_sampler.sampler.set_epoch(2)
    assert [item for batch in loader for item in batch] == epoch_of(loader_of(), 2)


def test_a_part_of_the_images_per_epoch_is_drawn_alike() -> None:
    items = epoch_of(loader_of(num_batch_per_epoch=2))
    assert len(items) == 4
    assert {item[0]: item for item in items}.items() <= {
        i[0]: i for i in epoch_of(loader_of())
    }.items()


def test_the_wrapped_data_set_looks_like_itself() -> None:
    inner = Drawing()
    dataset = SeededItems(inner, 0)
    assert dataset.pipeline == "first"
    dataset.pipeline = "second"  # as mmdet's PipelineSwitchHook does
    assert inner.pipeline == "second"
    assert len(dataset) == IMAGES
    assert not hasattr(dataset, "metainfo")
    copied = pickle.loads(pickle.dumps(dataset))
    assert copied[TurnIndex(3, (1,))] == dataset[TurnIndex(3, (1,))]


def test_a_plain_index_draws_from_the_generators_as_they_are() -> None:
    dataset = SeededItems(Drawing(), 0)
    assert dataset[3] != dataset[3]


def test_the_sampler_looks_like_itself() -> None:
    sampler = EndlessTurns(InfiniteSampler(range(3), seed=5))
    assert (sampler.size, sampler.seed, len(sampler)) == (3, 5, 3)
    index = pickle.loads(pickle.dumps(next(iter(sampler))))
    assert index.turn == (0, 0)
    assert index == next(
        iter(DATA_SAMPLERS.build(dict(type="InfiniteSampler", dataset=range(3), seed=5)))
    )
