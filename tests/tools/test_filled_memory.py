"""--auto-batch through the training tools, on a CPU that pretends to have a GPU's memory."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from bag_of_transfer.engine.run import auto_batch, rates
from tests.tools.work_dirs import weights

ROOT = Path(__file__).resolve().parents[2]
CLS = ROOT / "configs/classification/resnet18-d_tiny.py"
DET = ROOT / "configs/detection/faster-rcnn_fpn_tiny.py"
SEG = ROOT / "configs/segmentation/fcn_d8_tiny.py"


@pytest.fixture
def memory_for_five(monkeypatch):
    """Let steps of more than five images run out of memory; list the sizes that are tried."""
    tried = []

    def step_of(runner):
        whole = rates.step_of(runner)

        def step(batch):
            tried.append(len(batch["inputs"]))
            if len(batch["inputs"]) > 5:
                raise torch.OutOfMemoryError
            whole(batch)

        return step

    monkeypatch.setattr(auto_batch, "refuse_without_gpu", lambda: None)
    pretended = SimpleNamespace(step_of=step_of, device_is_done=rates.device_is_done)
    monkeypatch.setattr(auto_batch, "rates", pretended)
    return tried


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("name", ["train", "train_cls"])
def test_a_cpu_is_refused_before_the_config_is_read(tool, capsys, tmp_path, name):
    assert tool(name, __file__, "--auto-batch") == 2
    said = capsys.readouterr().err.splitlines()[0]
    assert said == (
        "error: there is no GPU whose memory could be filled: --auto-batch: "
        "leave it out, and state train_dataloader.batch_size"
    )
    assert list(tmp_path.iterdir()) == []


def test_the_run_is_that_of_the_chosen_size_and_resumes_with_it(
    tool, tmp_path, capfd, memory_for_five
):
    assert tool("train_cls", CLS, "--work-dir", tmp_path / "auto", "--auto-batch") == 0
    assert memory_for_five == [2, 2, 4, 4, 8]
    said = capfd.readouterr()
    assert "batch size per GPU: 4 (--auto-batch; the config says 8)" in said.out + said.err
    assert "lr 0.0015625 = 0.1 x 4 / 256" in said.out + said.err
    stated = ("--cfg-options", "train_dataloader.batch_size=4")
    assert tool("train_cls", CLS, "--work-dir", tmp_path / "stated", *stated) == 0
    ours, theirs = weights(tmp_path / "auto"), weights(tmp_path / "stated")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)

    memory_for_five.clear()
    flags = ("--work-dir", tmp_path / "auto", "--auto-batch", "--resume")
    assert tool("train_cls", CLS, *flags) == 0
    assert memory_for_five == []
    said = capfd.readouterr()
    assert "batch size per GPU: 4 (of the run that is resumed)" in said.out + said.err


def test_a_teachers_cache_is_of_a_stated_size(tool, capsys, memory_for_five):
    Path("leaf.py").write_text(
        f"_base_ = {str(CLS)!r}\nmodel = dict(distillation=dict(teacher=dict(), cache='answers'))\n"
    )
    assert tool("train_cls", "leaf.py", "--auto-batch") == 2
    assert "--auto-batch with model.distillation.cache" in capsys.readouterr().err.splitlines()[0]


@pytest.mark.slow
@pytest.mark.parametrize("config", [DET, SEG])
def test_detectors_and_segmenters_have_their_batches_tried(tool, capfd, memory_for_five, config):
    flags = ("--backbone", "scratch", "--auto-batch", "--dry-run")
    assert tool("train", config, *flags) == 0
    assert memory_for_five == [2, 2, 4, 4, 8]
    said = capfd.readouterr()
    assert "batch size per GPU: 4 (--auto-batch" in said.out + said.err
