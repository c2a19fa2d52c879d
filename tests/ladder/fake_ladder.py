"""A ladder whose tools only pretend to train, behind its real door."""

import json
import sys
import time
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Any

import pytest

from bag_of_transfer.engine.cli import run_tool
from bag_of_transfer.ladder.run import estimate, on_this_machine
from tests.ladder import fake_tools

ROOT = Path(__file__).resolve().parents[2]
OUT = Path("out")
DET = """default_scope = "mmdet"
test_dataloader = dict(dataset=dict())
test_evaluator = dict(type="VocMetric")
"""


def ladder(*argv: object) -> int:
    """Call ``tools/ladder.py`` in this process; returns the exit code."""
    return call_tool("ladder", *argv)


def call_tool(name: str, *argv: object) -> int:
    """Call a tool in this process; returns the exit code."""
    spec = util.spec_from_file_location(f"tool_{name}", ROOT / f"tools/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(ROOT))  # the tool put it there once more
    return run_tool(module.main, [str(word) for word in argv])


def record(key: str) -> dict[str, Any]:
    """Return the record of a cell of the ladder in ``out/``."""
    return json.loads((OUT / key / "cell.json").read_text())


def use_fake_tools(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let cells of this process run the tools of ``folder``, which are written there."""
    fake_tools.use_fake_tools(folder, monkeypatch)
    for module in (on_this_machine, estimate):
        monkeypatch.setattr(module, "import_once", lambda: None)


def write_ladder(folder: Path, rungs: str = "", tasks: str = "", seeds: str = "[0]") -> Path:
    """Write a ladder config and what it names.

    Without more: ``scratch``, ``b``, and ``d``, which is distilled from b; one task, detection.
    ``{0}`` in ``rungs`` and ``tasks`` is the folder.  b's ``b.py`` and the task's ``det.py`` may be
    edited; ``fails.py``, ``slow.py`` and ``diverges.py`` are there for more rungs.
    """
    rungs = (
        rungs or "scratch=None, b=dict(config='{0}/b.py'), d=dict(config='{0}/d.py', teacher='b')"
    )
    tasks = tasks or "detection='{0}/det.py'"
    place = str(folder).replace("'", "\\'")
    for name in ("b", "d", "fails", "slow", "diverges"):
        (folder / f"{name}.py").write_text("model = dict(distillation=None)\n")
    (folder / "det.py").write_text(DET)
    config = folder / "mine.py"
    config.write_text(
        f"rungs = dict({rungs.format(place)})\ntasks = dict({tasks.format(place)})\n"
        f"seeds = {seeds}\n"
    )
    return config


def until(true: Callable[[], bool], seconds: float = 180) -> None:
    """Wait for something that has to come true, on a slow machine, too."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """Tell whether a process has ended; one that nobody waited for counts as gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"
