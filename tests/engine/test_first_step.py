"""Runs that end before their first step: the user's mistake, and nothing left behind."""

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from bag_of_transfer.engine.data import class_names
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.run import training
from bag_of_transfer.engine.run.dry_run import DryRunDone
from bag_of_transfer.engine.run.first_step import FirstStep, nothing_left_behind
from bag_of_transfer.engine.weights.checkpoints import find_resumable
from tests.engine.test_checkpoint_hook import make_runner


class Line(BaseModel):
    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.layer = torch.nn.Linear(1, 1)
        self.error, self.calls = error, 0

    def forward(self, inputs: torch.Tensor, mode: str = "tensor") -> Any:
        self.calls += 1
        if self.error and self.calls == self.fails_at:
            raise self.error
        return {"loss": self.weight.sum()}

    fails_at = 1


class Writes(Hook):
    """As the recorder does before the first step."""

    def before_train(self, runner: Runner) -> None:
        Path(runner.work_dir, "curve.jsonl").write_text("")


class Computes(Hook):
    """As a dry run does, on inputs that the layer cannot take."""

    def before_train(self, runner: Runner) -> None:
        runner.model.layer("text")


class Stops(Hook):
    priority = "LOWEST"

    def before_train(self, runner: Runner) -> None:
        raise DryRunDone


def go(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    error: Exception | None = None,
    fails_at: int = 1,
    lr: float = 0.1,
    hooks: tuple[Hook, ...] = (),
) -> None:
    def build(cfg: Config, train_set: Any) -> Runner:
        data = [{"inputs": torch.zeros(1)} for _ in range(3)]
        model = Line(error)
        model.fails_at = fails_at
        return Runner(
            model=model,
            work_dir=cfg.work_dir,
            train_dataloader=DataLoader(data, sampler=DefaultSampler(data)),
            train_cfg={"by_epoch": True, "max_epochs": 1},
            optim_wrapper={"optimizer": {"type": "SGD", "lr": lr}},
            default_hooks={"checkpoint": None, "logger": None},
            custom_hooks=[Writes(), *hooks],
            experiment_name=f"{folder.parent.name}_{id(model)}",
            cfg=Config({"channels_last": True}),  # as build_runner states it
        )

    monkeypatch.setattr(training, "build_runner", build)
    cfg = Config({"work_dir": str(folder)})
    training.train(cfg, [])


def below(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


FEW = "Expected more than 1 value per channel when training, got input size [1, 8, 1, 1]"
WORKER = "Caught ValueError in DataLoader worker process 0.\nTraceback:\n  x\nValueError: bad box"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("need at least 3 parts\nand more"), "need at least 3 parts: the config: mend"),
        (ValueError(FEW), f"{FEW}: train_dataloader: set batch_size to 2 or more, or"),
        (ValueError(WORKER), "ValueError: bad box: the config: mend"),
        (ValueError(), "ValueError: the config: mend"),
    ],
)
def test_a_value_error_is_told_as_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    with pytest.raises(UserError) as caught:
        go(monkeypatch, tmp_path / "a/b", error)
    assert str(caught.value).startswith(said)
    assert below(tmp_path) == set()


def test_an_optimizer_that_cannot_be_built_is_told_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"^Invalid learning rate: -1: the config: .*--debug"):
        go(monkeypatch, tmp_path / "w", lr=-1)
    assert below(tmp_path) == set()


def test_a_part_that_fails_in_a_hook_is_told_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"^TypeError, .*: model\.layer \(Linear\): make its arg"):
        go(monkeypatch, tmp_path / "w", hooks=(Computes(),))


def test_our_own_errors_pass_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = UserError("what", "where", "mend")
    wrapped = ValueError("class `X`: what")
    wrapped.__cause__ = ours
    for index, error in enumerate((ours, wrapped)):
        with pytest.raises(ValueError) as caught:  # noqa: PT011  which one is asserted below
            go(monkeypatch, tmp_path / str(index), error)
        assert caught.value is error


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt(), ValueError("x")])
def test_what_was_there_before_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("keep")
    with pytest.raises(UserError if isinstance(error, ValueError) else type(error)):
        go(monkeypatch, tmp_path, error)
    assert below(tmp_path) == {"mine"}
    assert (tmp_path / "mine/notes.txt").read_text() == "keep"


def test_after_the_first_step_errors_and_files_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ValueError("late")
    with pytest.raises(ValueError, match=r"^late$") as caught:
        go(monkeypatch, tmp_path / "w", error, fails_at=2)
    assert caught.value is error
    assert "curve.jsonl" in below(tmp_path / "w")


class FillsTheMemory(Hook):
    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        raise MemoryError


def test_what_a_resumed_run_saved_before_its_first_step_stays(tmp_path: Path) -> None:
    killed = make_runner(tmp_path, epochs=3, scores=[10.0])  # it has none for validation 2
    with pytest.raises(IndexError):
        killed.train()
    resumed = make_runner(tmp_path, epochs=3, scores=[50.0])
    resumed._resume, resumed._load_from = True, str(find_resumable(tmp_path))
    resumed._train_loop = {"type": "EpochLoop", "max_epochs": 3}  # validates again
    first_step = FirstStep()
    for hook in (first_step, FillsTheMemory()):
        resumed.register_hook(hook)
    with pytest.raises(MemoryError), nothing_left_behind(tmp_path, first_step):
        resumed.train()
    assert resumed.message_hub.get_info("best_score") == 50.0
    assert [path.name for path in tmp_path.glob("best_*.pth")] == ["best_top1_epoch_2.pth"]


def test_a_last_batch_of_one_is_told_after_the_first_step_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"train_dataloader: .* drop_last=True"):
        go(monkeypatch, tmp_path / "w", ValueError(FEW), fails_at=2)
    assert "curve.jsonl" in below(tmp_path / "w")


def test_a_dry_run_keeps_its_estimate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go(monkeypatch, tmp_path / "w", hooks=(Stops(),))
    assert "curve.jsonl" in below(tmp_path / "w")


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize(("world_size", "num_images"), [(1, 7), (2, 14)])
def test_a_batch_needs_so_many_images_in_each_process(
    monkeypatch: pytest.MonkeyPatch, drop_last: bool, world_size: int, num_images: int
) -> None:
    monkeypatch.setattr(training, "get_world_size", lambda: world_size)
    loader = Config({"batch_size": 8, "drop_last": drop_last})
    with pytest.raises(UserError, match=rf"^{num_images} training images are less than a batch"):
        training._check_a_batch_is_there(loader, num_images)
    training._check_a_batch_is_there(loader, num_images + 1)


@pytest.mark.parametrize("kind", ["InfiniteSampler", InfiniteSampler])
def test_a_sampler_without_end_fills_a_batch(kind: Any) -> None:
    loader = Config({"batch_size": 8, "sampler": {"type": kind}})
    training._check_a_batch_is_there(loader, 3)
    loader.drop_last = True
    with pytest.raises(UserError):
        training._check_a_batch_is_there(loader, 3)


@pytest.mark.parametrize("kind", ["InfiniteSampler", "mmengine.InfiniteSampler", InfiniteSampler])
@pytest.mark.parametrize("part", ["sampler", "batch_sampler"])
def test_a_sampler_without_end_is_refused_where_epochs_count(kind: Any, part: str) -> None:
    cfg = Config({"train_dataloader": {part: {"type": kind}}, "train_cfg": {"max_epochs": 2}})
    said = r"of train_cfg\.max_epochs would end: train_dataloader\.sampler: use DefaultSampler"
    with pytest.raises(UserError, match=f"^InfiniteSampler yields images without end, .*{said}"):
        training._check_epochs_end(cfg)
    cfg.train_cfg = {"by_epoch": False, "max_iters": 2}
    training._check_epochs_end(cfg)
    for loader in ({}, {"sampler": {"type": "DefaultSampler"}}):
        training._check_epochs_end(
            Config({"train_dataloader": loader, "train_cfg": {"max_epochs": 2}})
        )


def test_a_classifier_needs_two_classes() -> None:
    for classes, named in ((("owl",), "owl"), ((), "none")):
        with pytest.raises(UserError, match=rf"two classes or more, got {named}: data/train:"):
            class_names.check_several_classes(classes, Config({"root": "data/train"}))
    class_names.check_several_classes(("owl", "cat"), Config({"root": "data/train"}))
