import errno
import hashlib
import itertools
import json
import os
import shutil
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from mmengine.runner import Runner
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.data import Dataset

from bag_of_transfer.engine.loop.records import RunRecorder
from bag_of_transfer.engine.run_files import manifest_of
from bag_of_transfer.engine.weights import checkpoint_hook
from bag_of_transfer.engine.weights.checkpoint_hook import SafeCheckpointHook
from bag_of_transfer.engine.weights.checkpoints import find_resumable
from bag_of_transfer.engine.weights.exact_state import ExactState

COUNTER = itertools.count()


@MODELS.register_module(force=True)
class TinyNet(BaseModel):
    """One weight; the loss pulls it to the data's mean."""

    def __init__(self, start: float = 3.0) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([start]))

    def forward(self, inputs: torch.Tensor, mode: str = "tensor") -> Any:
        if mode == "loss":
            return {"loss": ((self.weight - inputs) ** 2).mean()}
        return [self.weight.detach()]


class Numbers(Dataset):
    def __init__(self) -> None:
        self.metainfo = {"classes": ("cat", "dog"), "palette": np.arange(6).reshape(2, 3)}

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"inputs": torch.tensor([float(index)])}


class Scores(Evaluator):
    """Stands in for an evaluator: hands out the given scores, one each validation."""

    def __init__(self, scores: list[Any]) -> None:
        super().__init__([])
        self.scores = list(scores)

    def process(self, data_samples: Any, data_batch: Any = None) -> None: ...

    def evaluate(self, size: int) -> dict[str, Any]:
        score = self.scores.pop(0)
        return score if isinstance(score, dict) else {"top1": score}


def make_runner(
    work_dir: Path, epochs: int = 3, scores: list[Any] | None = None, **hook: Any
) -> Runner:
    loader = dict(
        dataset=Numbers(),
        batch_size=2,
        sampler=dict(type="DefaultSampler", shuffle=False),
        collate_fn=dict(type="default_collate"),
    )
    validation: dict[str, Any] = {}
    hook = {"interval": 1, **hook}
    if scores is not None:
        hook.setdefault("save_best", "top1")
        validation = dict(val_dataloader=loader, val_cfg=dict(), val_evaluator=Scores(scores))
    # A fresh name each time: mmengine keeps loggers and hubs by name.
    return Runner(
        model=dict(type="TinyNet"),
        work_dir=str(work_dir),
        train_dataloader=loader,
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1, momentum=0.9)),
        param_scheduler=[dict(type="MultiStepLR", milestones=[2], gamma=0.1)],
        default_hooks=dict(checkpoint=dict(type="SafeCheckpointHook", **hook), logger=None),
        default_scope="mmengine",
        experiment_name=f"{work_dir}_{next(COUNTER)}",
        cfg=dict(model=dict(type="TinyNet", start=3.0)),
        log_level="ERROR",
        randomness=dict(seed=0),
        **validation,
    )


@pytest.fixture(scope="module")
def two_epochs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the work dir of a run of two epochs, which is not to be changed."""
    folder = tmp_path_factory.mktemp("run")
    make_runner(folder, epochs=2, scores=[np.float64(10.0), np.float32(20.0)]).train()
    return folder


def test_processes_ask_each_other_every_ten_iterations_also_where_epochs_are_shorter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = make_runner(tmp_path, epochs=11, interval=50, save_last=False)  # two iterations each
    asked: list[int] = []

    class Told:
        def __init__(self, number: int) -> None: ...

        def any_of(self, answers: list[bool]) -> list[bool]:
            asked.append(runner.iter + 1)
            return [False, runner.iter + 1 == 20]  # another process got SIGUSR1

    monkeypatch.setattr(checkpoint_hook, "Agreement", Told)
    monkeypatch.setattr(checkpoint_hook, "get_world_size", lambda: 2)
    runner.train()
    assert asked == [10, 20]
    assert [path.name for path in tmp_path.glob("*_iter_20.pth")] == ["epoch_9_iter_20.pth"]


class DiesBeforeEpoch3(Hook):
    def before_train_epoch(self, runner: Runner) -> None:
        if runner.epoch == 2:
            raise KeyboardInterrupt


def test_files_load_with_plain_weights_only_and_tell_their_origin(two_epochs: Path) -> None:
    # torch's own loader, without any allow-list of ours
    checkpoint = torch.load(two_epochs / "epoch_2.pth", weights_only=True)
    assert checkpoint["meta"]["model_json"] == '{"type": "TinyNet", "start": 3.0}'
    assert checkpoint["meta"]["classes"] == ["cat", "dog"]
    assert checkpoint["message_hub"]["runtime_info"]["best_score"] == 20.0
    assert checkpoint["message_hub"]["log_scalars"] == {}
    assert (two_epochs / "last_checkpoint").read_text() == str(two_epochs / "epoch_2.pth")


class SwapsInWhatIsOnTheGpu(Hook):
    """Does what EMAHook does: the average is where the network is."""

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        with FakeTensorMode():
            average = OrderedDict(weight=torch.ones(1, device="cuda"))
        checkpoint["ema_state_dict"] = checkpoint["state_dict"]
        checkpoint["state_dict"] = average
        checkpoint["mine"] = {"pairs": [("a", (average["weight"], 3))]}


def test_every_tensor_of_a_checkpoint_is_on_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "mmengine.runner.runner.save_checkpoint", lambda *a, **_: written.append(a[0])
    )
    runner = make_runner(tmp_path)
    runner.register_hook(SwapsInWhatIsOnTheGpu())
    own = runner.model.state_dict()
    own["weight"] = own["weight"].detach()
    monkeypatch.setattr(runner.model, "state_dict", lambda: own)
    runner.save_checkpoint(
        str(tmp_path), "one.pth", save_optimizer=False, save_param_scheduler=False
    )
    (checkpoint,) = written
    assert checkpoint["state_dict"]["weight"].device.type == "cpu"
    ((name, (tensor, number)),) = checkpoint["mine"]["pairs"]
    assert (name, tensor.device.type, number) == ("a", "cpu", 3)
    kept = checkpoint["ema_state_dict"]
    assert kept["weight"] is own["weight"]  # not copied
    assert kept._metadata == own._metadata


def test_a_resumed_run_ends_as_the_uninterrupted_one_and_keeps_its_best(tmp_path: Path) -> None:
    whole = make_runner(tmp_path / "whole", epochs=4, scores=[30.0, 20.0, 10.0, 25.0])
    whole.train()
    killed = make_runner(tmp_path / "cut", epochs=4, scores=[30.0, 20.0])
    killed.register_hook(DiesBeforeEpoch3())
    with pytest.raises(KeyboardInterrupt):
        killed.train()
    rest = make_runner(tmp_path / "cut", epochs=4, scores=[10.0, 25.0])
    rest._resume, rest._load_from = True, str(find_resumable(tmp_path / "cut"))
    rest.train()
    assert rest.epoch == 4
    assert rest.model.weight.item() == whole.model.weight.item()
    # The first epoch stays the best: had the score been lost, epoch 3 would have replaced it.
    assert rest.message_hub.get_info("best_score") == 30.0
    assert [path.name for path in (tmp_path / "cut").glob("best_*.pth")] == [
        "best_top1_epoch_1.pth"
    ]


def test_mmengines_runner_records_the_newest_weights_of_a_finished_run(tmp_path: Path) -> None:
    for resume in (False, True):
        runner = make_runner(tmp_path, epochs=2, scores=[10.0] if resume else [20.0, 10.0])
        runner.cfg.task, runner._resume = "cls", resume
        for hook in (RunRecorder(), ExactState()):
            runner.register_hook(hook)
        runner.train()
        lines = map(json.loads, (tmp_path / "curve.jsonl").read_text().splitlines())
        assert [line["top1"] for line in lines] == [20.0, 10.0]
        assert json.loads((tmp_path / "metrics.json").read_text())["metrics"] == {"top1": 10.0}


@pytest.mark.parametrize("named", [None, "victim", "victim/..", "victim/mine.pth"])
def test_a_resumed_run_removes_a_best_file_of_its_own_folder_alone(
    two_epochs: Path, tmp_path: Path, named: str | None
) -> None:
    """The checkpoint names the folder where it was written: copied since, or a stranger's."""
    there, here, victim = two_epochs, tmp_path / "here", tmp_path / "victim"
    shutil.copytree(there, here)
    victim.mkdir()
    (victim / "mine.pth").write_text("mine")
    if named:
        run = torch.load(here / "epoch_2.pth", weights_only=True)
        run["message_hub"]["runtime_info"]["best_ckpt"] = str(tmp_path / named)
        torch.save(run, here / "epoch_2.pth")
        manifest_of(here / "epoch_2.pth").unlink()
    rest = make_runner(here, epochs=3, scores=[30.0])
    rest._resume, rest._load_from = True, str(here / "epoch_2.pth")
    rest.train()
    assert (victim / "mine.pth").read_text() == "mine"
    assert [path.name for path in there.glob("best_*.pth")] == ["best_top1_epoch_2.pth"]
    left = {path.name for path in here.glob("best_*.pth")}
    assert left - {"best_top1_epoch_2.pth"} == {"best_top1_epoch_3.pth"}
    assert named or "best_top1_epoch_2.pth" not in left


@pytest.mark.parametrize("several", [False, True])
def test_a_run_from_another_folders_file_keeps_its_own_best(tmp_path: Path, several: bool) -> None:
    watched = dict(save_best=["top1", "top5"], rule="greater") if several else {}
    scores = [{"top1": 20.0, "top5": 40.0}, {"top1": 10.0, "top5": 30.0}]
    make_runner(tmp_path / "other", epochs=1, scores=scores[:1], **watched).train()
    rest = make_runner(tmp_path / "mine", epochs=2, scores=scores[1:], **watched)
    rest._resume, rest._load_from = True, str(tmp_path / "other/epoch_1.pth")
    rest.train()
    best = {"best_top1_epoch_2.pth", *(["best_top5_epoch_2.pth"] if several else [])}
    assert {path.name for path in (tmp_path / "mine").glob("best_*.pth")} == best
    assert {path.name for path in (tmp_path / "other").glob("best_*_1.pth")}
    info = rest.message_hub.runtime_info
    kept = {key: info[key] for key in info if key.startswith("best_score")}
    whole = {"best_score_top1": 10.0, "best_score_top5": 30.0}
    assert kept == (whole if several else {"best_score": 10.0})


@pytest.mark.parametrize("watched", ["auto", "mIoU"])
def test_a_best_of_another_metric_is_not_compared_and_its_file_stays(
    two_epochs: Path, tmp_path: Path, watched: str
) -> None:
    here = tmp_path / "here"
    shutil.copytree(two_epochs, here)  # its first metric is top1, of which 20 is the best
    scores = [{"mIoU": 5.0}, {"mIoU": 4.0}]
    rest = make_runner(here, epochs=4, scores=scores, save_best=watched, rule="greater")
    rest._resume, rest._load_from = True, str(here / "epoch_2.pth")
    rest.train()
    assert rest.message_hub.get_info("best_score") == 5.0
    kept = ["best_mIoU_epoch_3.pth", "best_top1_epoch_2.pth"]
    assert sorted(path.name for path in here.glob("best_*.pth")) == kept


def test_only_the_last_n_files_and_the_best_one_are_kept(tmp_path: Path) -> None:
    make_runner(tmp_path, epochs=5, scores=[1.0, 5.0, 2.0, 6.0, 3.0], max_keep_ckpts=2).train()
    names = sorted(path.name for path in tmp_path.glob("*.pth"))
    assert names == ["best_top1_epoch_4.pth", "epoch_4.pth", "epoch_5.pth"]


def test_old_files_go_only_when_the_new_ones_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []
    replace = os.replace

    def look_and_replace(source: Any, target: Any) -> None:
        seen.append({path.name for path in tmp_path.glob("*.pth")})
        replace(source, target)

    monkeypatch.setattr(os, "replace", look_and_replace)
    make_runner(tmp_path, epochs=3, scores=[1.0, 2.0, 3.0], max_keep_ckpts=1).train()
    # From the first best file on, there is at every moment one to resume and one best.
    started = seen[seen.index(next(s for s in seen if any("best" in name for name in s))) :]
    assert len(started) >= 6
    for names in started:
        assert any(name.startswith("epoch") for name in names)
        assert any(name.startswith("best") for name in names)


@pytest.mark.parametrize("fails_at", ["write", "fsync"])
def test_a_full_disk_leaves_the_old_files_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: str
) -> None:
    make_runner(tmp_path, epochs=1, max_keep_ckpts=1).train()
    before = (tmp_path / "epoch_1.pth").read_bytes()
    runner = make_runner(tmp_path, epochs=3, max_keep_ckpts=1)
    runner._resume, runner._load_from = True, str(tmp_path / "epoch_1.pth")
    fill_the_disk(monkeypatch, fails_at)
    with pytest.raises(OSError, match=r"No space left .*/epoch_2\.pth'"):
        runner.train()
    monkeypatch.undo()
    assert (tmp_path / "epoch_1.pth").read_bytes() == before
    assert [path.name for path in tmp_path.glob("*.pth")] == ["epoch_1.pth"]
    assert not list(tmp_path.glob(".*.tmp"))
    assert find_resumable(tmp_path) == tmp_path / "epoch_1.pth"


def fill_the_disk(monkeypatch: pytest.MonkeyPatch, fails_at: str) -> None:
    """Let half of the bytes through, then fail as a full disk does."""

    def fail(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if fails_at == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
        return
    real_open = Path.open

    def open_small(path: Path, *args: Any, **kwargs: Any) -> Any:
        file = real_open(path, *args, **kwargs)
        if path.name.startswith("."):
            whole_write = file.write
            proxy = _HalfWriter(file, whole_write, fail)
            return proxy
        return file

    monkeypatch.setattr(Path, "open", open_small)


class _HalfWriter:
    def __init__(self, file: Any, write: Any, fail: Any) -> None:
        self.file, self._write, self._fail = file, write, fail

    def __enter__(self) -> "_HalfWriter":
        return self

    def __exit__(self, *args: Any) -> None:
        self.file.close()

    def write(self, data: bytes) -> None:
        self._write(data[: len(data) // 2])
        self._fail()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


class DiesWhileBestFilesChange(SafeCheckpointHook):
    """The process ends after the new best file was written, before the old ones go."""

    def _remove(self, path: str) -> None:
        if self.last_ckpt.endswith("epoch_3.pth") and "best" in path:
            raise KeyboardInterrupt
        super()._remove(path)


def test_what_a_kill_leaves_between_two_steps_of_saving_goes_when_the_run_goes_on(
    tmp_path: Path,
) -> None:
    killed = make_runner(tmp_path, epochs=3, scores=[1.0, 2.0, 3.0], max_keep_ckpts=1)
    hook = next(h for h in killed.hooks if isinstance(h, SafeCheckpointHook))
    hook.__class__ = DiesWhileBestFilesChange
    with pytest.raises(KeyboardInterrupt):
        killed.train()
    assert len(list(tmp_path.glob("best_*.pth"))) == 2
    # As if the process had ended a moment earlier, and another before it.
    shutil.copy(tmp_path / "epoch_3.pth", tmp_path / "epoch_2.pth")
    (tmp_path / "epoch_1.pth.json").write_text("{}")
    later = tmp_path / "best_top1_epoch_9.pth"  # of a longer run that was gone back from
    later.write_bytes(b"")
    rest = make_runner(tmp_path, epochs=4, scores=[2.5], max_keep_ckpts=1)
    rest._resume, rest._load_from = True, str(find_resumable(tmp_path))
    rest.train()
    kept = ["best_top1_epoch_3.pth", "best_top1_epoch_9.pth", "epoch_4.pth"]
    assert sorted(path.name for path in tmp_path.glob("*.pth")) == kept
    manifests = sorted(path.name for path in tmp_path.glob("*.pth.json"))
    assert manifests == ["best_top1_epoch_3.pth.json", "epoch_4.pth.json"]


@pytest.mark.parametrize(("name", "best"), [("val/loss", 3), ("my/score", 1), ("my/accuracy", 1)])
def test_a_loss_of_an_evaluator_of_the_users_is_best_where_it_is_least(
    tmp_path: Path, name: str, best: int
) -> None:
    runner = make_runner(tmp_path, 3, [{name: 9.0}, {name: 8.0}, {name: 7.0}], save_best="auto")
    runner.train()
    found = [path.stem.rpartition("_")[2] for path in tmp_path.rglob("best_*.pth")]
    assert found == [str(best)]


def test_a_manifest_says_what_the_file_is(tmp_path: Path) -> None:
    scores = [{"top1": 1.0, "top5": 9.0}, {"top1": 2.0, "top5": 8.0}]
    runner = make_runner(tmp_path, 2, scores, save_best=["top1", "top5"], rule="greater")
    runner.train()
    stated = {path.name: json.loads(path.read_text()) for path in tmp_path.glob("*.pth.json")}
    assert stated.keys() == {f"{path.name}.json" for path in tmp_path.glob("*.pth")}
    best, other = stated["best_top1_epoch_2.pth.json"], stated["best_top5_epoch_1.pth.json"]
    assert (best["epoch"], best["iter"], best["score"], other["score"]) == (2, 4, 2.0, 9.0)
    assert stated["epoch_2.pth.json"]["score"] is None
    data = (tmp_path / "best_top1_epoch_2.pth").read_bytes()
    assert best["sha256"] == hashlib.sha256(data).hexdigest()
    assert best["bytes"] == len(data)
    config = hashlib.sha256(runner.cfg.pretty_text.encode()).hexdigest()
    assert best["config_sha256"] == config


@pytest.mark.parametrize(("interval", "saved"), [(2, [4, 8, 12]), (3, [4, 8, 12]), (6, [8, 12])])
def test_with_accumulation_an_interval_ends_at_an_update(
    tmp_path: Path, interval: int, saved: list[int]
) -> None:
    runner = make_runner(tmp_path, by_epoch=False, interval=interval)
    runner.optim_wrapper = dict(runner.optim_wrapper, accumulative_counts=4)
    runner._train_dataloader = dict(runner._train_dataloader, batch_size=1)
    runner.train()
    assert runner.max_iters == 12
    found = [int(path.stem.removeprefix("iter_")) for path in tmp_path.glob("iter_*.pth")]
    assert sorted(found) == saved
