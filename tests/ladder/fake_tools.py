"""Tools that only pretend to train, so that cells run in milliseconds.

Each is called as the real one: ``train.py CONFIG --work-dir D --seed S ...``.  What it does is in
the config's name: ``fails`` ends with exit code 2, ``breaks`` with a traceback, ``slow`` waits.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bag_of_transfer.ladder.run import cell_process, tool_process

FAKE = """
import json, pathlib, sys, time
words = sys.argv[1:]
def after(flag):
    return words[words.index(flag) + 1] if flag in words else None
name = pathlib.Path(sys.argv[0]).name
if name.startswith("train"):
    folder = pathlib.Path(after("--work-dir"))
    folder.mkdir(parents=True, exist_ok=True)
    epochs = folder / "epochs"
    done = len(epochs.read_text()) if "--resume" in words else 0
    epochs.write_text("x" * done)
    (folder / "epoch_1.pth").write_bytes(b"")
    (folder / "last_checkpoint").write_text("epoch_1.pth")
    if "fails" in words[0]:
        print("error: no such data: somewhere: put it there", file=sys.stderr)
        sys.exit(2)
    if "breaks" in words[0]:
        raise RuntimeError("broken")
    if "slow" in words[0] and done < 2:
        epochs.write_text("x" * (done + 2))
        time.sleep(60)
    (folder / "curve.jsonl").write_text(json.dumps({"epoch": 1}) + "\\n")
    (folder / "metrics.json").write_text(json.dumps({"img_per_s": 5.0, "metrics": {}}))
elif name.startswith("test"):
    out = pathlib.Path(after("--out"))
    out.write_text(json.dumps({"split": "test", "metrics": {"top1": 1.0, "mAP_voc07": 2.0}}))
else:
    out = pathlib.Path(words[1])
    out.write_bytes(b"weights")
    out.with_suffix(".json").write_text(json.dumps({"sha256": "1", "metrics": {}}))
"""
PYTHON = sys.executable  # a test of SLURM puts a stand-in there
NAMES = ("train_cls", "train", "test_cls", "test", "export_backbone", "convert_weights")


def use_fake_tools(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write all tools that a ladder calls below ``root``, and let cells run them."""
    (root / "tools").mkdir()
    for name in NAMES:
        (root / f"tools/{name}.py").write_text(FAKE)
    monkeypatch.setattr(tool_process, "ROOT", root)
    monkeypatch.setattr(cell_process, "run_tool", _run_tool)
    monkeypatch.setattr(cell_process, "draw_cell", lambda cell, count: None)


def _run_tool(command: Sequence[str]) -> tuple[int, str]:
    """As ``tool_process.run_tool``, but without a fork: of a test process it costs 0.1 s.

    A tool that waits is forked as the real ones are, so that signals reach it.
    """
    if any("slow" in word for word in command):
        return tool_process.run_tool(command)
    print("$ python " + " ".join(command), flush=True)
    tool = subprocess.run(
        [PYTHON, "-I", "-S", tool_process.ROOT / command[0], *command[1:]],
        stderr=subprocess.PIPE,
        text=True,
    )
    print(tool.stderr, end="", file=sys.stderr, flush=True)
    errors = [line for line in tool.stderr.splitlines() if line.startswith(tool_process.ERROR)]
    return tool.returncode, errors[0].removeprefix(tool_process.ERROR) if errors else ""
