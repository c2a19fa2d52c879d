"""All cells of a ladder have the precision that it began with, on whatever machine they run."""

import json
from pathlib import Path

import pytest
import torch

from bag_of_transfer.engine.arguments import PRECISIONS
from bag_of_transfer.engine.loop import precision
from bag_of_transfer.ladder.plan.cells import Cell
from bag_of_transfer.ladder.run import amp, cell_process, estimate, on_this_machine
from tests.ladder.fake_ladder import DET, ladder, record, use_fake_tools, write_ladder

PLAN = Path("out/ladder.json")
STEP = 'optim_wrapper = dict(type="OptimWrapper")\n'
STATED = {
    "optim_wrapper = dict(type='AmpOptimWrapper')\n": None,
    STEP + "amp = 'off'\n": None,
    STEP + "amp = 'auto'\n": "bf16",
    STEP: "bf16",
}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ladder of pretend tools: b, its student d, and one task; nothing states a precision."""
    monkeypatch.chdir(tmp_path)
    use_fake_tools(tmp_path, monkeypatch)
    config = write_ladder(tmp_path)
    for name in ("b", "d"):
        (tmp_path / f"{name}.py").write_text(f"{STEP}model = dict(distillation=None)\n")
    (tmp_path / "det.py").write_text(DET + STEP)
    return config


def on_machine(computes_fast_in: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amp, "fast_precision", lambda: computes_fast_in)


def climb(config: Path, *flags: object) -> int:
    return ladder(config, "--work-dir", "out", *flags)


def told(key: str) -> str | None:
    """Return the precision that a finished cell's training was told."""
    words = record(key)["commands"][0]
    return words[words.index("--amp") + 1] if "--amp" in words else None


def test_names_of_precisions_are_the_same_everywhere() -> None:
    assert tuple(precision.WRAPPERS) == PRECISIONS


def test_another_machine_goes_on_in_the_precision_of_the_first(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_machine("off", monkeypatch)
    assert climb(config, "--cell", "seed0/b/pretraining") == 0
    assert json.loads(PLAN.read_text())["amp"] == "off"
    assert "precision" not in capsys.readouterr().out

    on_machine("bf16", monkeypatch)
    assert climb(config, "--seeds", 0, 1) == 0
    line = "precision: off, as this ladder began; this machine would choose bf16"
    assert line in capsys.readouterr().out
    cells = ("b/pretraining", "d/pretraining", "scratch/detection", "b/detection", "d/detection")
    keys = [f"seed{seed}/{cell}" for seed in (0, 1) for cell in cells]
    assert {key: told(key) for key in keys} == dict.fromkeys(keys, "off")
    assert json.loads(PLAN.read_text())["amp"] == "off"


@pytest.mark.parametrize(("stated", "expected"), STATED.items())
def test_what_a_config_states_stays(
    config: Path, monkeypatch: pytest.MonkeyPatch, stated: str, expected: str | None
) -> None:
    on_machine("bf16", monkeypatch)
    (config.parent / "b.py").write_text(stated)
    assert climb(config) == 0
    assert told("seed0/b/pretraining") == expected
    assert told("seed0/b/detection") == "bf16"


def test_a_config_that_is_gone_fails_its_cell_alone_and_is_recorded(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_machine("off", monkeypatch)
    before = cell_process.run_cell

    def without_config(cell: Cell, *args: object, **how: object) -> None:
        if cell.key == "seed0/b/pretraining":
            (config.parent / "b.py").unlink()
        before(cell, *args, **how)

    monkeypatch.setattr(on_this_machine, "run_cell", without_config)
    assert climb(config) == 2
    failed = record("seed0/b/pretraining")
    assert (failed["status"], "b.py" in failed["reason"]) == ("failed", True)
    assert record("seed0/scratch/detection")["status"] == "done"


def test_the_flag_decides_for_a_ladder_that_begins(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_machine("bf16", monkeypatch)
    assert climb(config, "--amp", "off") == 0
    assert told("seed0/scratch/detection") == "off"
    assert climb(config, "--amp", "off") == 0
    assert climb(config, "--amp", "bf16") == 2
    said = "this ladder's trainings have --amp off: --amp bf16: leave it out, or begin another"
    assert said in capsys.readouterr().err


def test_fp16_is_refused_without_a_gpu(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert climb(config, "--amp", "fp16") == 2
    assert "fp16 needs a GPU: --amp: use bf16 or off" in capsys.readouterr().err
    assert not PLAN.exists()


def test_a_call_that_only_writes_a_script_leaves_the_choice_to_the_first_cell(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_machine("off", monkeypatch)  # a head node without a GPU
    assert climb(config, "--slurm") == 0
    assert "amp" not in json.loads(PLAN.read_text())
    on_machine("bf16", monkeypatch)
    assert climb(config, "--cell", "seed0/b/pretraining") == 0
    assert (told("seed0/b/pretraining"), json.loads(PLAN.read_text())["amp"]) == ("bf16", "bf16")
    on_machine("off", monkeypatch)
    assert climb(config, "--slurm", "other.sbatch") == 0
    assert json.loads(PLAN.read_text())["amp"] == "bf16"


def test_a_ladder_that_an_earlier_version_began_leaves_the_choice_to_each_run(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amp, "fast_precision", lambda: None)
    assert climb(config, "--cell", "seed0/b/pretraining") == 0
    assert "amp" not in json.loads(PLAN.read_text())
    on_machine("bf16", monkeypatch)
    assert climb(config) == 0
    assert told("seed0/b/detection") is None


def test_an_archive_brings_the_precision_of_its_ladder(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_machine("off", monkeypatch)
    assert climb(config, "--cell", "seed0/scratch/detection") == 0
    assert climb(config, "--export", "cells.tar.gz") == 0
    on_machine("bf16", monkeypatch)
    Path("out").rename("first")
    assert climb(config, "--import", "cells.tar.gz") == 0
    assert climb(config) == 0
    assert told("seed0/d/detection") == "off"


def test_an_archive_of_another_precision_is_told(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_machine("off", monkeypatch)
    assert climb(config, "--cell", "seed0/scratch/detection") == 0
    assert climb(config, "--export", "cells.tar.gz") == 0
    assert climb(config, "--import", "cells.tar.gz") == 0
    assert "precision" not in capsys.readouterr().out
    on_machine("bf16", monkeypatch)
    Path("out").rename("first")
    assert climb(config, "--cell", "seed0/b/pretraining") == 0
    assert climb(config, "--import", "cells.tar.gz") == 0
    assert "precision: off in cells.tar.gz, bf16 in this ladder: " in capsys.readouterr().out
    assert json.loads(PLAN.read_text())["amp"] == "bf16"


def test_times_are_estimated_in_the_ladders_precision(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_machine("off", monkeypatch)
    assert climb(config, "--cell", "seed0/scratch/detection") == 0
    on_machine("bf16", monkeypatch)
    asked: list[list[str]] = []

    def dry_run(words: list[str], log: Path) -> None:
        asked.append(words)
        log.parent.mkdir(parents=True)
        log.touch()

    monkeypatch.setattr(estimate, "run_quietly", dry_run)
    assert climb(config, "--seeds", 5, "--dry-run") == 0
    assert [words[words.index("--amp") + 1] for words in asked] == ["off"] * len(asked)
    assert asked
