"""What a benchmark concludes from its rates, and which switches it tries."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.config import Config

from bag_of_transfer.engine.loop import precision
from bag_of_transfer.engine.run import benchmark, switches
from bag_of_transfer.engine.run.benchmark_report import lines
from bag_of_transfer.engine.run.rates import Speed

RECORD = {
    "task": "det",
    "batch_size": 8,
    "precision": "off",
    "channels_last": True,
    "threads": 1,
    "workers": 1,
    "rates": {"data": {"img_per_s": 88.0, "low": 74.0, "high": 146.0}},
    "bound_by": "step",
    "run": {"iterations": 210, "training_s": 60.4, "val_images": 60, "validation_s": 5.0},
    "peak_memory": {"mib": 812.3, "kind": "resident"},
    "switches": [
        {"set": "--amp bf16", "ratio": 1.8, "low": 1.7, "high": 1.9},
        {"set": "OMP_NUM_THREADS=1", "ratio": 1.1, "low": 1.0, "high": 1.2},
        {"set": "num_workers=0", "ratio": 0.7, "low": 0.6, "high": 0.8},
    ],
    "unmeasured": {"compile=True": "it takes long"},
    "cores": 2,
    "load": 0.5,
    "hardware": "2 cores",
}


@pytest.mark.parametrize(
    ("data", "step", "bound"), [(100, 50, "step"), (50, 100, "data"), (100, 90, "balanced")]
)
def test_the_slower_part_bounds_a_run(data: float, step: float, bound: str) -> None:
    one, other = (Speed(rate, rate, rate) for rate in (data, step))
    assert benchmark.bound_by(one, other) == bound


def test_a_switch_is_compared_within_each_round() -> None:
    # The machine was twice as fast in the second round.
    rounds = [[10.0, 15.0, 5.0], [20.0, 28.0, 10.0]]
    assert benchmark.ratios(rounds) == [[1.5, 1.4], [0.5, 0.5]]


def test_the_reader_is_told_what_helps_in_every_round() -> None:
    told = "\n".join(lines(RECORD))
    assert "--amp bf16: 1.80 times as fast (1.70 to 1.90), helps" in told
    assert "OMP_NUM_THREADS=1: 1.10 times as fast (1.00 to 1.20), no clear difference" in told
    assert "num_workers=0: 0.70 times as fast (0.60 to 0.80), slower" in told
    assert "compile=True: unmeasured, it takes long" in told
    assert "the whole run 1 min 5 s = 1 min 0 s for 210 iterations + 5 s for 60 images" in told
    assert "busy" not in told
    assert "busy, load 2.5" in "\n".join(lines(RECORD | {"load": 2.5}))


class Runner:
    """What the switches need of a runner; it builds nothing."""

    def __init__(self, wrapper: str, workers: int) -> None:
        loaders = {
            "train_dataloader": {"num_workers": workers, "batch_size": 2},
            "val_dataloader": {"num_workers": 2},
        }
        wrapped = {"optim_wrapper": {"type": wrapper, "optimizer": {}}}
        self.cfg = Config({**loaders, **wrapped, "channels_last": True})
        self.train_dataloader = SimpleNamespace(dataset=[], num_workers=workers)
        self.optim_wrapper, self.model, self.iter, self.max_iters, self.seed = None, None, 0, 1, 0

    def another_train_loader(self, described: dict[str, Any]) -> Any:
        return described

    def build_optim_wrapper(self, described: Any) -> Any:
        return SimpleNamespace(described=described, initialize_count_status=lambda *given: None)


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Four cores that multiply bf16, of which one is left for computing."""
    for module in (switches, switches.launch):
        monkeypatch.setattr(module, "share_of_cores", lambda: 4)
    monkeypatch.setattr(precision, "_cpu_multiplies_bf16", lambda: True)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_switches_are_tried_as_the_command_line_would_set_them(four_cores: None) -> None:
    runner: Any = Runner("OptimWrapper", workers=1)
    first = "--cfg-options channels_last=False"
    tried = {one.words: one for one in switches.to_try(runner)}
    none = "--cfg-options train_dataloader.num_workers=0 val_dataloader.num_workers=0"
    two = "--cfg-options train_dataloader.num_workers=2"
    assert list(tried) == [none, two, "OMP_NUM_THREADS=1", first, "--amp bf16"]
    assert tried[none].threads == 4
    assert tried[two].threads == 2
    assert tried[two].loader["num_workers"] == 2  # type: ignore[index]
    assert tried["OMP_NUM_THREADS=1"].threads == 1
    assert [words for words, one in tried.items() if not one.channels_last] == [first]
    assert tried["--amp bf16"].wrapper.described["type"] == "AutocastOptimWrapper"  # type: ignore[attr-defined]
    assert torch.get_num_threads() == 2
    assert runner.cfg.train_dataloader.num_workers == 1


@pytest.mark.parametrize(
    ("wrapper", "mode"), [("AutocastOptimWrapper", ["--amp off"]), ("Wrapper of a user", [])]
)
def test_a_precision_is_tried_against_what_the_run_has(
    four_cores: None, wrapper: str, mode: list[str]
) -> None:
    runner: Any = Runner(wrapper, workers=3)
    words = [one.words for one in switches.to_try(runner)]
    assert [word for word in words if word.startswith("--amp")] == mode
    assert not [word for word in words if "num_workers=4" in word]  # a core is left to compute


def test_what_a_process_cannot_switch_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(switches.to_name(Config({}))) == ["--cfg-options compile=True"]
    assert switches.to_name(Config({"compile": True})) == {}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert "--auto-batch" in switches.to_name(Config({}))
