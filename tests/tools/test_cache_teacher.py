"""Distillation from stored answers: the live run's losses, and what is refused."""

import json
import re
import shutil
from pathlib import Path

import pytest

from bag_of_transfer.classification.teacher_cache import CARD
from tests.tools.work_dirs import losses

ROOT = Path(__file__).resolve().parents[2]
CLS = ROOT / "configs/classification/resnet18-d_tiny.py"


@pytest.fixture(scope="module")
def taught_by(pretrained):
    """The options that make the pretrained classifier a teacher, with as many views as given."""
    teacher = f"model.distillation.teacher.checkpoint={pretrained / 'last_checkpoint'}"
    return lambda *more: ("--cfg-options", teacher, *more)


COLOURED = """
_base_ = ["{base}"]
pipeline = [
    dict(type="RandomResizedCrop", size=32),
    dict(type="HSVScale"),
    dict(type="PCANoise"),
    dict(type="torchvision/PILToTensor"),
]
train_dataloader = dict(dataset=dict(pipeline=pipeline, colours_on_device=True))
"""


@pytest.mark.parametrize("mixup", [(), pytest.param(("model.mixup=None",), marks=pytest.mark.slow)])
def test_a_view_per_epoch_gives_the_live_teachers_losses(tool, taught_by, tmp_path, capfd, mixup):
    # In bf16 the student's rounding makes more of the answers' than the tolerance allows.
    amp = ("--amp", "off")
    live, cached, cache = tmp_path / "live", tmp_path / "cached", tmp_path / "cache"
    config = tmp_path / "config.py"
    config.write_text(COLOURED.format(base=CLS))
    assert tool("train_cls", config, "--work-dir", live, *amp, *taught_by(*mixup)) == 0
    # Another number of workers: neither the images nor what is mixed depends on it.
    workers = "train_dataloader.num_workers=1" if mixup else "train_dataloader.num_workers=0"
    assert tool("cache_teacher", config, cache, *amp, *taught_by(workers, *mixup)) == 0
    assert re.search(r"2 views x 48 images x 3 classes: [\d.]+ kB in ", capfd.readouterr().out)
    options = taught_by(f"model.distillation.cache={cache}", *mixup)
    assert tool("train_cls", config, "--work-dir", cached, *amp, *options) == 0
    assert losses(cached) == pytest.approx(losses(live), rel=1e-3)
    evidence = json.loads((cached / "tricks.json").read_text())["distillation"]
    assert evidence["on"]
    assert "answers stored in" in evidence["evidence"]
    elsewhere = "train_dataloader.dataset.colours_on_device=False"
    assert tool("train_cls", config, "--work-dir", tmp_path / "run", *options, elsewhere) == 2
    assert "another augmentation" in capfd.readouterr().err


def test_fewer_views_than_epochs_come_again(tool, taught_by, tmp_path, capfd):
    cache, flags = tmp_path / "answers", ("--top-k", 2, *taught_by())
    assert tool("cache_teacher", CLS, "--views", 1, "--work-dir", tmp_path, *flags) == 0
    assert tool("cache_teacher", CLS, "--views", 1, cache, *flags) == 0
    assert "the cache is complete already" in capfd.readouterr().out
    options = taught_by(f"model.distillation.cache={cache}")
    # The cache's seed decides what is drawn, the run's seed the weights.
    flags = ("--work-dir", tmp_path / "run", "--seed", 1, *options)
    assert tool("train_cls", CLS, *flags) == 0
    assert "(views: 1, classes: 2 of 3)" in capfd.readouterr().out
    assert tool("cache_teacher", CLS, cache, "--views", 2, *taught_by()) == 3
    assert "a cache of another num_views" in capfd.readouterr().err


@pytest.fixture(scope="module")
def cache(tool, taught_by, tmp_path_factory):
    folder = tmp_path_factory.mktemp("answers") / "cache"
    folder.mkdir()
    (folder / f".{CARD}.123-0a1b2c3d.tmp").touch()  # an earlier call was killed while it wrote
    assert tool("cache_teacher", CLS, folder, "--views", 1, *taught_by()) == 0
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train_dataloader.dataset.pipeline.0.size=24", "another augmentation"),
        ("model.mixup.alpha=0.4", "another mixup setting"),
        ("model.mixup=True", "model.mixup=True"),
        ("train_dataloader.sampler.shuffle=False", "another batch size, order"),
        ("train_dataloader.batch_sampler.type=Pairs", "train_dataloader.batch_sampler"),
        ("train_dataloader.batch_size=4", "another batch size"),
        ("model.mixup.off_epochs=1", "mixup ends before the last epoch"),
        ("train_dataloader.sampler.type=InfiniteSampler", "InfiniteSampler yields images"),
    ],
)
def test_a_cache_of_another_run_is_refused_before_training(
    tool, taught_by, cache, tmp_path, capfd, change, message
):
    options = taught_by(f"model.distillation.cache={cache}", change)
    assert tool("train_cls", CLS, "--work-dir", tmp_path / "run", *options) == 2
    assert message in capfd.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("setting", ["model.distillation=True", "model.distillation.cache=3"])
def test_a_setting_that_is_no_cache_is_one_line(tool, taught_by, tmp_path, capfd, setting):
    options = ("--cfg-options", setting) if "=True" in setting else taught_by(setting)
    assert tool("train_cls", CLS, "--work-dir", tmp_path / "run", *options) == 2
    assert "error: " in capfd.readouterr().err


def test_a_resolved_config_without_its_cache_draws_anew(tool, taught_by, cache, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    options = taught_by(f"model.distillation.cache={cache}")
    assert tool("train_cls", CLS, "--work-dir", first, "--dry-run", *options) == 0
    resolved = first / ".dry_run/resolved_config.py"
    assert "draws" in resolved.read_text()
    live = ("--cfg-options", "model.distillation.cache=None")
    assert tool("train_cls", resolved, "--work-dir", second, "--dry-run", *live) == 0
    assert "draws" not in (second / ".dry_run/resolved_config.py").read_text()


def test_a_cache_of_another_teacher_is_refused(tool, taught_by, cache, pretrained, tmp_path, capfd):
    other = tmp_path / "teacher.pth"
    shutil.copy(pretrained / "epoch_1.pth", other)
    options = taught_by(f"model.distillation.cache={cache}")
    changed = f"model.distillation.teacher.checkpoint={other}"
    assert tool("train_cls", CLS, "--work-dir", tmp_path / "run", *options, changed) == 2
    assert "the cache was made for another teacher" in capfd.readouterr().err


def test_a_cache_of_other_images_is_refused(tool, taught_by, cache, tmp_path, capfd):
    changed = tmp_path / "cache"
    shutil.copytree(cache, changed)
    card = json.loads((changed / CARD).read_text())
    (changed / CARD).write_text(json.dumps({**card, "data": "of others"}))
    options = taught_by(f"model.distillation.cache={changed}")
    assert tool("train_cls", CLS, "--work-dir", tmp_path / "run", *options) == 2
    assert "the cache was made for another set of images" in capfd.readouterr().err


def test_what_cannot_be_made_is_told(tool, taught_by, cache, tmp_path, capfd):
    out = tmp_path / "cache"
    for flags, code, message in (
        ((), 2, "the config has no teacher"),
        (("--views", 0, *taught_by()), 2, "0 is not a valid number: --views"),
        (("--top-k", 4, *taught_by()), 2, "4 is not a valid number: --top-k: give 1 to 3"),
    ):
        assert tool("cache_teacher", CLS, out, *flags) == code
        assert message in capfd.readouterr().err
        assert not out.exists()
    assert tool("cache_teacher", CLS, cache.parent, *taught_by()) == 3
    assert "the folder holds something else" in capfd.readouterr().err


def test_a_config_with_a_teacher_takes_a_cache_and_refuses_misspelt_settings(tool, tmp_path, capfd):
    config = ROOT / "configs/classification/resnet18-d-all_demo.py"
    for option, code, message in (
        ("model.distillation.cache=nowhere", 2, "the folder holds no teacher's cache"),
        ("model.distillation.cash=nowhere", 2, "did you mean `model.distillation.cache`?"),
        ("model.mixup.alphas=0.3", 2, "did you mean `model.mixup.alpha`?"),
    ):
        assert tool("train_cls", config, "--work-dir", tmp_path, "--cfg-options", option) == code
        assert message in capfd.readouterr().err
