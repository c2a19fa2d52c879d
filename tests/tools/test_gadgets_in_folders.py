"""A stranger's work dir, ladder or archive of cells is read as data, whichever tool reads it."""

import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import EpsImagePlugin

from bag_of_transfer.classification.plain_config import read_plain_config
from bag_of_transfer.ladder.seal import digests, write_sealed
from tests.engine.gadgets import EVAL, GADGETS, MADE, PROGRAM, Pickled, executed

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden/before_one_package"
ALL = json.loads(json.dumps(GADGETS))
# Pillow draws it with a program called gs.
POSTSCRIPT = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n"
LADDER = ("ladder", GOLDEN / "configs/ladder.py", "--work-dir", "ladder")


@pytest.fixture(autouse=True)
def _nothing_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    gs = tmp_path / "bin/gs"
    gs.parent.mkdir()
    gs.write_text(f"#!/bin/sh\nmkdir {MADE}\n")
    gs.chmod(0o755)
    monkeypatch.setenv("PATH", str(gs.parent), prepend=":")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # looked up once
    (tmp_path / "configs").mkdir()
    for name in ("cls", "det", "seg"):  # as the ladder names them
        base = GOLDEN / f"configs/{name}.py"
        (tmp_path / f"configs/{name}.py").write_text(f"_base_ = {str(base)!r}\n")
    (tmp_path / "data").symlink_to(GOLDEN / "data")
    monkeypatch.setenv("DATA_ROOT", "data")
    monkeypatch.setattr("bag_of_transfer.ladder.report.write.draw_plots", lambda *args: [])  # slow
    yield
    assert executed(tmp_path) == []


def add(path: Path, **more: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **more}))


def tell_in_records(cell: Path) -> None:
    add(cell / "cell.json", commands=[["mkdir", MADE]], notes=[EVAL], gadgets=ALL, train=ALL)
    add(cell / "metrics.json", per_class=ALL, versions=ALL, gadgets=ALL)
    (cell / "begun.json").write_text(json.dumps(ALL))


def tell_in_small_files(cell: Path) -> None:
    tricks = {name: {"on": True, "value": gadget} for name, gadget in ALL.items()}
    (cell / "tricks.json").write_text(json.dumps(tricks))
    (cell / "curve.jsonl").write_text(json.dumps({"epoch": 1, "lr": 0.1, "loss": ALL}))
    (cell / "backbone.json").write_text(json.dumps(ALL))
    (cell / "last_checkpoint").write_text(EVAL)


def run_as_config(cell: Path) -> None:
    (cell / "resolved_config.py").write_text(PROGRAM)


def pickle_arrays(cell: Path) -> None:
    np.savez(cell / "per_image.npz", detections=np.array([Pickled()], dtype=object))


def draw_with_a_program(cell: Path) -> None:
    (cell / "pictures").mkdir(exist_ok=True)
    (cell / "pictures/6.png").write_text(POSTSCRIPT)


CELLS: dict[str, Callable[[Path], None]] = {
    "records": tell_in_records,
    "small_files": tell_in_small_files,
    "config": run_as_config,
    "arrays": pickle_arrays,
    "pictures": draw_with_a_program,
}


def write_ladder(*gadgets: str) -> Path:
    """Write a finished ladder's folder with gadgets in the plan, and those named in every cell.

    A stranger seals what he has written, as the ladder does.
    """
    folder = Path("stranger")
    with tarfile.open(GOLDEN / "ladder/cells.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    plan = json.loads((folder / "ladder.json").read_text())
    plan["rungs"]["d"]["label"] = EVAL
    plan |= {"name": EVAL, "notes": [EVAL], "gadgets": ALL}
    (folder / "ladder.json").write_text(json.dumps(plan))
    for record in folder.glob("seed*/*/*/cell.json"):
        for gadget in gadgets:
            CELLS[gadget](record.parent)
        write_sealed(record, json.loads(record.read_text()) | {"files": digests(record.parent)})
    for truth in folder.glob("truth/*/*.png"):
        truth.write_text(POSTSCRIPT)
    return folder


@pytest.mark.parametrize("gadget", CELLS)
def test_reporting_and_publishing_a_ladder(tool: Any, gadget: str) -> None:
    folder = write_ladder(gadget)
    assert tool("report", folder) == 0
    assert (folder / "report.html").is_file()
    assert tool("report", folder, "--publish", "published") == 0


def test_importing_cells_and_going_on(tool: Any, capfd: Any) -> None:
    folder = write_ladder("config", "arrays", "pictures")
    with tarfile.open("cells.tar.gz", "w:gz") as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.add(path, path.relative_to(folder).as_posix())
    assert tool(*LADDER, "--import", "cells.tar.gz") == 0
    assert "imported 5 cells" in capfd.readouterr().out
    assert tool(*LADDER, "--keep-changed") == 0
    assert "5 cells: 5 done" in capfd.readouterr().out


@pytest.mark.parametrize("name", ["a_folder", "pickled.tar.gz"])
def test_importing_what_is_no_archive(tool: Any, capfd: Any, name: str) -> None:
    if name == "a_folder":
        shutil.copytree(write_ladder("records"), name)
    else:
        np.save("pickled.npy", np.array([Pickled()], dtype=object))
        Path("pickled.npy").rename(name)
    assert tool(*LADDER, "--import", name) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("error: the file is not an archive of cells (")


# What a work dir's config may say, and what the one line tells of it.
CONFIGS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a_dataset": (lambda cfg: cfg["val_dataloader"].update(dataset=ALL["a_program"]), "Popen"),
    "a_dataset_of_mmengine": (
        lambda cfg: cfg["val_dataloader"].update(
            dataset={"type": "BaseDataset", "ann_file": "gadget.pkl"}
        ),
        "BaseDataset",
    ),
    "a_step": (
        lambda cfg: cfg["val_dataloader"]["dataset"]["pipeline"].insert(0, ALL["a_function"]),
        "os.mkdir",
    ),
    "a_sampler": (lambda cfg: cfg["val_dataloader"].update(sampler=ALL["a_builtin"]), "eval"),
    "a_batch": (lambda cfg: cfg["val_dataloader"].update(collate_fn=ALL["a_shell"]), "system"),
    "a_worker": (
        lambda cfg: cfg["val_dataloader"].update(worker_init_fn=ALL["a_folder_of_modules"]),
        "imported_by_a_gadget",
    ),
    "a_scope": (
        lambda cfg: cfg["val_dataloader"]["dataset"].update(_scope_="antigravity"),
        "ImageFolder",
    ),
    "no_dataset": (lambda cfg: cfg["val_dataloader"].update(dataset=MADE), "no dataset"),
    "a_head": (lambda cfg: cfg["model"].update(head=ALL["a_function"]), "os.mkdir"),
    "no_network": (lambda cfg: cfg.update(model=EVAL), "did not train a classifier"),
}


@pytest.fixture
def work_dir() -> Path:
    shutil.copytree(GOLDEN / "cls", "run")
    return Path("run")


def plotting_is_refused(tool: Any, capsys: Any, work_dir: Path, told: str) -> None:
    assert tool("plot_tricks", work_dir) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert told in line
    assert not (work_dir / "plots").exists()


@pytest.mark.parametrize("change", CONFIGS)
def test_plotting_a_run_whose_config_names_gadgets(
    tool: Any, capsys: Any, work_dir: Path, change: str
) -> None:
    apply, told = CONFIGS[change]
    cfg = read_plain_config(work_dir / "resolved_config.py", "").to_dict()
    apply(cfg)
    text = "".join(f"{key} = {value!r}\n" for key, value in cfg.items())
    (work_dir / "resolved_config.py").write_text(text)
    plotting_is_refused(tool, capsys, work_dir, told)


@pytest.mark.parametrize(
    "program",
    [
        PROGRAM,
        f"model = {EVAL}\n",
        f"model = dict(a=[{EVAL}])\n",
        f"model = dict(**{EVAL})\n",
        f"if {EVAL}:\n    pass\n",
        f"model, a = {EVAL}, 1\n",
        f"@{EVAL}\nclass A: ...\n",
        "_base_ = 'gadget.py'\n" + PROGRAM,
        "x = " + "[" * 5000,
        "x = '\0'",
    ],
)
def test_plotting_a_run_whose_config_is_a_program(
    tool: Any, capsys: Any, work_dir: Path, program: str
) -> None:
    (work_dir / "resolved_config.py").write_text(program)
    plotting_is_refused(tool, capsys, work_dir, "resolved_config.py: give the work dir of a train")


@pytest.mark.slow
def test_plotting_reads_small_files_and_weights_as_data(
    tool: Any, capsys: Any, work_dir: Path
) -> None:
    with (work_dir / "resolved_config.py").open("a") as config:
        config.write("\ncustom_imports = dict(imports=['tests.engine.imported_by_a_gadget'])\n")
    tell_in_small_files(work_dir)
    (work_dir / "last_checkpoint").write_text("epoch_8.pth")
    for name, told in (("curve.jsonl", "loss is"), ("tricks.json", "label_smoothing")):
        plotting_is_refused(tool, capsys, work_dir, told)
        shutil.copyfile(GOLDEN / "cls" / name, work_dir / name)
    assert tool("plot_tricks", work_dir) == 0
    torch.save({"state_dict": Pickled()}, work_dir / "epoch_8.pth")
    shutil.rmtree(work_dir / "plots")
    capsys.readouterr()
    plotting_is_refused(tool, capsys, work_dir, "would run code")
