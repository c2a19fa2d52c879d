"""Tools that only pretend to train, so that cells run in milliseconds.

Each is called as the real one: ``train.py CONFIG --work-dir D --seed S ...``.  What it does is in
the config's name: ``fails`` ends with exit code 2, ``breaks`` with a traceback, ``slow`` waits,
``diverges`` loses its loss.
The score on val is best at a learning rate of 0.02; above 1 the loss is lost.
"""

import contextlib
import io
import multiprocessing
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bag_of_transfer.engine.run.dry_run import ESTIMATE
from bag_of_transfer.ladder.run import cell_process, command, on_this_machine, tool_process

FAKE = """
import json, math, pathlib, sys, time
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
    rate = next((float(word.partition(".lr=")[2]) for word in words if ".lr=" in word), 0.02)
    if rate > 1 or "diverges" in words[0]:
        print("error: the loss is nan: epoch 1: lower the rate", file=sys.stderr)
        sys.exit(2)
    (folder / "curve.jsonl").write_text(json.dumps({"epoch": 1}) + "\\n")
    score = 50 - 5 * abs(math.log2(rate / 0.02))
    metrics = {"top1": score, "mAP_voc07": score}
    (folder / "metrics.json").write_text(json.dumps({"img_per_s": 5.0, "metrics": metrics}))
    print("epoch 1/1 | 4/4")
elif name.startswith("test"):
    out = pathlib.Path(after("--out"))
    out.write_text(json.dumps({"split": "test", "metrics": {"top1": 1.0, "mAP_voc07": 2.0}}))
else:
    out = pathlib.Path(words[1])
    out.write_bytes(b"weights")
    out.with_suffix(".json").write_text(json.dumps({"sha256": "1", "metrics": {}}))
"""


def answering_dry_runs(**timing: float) -> str:
    """Return the beginning of a tool that writes these times in a dry run, and ends."""
    return f"""import json, pathlib, sys
if "--dry-run" in sys.argv:
    out = pathlib.Path(sys.argv[sys.argv.index("--work-dir") + 1], ".dry_run", {ESTIMATE!r})
    out.parent.mkdir(parents=True)
    out.write_text(json.dumps(dict({timing!r}, parameters=10**8)))
    sys.exit()
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
    processes = SimpleNamespace(get_context=lambda method: SimpleNamespace(Process=_process))
    monkeypatch.setattr(on_this_machine, "multiprocessing", processes)
    monkeypatch.setattr(command, "cells_at_once", lambda num_cells: 1)


def _process(**how: Any) -> Any:
    """Return a cell's process: a fork where the cell waits or has neighbours, else this one.

    A fork of a test process costs 0.1 s.
    """
    waits = "slow" in str(how["args"][0].rung.source)
    forked = waits or how["kwargs"]["to_file"]
    return multiprocessing.get_context("fork").Process(**how) if forked else _ThisProcess(**how)


class _ThisProcess:
    """Stands for a cell's process, but runs the cell at once in this one, which stays as it was."""

    def __init__(self, target: Callable[..., None], args: Any, kwargs: Any) -> None:
        self.run = lambda: target(*args, **kwargs)

    def start(self) -> None:
        self.sentinel, writer = os.pipe()
        os.close(writer)  # which means that the process has ended
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        cores, environment = os.sched_getaffinity(0), dict(os.environ)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cell_process, "die_with_parent", lambda: None)
            try:
                self.exitcode = _exit_code(self.run)
            finally:
                os.sched_setaffinity(0, cores)
                os.environ.clear()
                os.environ.update(environment)
                for number, handler in handlers.items():
                    signal.signal(number, handler)

    def join(self, seconds: float | None = None) -> None:
        os.close(self.sentinel)


def _exit_code(run: Callable[[], None]) -> int:
    """Return the exit code of a process that runs something."""
    try:
        run()
    except SystemExit as end:
        return int(end.code or 0)
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def _run_tool(command: Sequence[str], *, tells_end: bool = True) -> tuple[int, str]:
    """As ``tool_process.run_tool``, but without a fork: of a test process it costs 0.1 s.

    A tool that waits is forked as the real ones are, so that signals reach it.  A tool that a test
    changed has a process of its own.
    """
    if any("slow" in word for word in command):
        return tool_process.run_tool(command, tells_end=tells_end)
    print("$ python " + " ".join(command), flush=True)
    tool = tool_process.ROOT / command[0]
    run = _run_here if tool.read_text() == FAKE else _run_in_a_process
    code, output = run([str(tool), *command[1:]])
    print(output, end="", file=sys.stderr, flush=True)
    errors = [line for line in output.splitlines() if line.startswith(tool_process.ERROR)]
    return code, errors[0].removeprefix(tool_process.ERROR) if errors else ""


def _run_here(words: Sequence[str]) -> tuple[int, str]:
    with contextlib.redirect_stderr(io.StringIO()) as output, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", list(words))
        code = _exit_code(lambda: exec(FAKE, {"__name__": "__main__"}))
    return code, output.getvalue()


def _run_in_a_process(words: Sequence[str]) -> tuple[int, str]:
    tool = subprocess.run([PYTHON, "-I", "-S", *words], stderr=subprocess.PIPE, text=True)
    return tool.returncode, tool.stderr
