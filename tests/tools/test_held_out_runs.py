"""Runs of the three tasks that are judged on a part of their training images."""

import json
import shlex
import shutil
from pathlib import Path

import pytest
import torch

from bag_of_transfer.classification.finished_run import trained_network

ROOT = Path(__file__).resolve().parents[2]
CLS = ROOT / "configs/classification/resnet18-d_tiny.py"
DET = ROOT / "configs/detection/faster-rcnn_fpn_tiny.py"
SEG = ROOT / "configs/segmentation/fcn_d8_tiny.py"
QUARTER = ("--cfg-options", "held_out.fraction=0.25", "held_out.seed=3")


def record(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


@pytest.fixture(scope="module")
def classifier(tool, world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("classifier")
    assert tool("train_cls", CLS, "--work-dir", folder, "--data-root", world, *QUARTER) == 0
    return folder


def num_trained(folder: Path) -> int:
    """Return the number of training images that the run's checkpoint states."""
    checkpoint = torch.load(folder / "epoch_2.pth", weights_only=True)
    return checkpoint["meta"]["recipe"]["number of training images"]


def test_a_classifier_is_judged_on_a_quarter_of_each_class(tool, classifier, tmp_path, capfd):
    judged = record(classifier)
    assert (judged["split"], judged["num_images"]) == ("held_out", 12)
    assert set(judged["per_class"]) == {"bars", "checks", "dots"}
    assert num_trained(classifier) == 36
    # The config has no test split: testing judges what training did.
    out = tmp_path / "metrics.json"
    assert tool("test_cls", CLS, classifier / "last_checkpoint", "--out", out, *QUARTER) == 0
    tested = record(tmp_path)
    assert [tested[key] for key in ("split", "metrics")] == ["held_out", judged["metrics"]]
    # What is printed as the next command shows the same images.
    look = next(words for words in capfd.readouterr().out.splitlines() if "predict.py" in words)
    assert tool("predict", *shlex.split(look)[2:]) == 0
    assert (
        len(
            json.loads(Path("work_dirs", CLS.stem, "predictions/predictions.json").read_text())[
                "images"
            ]
        )
        == 12
    )


def test_another_part_is_another_run(tool, classifier, tmp_path, capfd):
    shutil.copytree(classifier, tmp_path / "run")
    resume = ("train_cls", CLS, "--work-dir", tmp_path / "run", "--resume")
    assert tool(*resume, *QUARTER) == 0
    capfd.readouterr()
    assert tool(*resume, *QUARTER[:-1], "held_out.seed=4") == 3
    assert "held_out.seed was 3, now 4" in capfd.readouterr().err
    assert tool(*resume) == 3
    assert "held_out.fraction was 0.25, now not stated" in capfd.readouterr().err


def test_the_resolved_config_gives_the_same_run(tool, classifier, tmp_path):
    assert tool("train_cls", classifier / "resolved_config.py", "--work-dir", tmp_path) == 0
    assert record(tmp_path)["metrics"] == record(classifier)["metrics"]
    _, loader = trained_network(classifier, classifier / "epoch_2.pth")  # for figures
    assert len(loader.dataset) == 12


@pytest.mark.parametrize(
    ("config", "held", "trained"), [pytest.param(DET, 4, 12, marks=pytest.mark.slow), (SEG, 2, 6)]
)
def test_a_detector_and_a_segmenter_without_a_val_split(tool, tmp_path, config, held, trained):
    none = [f"val_{part}=None" for part in ("dataloader", "cfg", "evaluator")]
    flags = ("--backbone", "scratch", "--work-dir", tmp_path, *QUARTER)
    assert tool("train", config, *flags, *none, "train_cfg.val_interval=2") == 0
    judged = record(tmp_path)
    assert (judged["split"], judged["num_images"]) == ("held_out", held)
    assert num_trained(tmp_path) == trained


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("held_out.fraction=2", "error: 2 is not a valid value: held_out.fraction: give"),
        ("held_out.seed=0.5", "held_out.seed: give a whole number"),
        ("held_out.fraction=0.01", "0.01 of 48 images is none"),
        ("held_out.part=0.2", "`held_out.part` exists nowhere"),
    ],
)
def test_a_wrong_part_ends_the_run_before_training(tool, tmp_path, capfd, option, message):
    options = ("--cfg-options", "held_out.fraction=0.25", option)
    options = options[:1] + options[2:] if "fraction" in option else options
    assert tool("train_cls", CLS, "--work-dir", tmp_path / "run", *options) == 2
    assert message in capfd.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_teachers_answers_belong_to_the_training_part(tool, classifier, tmp_path, capfd):
    cache, quarter = tmp_path / "cache", QUARTER
    teacher = f"model.distillation.teacher.checkpoint={classifier / 'last_checkpoint'}"
    assert tool("cache_teacher", CLS, cache, "--views", 1, *quarter, teacher) == 0
    assert "1 views x 36 images" in capfd.readouterr().out
    options = (teacher, f"model.distillation.cache={cache}")
    run = ("train_cls", CLS, "--dry-run", "--work-dir", tmp_path / "run")
    assert tool(*run, *quarter, *options) == 0
    capfd.readouterr()
    assert tool(*run, *quarter[:-1], "held_out.seed=4", *options) == 2
    assert "the cache was made for another set of images" in capfd.readouterr().err
