"""Rates: what counts and what does not, and that measuring a step trains nothing."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper

from bag_of_transfer.engine.run import rates
from bag_of_transfer.engine.run.rates import Slice, Speed


class Clock:
    """A clock that stands still, but for what work takes."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rates.time, "perf_counter", clock)
    return clock


class Loader:
    """Batches of four images; the first of a pass takes 10 s, the others 1 s."""

    def __init__(self, clock: Clock, num_batches: int) -> None:
        self.clock, self.num_batches = clock, num_batches

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[dict[str, list[int]]]:
        for index in range(self.num_batches):
            self.clock.now += 1 if index else 10
            yield {"inputs": [0, 0, 0, 0]}


def test_the_start_of_a_pass_is_measured_apart(clock: Clock) -> None:
    starts: list[float] = []
    loader: Any = Loader(clock, 3)
    slices = rates.measure(rates.loading(loader, starts), seconds=6, num_slices=3)
    assert slices == [Slice(pieces=2, images=8, seconds=2.0)]  # 12 s have passed by then
    assert starts == [10.0]


def test_the_time_is_divided_into_slices_of_one_length(clock: Clock) -> None:
    loader: Any = Loader(clock, 99)
    two = rates.measure(rates.loading(loader), seconds=10, num_slices=2)
    assert two == [Slice(pieces=5, images=20, seconds=5.0), Slice(5, 20, 5.0)]


def test_the_only_batch_of_a_pass_counts(clock: Clock) -> None:
    loader: Any = Loader(clock, 1)
    (found,) = rates.measure(rates.loading(loader), seconds=10, num_slices=1)
    assert found == Slice(pieces=1, images=4, seconds=10.0)


def test_loading_and_steps_together_take_the_time_of_both(clock: Clock) -> None:
    def step(batch: Any) -> None:
        clock.now += 3

    loader: Any = Loader(clock, 5)
    (found,) = rates.measure(rates.training(loader, step, Line()), seconds=16, num_slices=1)
    assert found == Slice(pieces=4, images=16, seconds=16.0)


class Gpu:
    """A GPU that computes 3 s for a step while the host goes on, and gets batches copied ahead."""

    def __init__(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.is_free_at = clock, 0.0
        self.copied: list[Any] = []
        monkeypatch.setattr(rates, "device_is_done", self.wait)
        monkeypatch.setattr(rates, "copied_ahead", self.copied_ahead)

    def step(self, batch: Any) -> None:
        assert batch in self.copied
        self.is_free_at = max(self.is_free_at, self.clock.now) + 3

    def wait(self) -> None:
        self.clock.now = max(self.clock.now, self.is_free_at)

    def copied_ahead(self, batches: Any, model: Any) -> Iterator[Any]:
        for batch in batches:
            self.copied.append(batch)
            yield batch


def test_a_gpu_computes_while_the_next_batch_is_loaded(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu, loader = Gpu(clock, monkeypatch), Loader(clock, 99)
    work = rates.training(loader, gpu.step, Line())  # type: ignore[arg-type]
    (found,) = rates.measure(work, seconds=16, num_slices=1)
    # After loading for 1 s, a step of 3 s for each batch; the last ones while the host waits.
    assert found == Slice(pieces=16, images=64, seconds=49.0)


def test_batches_for_the_step_alone_are_on_the_gpu_before(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = Gpu(clock, monkeypatch)
    work = rates.stepping([{"inputs": [1, 2]}], gpu.step, Line())
    (found,) = rates.measure(work, seconds=0, num_slices=1)
    assert found == Slice(pieces=1, images=2, seconds=3.0)


def test_steps_on_loaded_batches_get_unchanged_copies_and_the_first_is_left_out(
    clock: Clock,
) -> None:
    seen, durations = [], iter([50, 3, 2, 2])

    def step(batch: dict[str, list[int]]) -> None:
        seen.append(list(batch["inputs"]))
        batch["inputs"].append(99)
        clock.now += next(durations)

    batches: Any = [{"inputs": [1]}, {"inputs": [2, 3]}]
    (found,) = rates.measure(rates.stepping(batches, step, Line()), seconds=4, num_slices=1)
    assert found == Slice(pieces=1, images=3, seconds=4.0)
    assert seen == [[1], [2, 3]] * 2


def test_a_speed_has_the_spread_of_its_slices() -> None:
    slices = [Slice(1, 8, 1.0), Slice(2, 16, 4.0), Slice(1, 8, 1.6)]
    assert Speed.of(slices) == Speed(img_per_s=5.0, low=4.0, high=8.0)


class Line(BaseModel):
    """A line, for images of one number."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, inputs: torch.Tensor, mode: str) -> dict[str, torch.Tensor]:
        return {"loss": self.layer(inputs).square().sum()}


def test_a_measured_step_is_a_whole_one_and_changes_no_weight() -> None:
    model = Line()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.5, weight_decay=0.1)
    runner: Any = SimpleNamespace(model=model, optim_wrapper=OptimWrapper(optimizer))
    rates.step_of(runner)({"inputs": torch.ones(4, 1)})
    assert all(torch.equal(before[name], now) for name, now in model.state_dict().items())
    assert [state["step"].item() for state in optimizer.state.values()] == [1.0, 1.0]
