"""Timing of steps: whole iterations where they are fast, a part of one where they are slow."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.config import Config
from torch._subclasses.fake_tensor import FakeTensorMode

from bag_of_transfer.engine.run import dry_run
from bag_of_transfer.engine.run.step_timing import StepTime, first_images, time_steps

BATCH = 64


class Loader:
    """Gives batches of classification at once."""

    num_workers = 0

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        yield {"inputs": torch.zeros(BATCH, 3, 1, 1), "labels": torch.zeros(BATCH)}


class Machine:
    """Computes ``per_image`` seconds for each image, three times a forward pass."""

    def __init__(self, per_image: float, fails_alone: bool = False) -> None:
        self.now, self.per_image, self.fails_alone = 0.0, per_image, fails_alone
        self.seen: list[int] = []

    def step(self, batch: Any) -> None:
        self.seen.append(len(batch["inputs"]))
        assert len(batch["labels"]) == self.seen[-1]
        if self.fails_alone and self.seen[-1] == 1:
            raise ValueError("Expected more than 1 value per channel when training, got [1, 2]")
        self.now += self.per_image * self.seen[-1]

    def forward(self, batch: Any) -> None:
        self.now += self.per_image * len(batch["inputs"]) / 3

    def time(self, seconds: float = 15.0) -> StepTime:
        return time_steps(Loader(), self.step, self.forward, seconds, lambda: self.now)  # type: ignore[arg-type]


def test_fast_steps_are_timed_as_whole_iterations() -> None:
    machine = Machine(0.001)
    timed = machine.time()
    assert machine.seen == [1, 4, 16, 64, 64, 64, 64]
    assert timed.seconds == pytest.approx(0.064)
    assert timed.note == ""


@pytest.mark.parametrize("per_image", [0.2, 0.5, 2.0, 4.9])
def test_slow_steps_are_extrapolated_from_fewer_images(per_image: float) -> None:
    machine = Machine(per_image)
    timed = machine.time()
    assert machine.now <= 15
    assert timed.seconds == pytest.approx(BATCH * per_image)
    assert timed.note == f", extrapolated from a step of {timed.images} of 64 images"
    assert timed.images == machine.seen[-1] < BATCH


def test_where_one_image_takes_too_long_a_forward_pass_tells() -> None:
    machine = Machine(20.0)
    timed = machine.time()
    assert machine.seen == []
    assert timed.seconds == pytest.approx(BATCH * 20.0)
    assert timed.note == ", extrapolated from a forward pass of 1 of 64 images"


class SlowStart(Machine):
    """A machine of 0.13 s per batch whose first passes take seconds, as a GPU's do."""

    def __init__(self, loading: float = 2.5, each_size: bool = False) -> None:
        super().__init__(0.13 / BATCH)
        self.loading, self.each_size, self.warm = loading, each_size, set[str]()

    def forward(self, batch: Any) -> None:
        self.load("forward", self.loading, batch)
        super().forward(batch)

    def step(self, batch: Any) -> None:
        self.load("forward", self.loading, batch)
        self.load("backward", 1.0, batch)
        super().step(batch)

    def load(self, what: str, seconds: float, batch: Any) -> None:
        what += str(len(batch["inputs"])) * self.each_size
        self.now += 0.0 if what in self.warm else seconds
        self.warm.add(what)

    def timed(self, **where: bool) -> StepTime:
        machine = self

        class Workers(Loader):
            num_workers = 4

            def __iter__(self) -> Iterator[Any]:
                machine.now += 5.0  # until the workers have started
                while True:
                    yield from super().__iter__()

        clock = lambda: self.now  # noqa: E731
        return time_steps(Workers(), self.step, self.forward, 15.0, clock, **where)  # type: ignore[arg-type]


@pytest.mark.parametrize("more", [0.0, 60.0])
def test_what_a_gpu_loads_at_its_first_step_is_not_multiplied(more: float) -> None:
    machine = SlowStart(loading=2.5 + more)
    timed = machine.timed(on_gpu=True)
    assert set(machine.seen) == {BATCH}
    assert timed.seconds == pytest.approx(0.13)
    assert timed.note == ""


def test_what_is_compiled_at_each_size_is_not_multiplied() -> None:
    machine = SlowStart(each_size=True)
    timed = machine.timed(compiled=True)
    assert machine.seen[:4] == [1, 1, 4, 4]
    assert timed.seconds < 6  # at most the time until the first batch is there


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_dry_run_tells_where_it_runs(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    told: dict[str, bool] = {}
    monkeypatch.setattr(dry_run, "time_steps", lambda *_, **where: told.update(where))
    for name in ("step_of", "forward_of"):
        monkeypatch.setattr(dry_run, name, lambda runner: None)
    with FakeTensorMode():
        model = torch.nn.Linear(1, 1, device=device)
    cfg = Config({"compile": True})
    dry_run._time(SimpleNamespace(model=model, train_dataloader=None, cfg=cfg))
    assert told == {"on_gpu": device == "cuda", "compiled": True}


def test_batch_norm_that_needs_two_images_gets_them() -> None:
    machine = Machine(3.0, fails_alone=True)
    assert machine.time().images == 2
    assert machine.seen == [1, 2]


def test_a_slow_loader_counts() -> None:
    machine = Machine(0.001)

    class SlowLoader(Loader):
        def __iter__(self) -> Iterator[Any]:
            machine.now += 1.0
            yield from super().__iter__()

    timed = time_steps(SlowLoader(), machine.step, None, 15.0, lambda: machine.now)  # type: ignore[arg-type]
    assert timed.seconds == pytest.approx(1.064)


def test_the_first_images_of_detection_keep_their_samples() -> None:
    batch = {"inputs": [1, 2, 3], "data_samples": ["a", "b", "c"], "other": (torch.ones(3), "xy")}
    part = first_images(batch, 2, 3)
    assert (part["inputs"], part["data_samples"]) == ([1, 2], ["a", "b"])
    assert len(part["other"][0]) == 2
    assert part["other"][1] == "xy"
