"""--auto-batch: the largest power of two that fits, found with a pretended limit of memory."""

import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.run import auto_batch, launch
from bag_of_transfer.engine.run.dry_run import DryRunDone


@pytest.mark.parametrize(
    ("limit", "most", "found", "tried"),
    [
        (5, 1000, 4, [2, 4, 8]),
        (1000, 48, 32, [2, 4, 8, 16, 32]),  # 48 images are no batch of 64
        (1000, 64, 64, [2, 4, 8, 16, 32, 64]),
        (1, 1000, None, [2]),
    ],
)
def test_sizes_are_doubled_until_one_does_not_fit(
    limit: int, most: int, found: int | None, tried: list[int]
) -> None:
    asked: list[int] = []

    def fits(size: int) -> bool:
        asked.append(size)
        return size <= limit

    assert auto_batch.largest(fits, most) == found
    assert asked == tried


class Steps:
    """A training step that needs memory for so many images; it notes the batches."""

    def __init__(self, limit: int, error: Exception | None = None) -> None:
        self.limit, self.seen, self.error = limit, [], error or torch.OutOfMemoryError()

    def __call__(self, runner: Any) -> Any:
        return self.step

    def step(self, batch: list[dict[str, Any]]) -> None:
        self.seen.append([tuple(sample["inputs"].shape) for sample in batch])
        assert not any("used" in sample for sample in batch)
        batch[0]["used"] = True
        if len(batch) > self.limit:
            raise self.error


def runner_of(shapes: list[tuple[int, ...]], **more: Any) -> Any:
    dataset = [{"inputs": torch.zeros(shape)} for shape in shapes]
    loader = SimpleNamespace(dataset=dataset, collate_fn=lambda samples: samples)
    wrapper = SimpleNamespace(zero_grad=lambda: None)
    cfg = Config({"optim_wrapper": more})
    return SimpleNamespace(train_dataloader=loader, optim_wrapper=wrapper, cfg=cfg)


def probe(
    monkeypatch: pytest.MonkeyPatch, runner: Any, limit: int, error: Exception | None = None
) -> tuple[int, list[Any]]:
    steps, hook = Steps(limit, error), auto_batch.BatchProbe()
    monkeypatch.setattr(auto_batch.rates, "step_of", steps)
    with pytest.raises(DryRunDone):
        hook.before_train(runner)
    return hook.batch_size, steps.seen


def test_each_size_is_tried_for_two_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = runner_of([(3, 4, 4)] * 9)
    size, seen = probe(monkeypatch, runner, limit=3)
    assert (size, [len(batch) for batch in seen]) == (2, [2, 2, 4])  # the 2nd has optimizer state
    size, seen = probe(monkeypatch, runner_of([(3, 4, 4)] * 9, accumulative_counts=3), limit=3)
    assert (size, [len(batch) for batch in seen]) == (2, [2, 2, 2, 2, 4])


def test_the_tallest_and_the_widest_image_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = [(3, 8, 8), (3, 5, 9), (3, 10, 2), (3, 7, 7)]
    size, seen = probe(monkeypatch, runner_of(shapes), limit=99)
    assert size == 4
    assert set(seen[0]) == {(3, 10, 2), (3, 5, 9)}
    assert seen[-1][2:] == [(3, 8, 8), (3, 7, 7)]


def test_an_image_too_large_for_the_gpu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto_batch.rates, "step_of", Steps(limit=1))
    with pytest.raises(UserError, match=r"^not even a batch of 2 images fits .*: --auto-batch: "):
        auto_batch.BatchProbe().before_train(runner_of([(3, 4, 4)] * 9))


NO_ENGINE = "GET was unable to find an engine to execute this computation"  # torch's, of cuDNN
OTHER = "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED\nand more"


@pytest.mark.parametrize(("message", "is_named"), [(NO_ENGINE, False), (OTHER, True)])
def test_any_failure_after_a_size_that_fits_is_the_end(
    monkeypatch: pytest.MonkeyPatch, message: str, is_named: bool
) -> None:
    said: list[str] = []
    monkeypatch.setattr(auto_batch, "print_log", lambda text, logger: said.append(text))
    size, _ = probe(monkeypatch, runner_of([(3, 4, 4)] * 9), 5, RuntimeError(message))
    assert size == 4
    line = f"--auto-batch: 8 images do not fit: {message.splitlines()[0]}"
    assert said == ([line] if is_named else [])


def test_a_failure_at_the_smallest_size_is_none_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto_batch.rates, "step_of", Steps(1, RuntimeError(OTHER)))
    with pytest.raises(RuntimeError, match="EXECUTION_FAILED"):
        auto_batch.BatchProbe().before_train(runner_of([(3, 4, 4)] * 9))
    monkeypatch.setattr(auto_batch.rates, "step_of", Steps(1, RuntimeError(NO_ENGINE)))
    with pytest.raises(UserError, match=r"^not even a batch of 2 images fits"):
        auto_batch.BatchProbe().before_train(runner_of([(3, 4, 4)] * 9))


@pytest.mark.parametrize(
    ("world_size", "others", "chosen"),
    [(1, 64, 64), (4, 16, 16), (4, 64, 16), (200, 64, 1)],  # a hundred images for all processes
)
def test_processes_take_the_smallest_and_share_the_images(
    monkeypatch: pytest.MonkeyPatch, world_size: int, others: int, chosen: int
) -> None:
    def all_reduce(value: torch.Tensor, op: str) -> None:
        assert op == "min"
        value.clamp_(max=others)

    monkeypatch.setattr(auto_batch, "get_world_size", lambda: world_size)
    monkeypatch.setattr(auto_batch, "all_reduce", all_reduce)
    cfg = Config({"train_dataloader": {"batch_size": 8}})
    line = auto_batch.agree(cfg, 64, num_images=100)
    assert cfg.train_dataloader.batch_size == chosen
    assert line == f"batch size per GPU: {chosen} (--auto-batch; the config says 8)"


def test_draws_go_on_where_they_were() -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), np.random.random(), float(torch.rand(1))  # noqa: NPY002

    torch.manual_seed(0)
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    expected = draw()
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002
    torch.set_rng_state(states[2])
    with auto_batch.kept_draws():
        draw()
    assert draw() == expected


def test_each_process_tries_on_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setenv("RANK", "7")
    monkeypatch.setenv("LOCAL_RANK", "3")
    launch.use_own_gpu("none")
    launch.use_own_gpu("pytorch")
    assert chosen == [3]


def test_part_of_the_free_memory_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []
    gpu = {
        "is_available": lambda: True,
        "mem_get_info": lambda: (60, 100),  # another program has 30, torch 10
        "memory_reserved": lambda: 10,
        "set_per_process_memory_fraction": shares.append,
    }
    for name, value in gpu.items():
        monkeypatch.setattr(torch.cuda, name, value)
    with auto_batch._memory_limited():
        assert shares == [pytest.approx(0.9 * 0.7)]
    assert shares[1:] == [1.0]
