"""Pretraining through the tool that users call."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from bag_of_transfer.classification import classifier
from bag_of_transfer.classification.mixing import rng_of_step
from tests.tools.work_dirs import curve, losses

ROOT = Path(__file__).resolve().parents[2]
CLS = ROOT / "configs/classification/resnet18-d_tiny.py"


def test_it_leaves_what_the_contract_names(pretrained):
    record = json.loads((pretrained / "metrics.json").read_text())
    assert record["schema"] == 1
    assert record["task"] == "cls"
    assert record["num_images"] == 24
    assert set(record["metrics"]) == {"top1", "top5"}
    assert set(record["per_class"]) == {"bars", "checks", "dots"}
    assert record["seed"] == 0
    assert len(record["checkpoint_sha256"]) == len(record["config_sha256"]) == 64
    assert record["img_per_s"] > 0
    assert record["peak_memory"]["mib"] > 100
    assert record["peak_memory"]["kind"] == ("gpu" if torch.cuda.is_available() else "resident")
    assert {"torch", "onedl-mmengine"} <= record["versions"].keys()
    assert [line["epoch"] for line in curve(pretrained)] == [1, 2]
    tricks = json.loads((pretrained / "tricks.json").read_text())
    assert len(tricks) == 10
    assert tricks["zero_gamma"]["on"]


@pytest.fixture
def algorithms_as_before():
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.deterministic = False


def test_the_same_seed_gives_the_same_losses_and_another_seed_others(
    tool, pretrained, tmp_path, monkeypatch, algorithms_as_before
):
    steps = []  # the first number that mixup would draw in each step
    monkeypatch.setattr(
        classifier, "rng_of_step", lambda: steps.append(rng_of_step().random()) or rng_of_step()
    )
    assert tool("train_cls", CLS, "--work-dir", tmp_path / "again", "--deterministic") == 0
    assert torch.are_deterministic_algorithms_enabled()
    assert losses(tmp_path / "again") == losses(pretrained)  # on a CPU they are so without it
    assert len(set(steps)) == len(steps) > 1
    assert tool("train_cls", CLS, "--work-dir", tmp_path / "other", "--seed", "1") == 0
    assert losses(tmp_path / "other") != losses(pretrained)


@pytest.mark.parametrize("workers", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_resuming_gives_what_an_uninterrupted_run_gives(tool, pretrained, tmp_path, workers):
    options = ("--cfg-options", f"train_dataloader.num_workers={workers}")
    whole, cut = pretrained, tmp_path / "cut"  # the uninterrupted run had no workers
    shutil.copytree(whole, cut)
    # As if killed in the second epoch: its checkpoint was never written.
    (cut / "epoch_2.pth").unlink()
    (cut / "last_checkpoint").write_text(str(cut / "epoch_1.pth"))
    (cut / "metrics.json").unlink()
    assert tool("train_cls", CLS, "--work-dir", cut, "--resume", *options) == 0
    assert losses(cut) == losses(whole)
    ours = torch.load(cut / "epoch_2.pth", weights_only=True)["state_dict"]
    theirs = torch.load(whole / "epoch_2.pth", weights_only=True)["state_dict"]
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_resuming_a_finished_run_only_measures_again(tool, pretrained, tmp_path):
    shutil.copytree(pretrained, tmp_path, dirs_exist_ok=True)
    before = json.loads((tmp_path / "metrics.json").read_text())["metrics"]
    (tmp_path / "metrics.json").unlink()
    assert tool("train_cls", CLS, "--work-dir", tmp_path, "--resume") == 0
    assert json.loads((tmp_path / "metrics.json").read_text())["metrics"] == before


def test_a_changed_value_is_refused_on_resuming_before_it_is_told(tool, pretrained, capfd):
    other = ("--cfg-options", "optim_wrapper.optimizer.lr=0.2", "train_cfg.max_epochs=3")
    assert tool("train_cls", CLS, "--work-dir", pretrained, "--resume", "--dry-run", *other) == 3
    output = capfd.readouterr()
    first = output.err.splitlines()[0]
    assert "optim_wrapper.optimizer.lr was 0.003125, now 0.00625" in first
    assert "train_cfg.max_epochs was 2, now 3" in first  # a cosine of another length
    assert "lr 0.00625 = 0.2 x 8 / 256" not in output.out + output.err


def test_a_folder_that_holds_a_run_is_refused(tool, pretrained, capsys):
    before = (pretrained / "curve.jsonl").read_bytes()
    assert tool("train_cls", CLS, "--work-dir", pretrained) == 3
    assert "--resume" in capsys.readouterr().err.splitlines()[0]
    assert (pretrained / "curve.jsonl").read_bytes() == before


@pytest.mark.parametrize("stated", [[], pytest.param(["visualizer=None"], marks=pytest.mark.slow)])
def test_tensorboard_gets_its_events(tool, tmp_path, stated):
    flags = ("--tensorboard", "--cfg-options", "default_hooks.logger.interval=1", *stated)
    assert tool("train_cls", CLS, "--work-dir", tmp_path, *flags) == 0
    events = list(tmp_path.rglob("events.out.tfevents*"))
    assert len(events) == 1
    assert events[0].stat().st_size > 500


def test_dry_run_tells_and_trains_nothing(tool, tmp_path, capfd):
    assert tool("train_cls", CLS, "--work-dir", tmp_path / "d", "--dry-run") == 0
    output = capfd.readouterr()
    output = output.out + output.err
    for part in (
        "lr 0.003125 = 0.1 x 8 / 256",
        "zero_gamma",
        "frozen: none",
        "nothing was trained",
    ):
        assert part in output
    assert not list(tmp_path.rglob("*.pth"))
    assert not list(tmp_path.rglob("metrics.json"))


def test_a_run_without_checkpoints_trains(tool, tmp_path):
    flags = ("--cfg-options", "default_hooks.checkpoint=None")
    assert tool("train_cls", CLS, "--work-dir", tmp_path, *flags) == 0
    assert not list(tmp_path.rglob("*.pth"))
    assert json.loads((tmp_path / "metrics.json").read_text())["metrics"]


def test_the_config_in_a_work_dir_tells_as_much_as_its_origin(pretrained):
    assert "log_level='INFO'" in (pretrained / CLS.name).read_text().replace(" ", "")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--cfg-options", "optmi.lr=1"], "optmi.lr"),
        (["--cfg-options", "log_level=INFOO"], "'INFOO' is not a valid value: log_level"),
        (["--cfg-options", "env_cfg.mp_cfg.mp_start_method=no"], "mp_start_method: give one of"),
        (["--amp", "fp16"], "bf16"),
        (["--data-root", "nowhere"], "nowhere"),
        (["--resume", "nowhere.pth"], "nowhere.pth"),
        (["--cfg-options", "train_dataloader.batch_size=64"], "48 training images"),
        (["--cfg-options", "train_dataloader.batch_size=1"], "train_dataloader: set batch_size"),
        (["--cfg-options", "optim_wrapper.optimizer.lr=-0.1"], "optim_wrapper.optimizer.lr"),
        (["--cfg-options", "model.head.in_channels=7"], "model.head.fc (Linear): make its"),
        (["--cfg-options", "optim_wrapper.constructor=Layers"], "`Layers`: optim_wrapper"),
        (["--cfg-options", "val_dataloader.num_workers=-1"], "num_workers"),
        (["--cfg-options", "val_dataloader.dataset.root=nowhere"], "nowhere"),
        (["--seed", "-1"], "-1 is not a valid seed: --seed"),
    ],
)
def test_a_mistake_stops_it_before_anything_is_written(tool, tmp_path, capsys, flags, message):
    if "fp16" in flags and torch.cuda.is_available():
        pytest.skip("fp16 is fine on a GPU")
    assert tool("train_cls", CLS, "--work-dir", tmp_path / "w", *flags) == 2
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("error: ")
    assert message in first
    assert not (tmp_path / "w").exists()


WITHOUT_VAL = [f"val_{part}=None" for part in ("dataloader", "cfg", "evaluator")]


def test_a_config_without_validation_trains_and_cannot_be_tested(tool, tmp_path, capsys):
    assert tool("train_cls", CLS, "--work-dir", tmp_path, "--cfg-options", *WITHOUT_VAL) == 0
    assert json.loads((tmp_path / "metrics.json").read_text())["split"] is None
    assert [set(line) & {"top1", "loss"} for line in curve(tmp_path)] == [{"loss"}, {"loss"}]
    last = tmp_path / "last_checkpoint"
    assert tool("test_cls", CLS, last, "--cfg-options", *WITHOUT_VAL) == 2
    assert "neither a test nor a validation split" in capsys.readouterr().err.splitlines()[0]


def test_one_class_is_nothing_to_learn(tool, world, tmp_path, capsys):
    one = tmp_path / "one"
    one.mkdir()
    (one / "bars").symlink_to(world / "demo/classification/train/bars")
    assert tool("train_cls", CLS, "--cfg-options", f"train_dataloader.dataset.root={one}") == 2
    assert f"two classes or more, got bars: {one}: " in capsys.readouterr().err


def test_a_work_dir_below_a_file_is_named(tool, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert tool("train_cls", CLS, "--work-dir", tmp_path / "file/w") == 2
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("error: ")
    assert str(tmp_path / "file") in first
    assert (tmp_path / "file").read_text() == "mine"


def test_test_cls_repeats_the_trainings_own_figure(tool, pretrained, tmp_path):
    last = pretrained / "last_checkpoint"
    assert tool("test_cls", CLS, last, "--out", tmp_path / "m.json") == 0
    again = json.loads((tmp_path / "m.json").read_text())
    trained = json.loads((pretrained / "metrics.json").read_text())
    assert again["metrics"] == trained["metrics"]
    assert again["checkpoint_sha256"] == trained["checkpoint_sha256"]
