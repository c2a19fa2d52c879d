"""A signal to a tool's process group ends it in one line and leaves no process and no half file."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bag_of_transfer.engine.atomic import is_leftover_name
from bag_of_transfer.engine.bars import Step
from bag_of_transfer.engine.run import dry_run
from tests.chaos.forks import start

ROOT = Path(__file__).resolve().parents[2]
CLS = ROOT / "configs/classification/resnet18-d_tiny.py"
ENDS = {signal.SIGINT: ("interrupted", 130), signal.SIGTERM: ("terminated", 143)}
OLD = "what an earlier call has written"
AGAIN = ": stored answers are kept; the same command goes on"
LISTED = ": shown/predictions.json lists what was predicted until then"
# When (a bar is made, a file moved into place, a dry run times steps), the tool and its arguments,
# what it says.
CALLS = {
    "test_cls": ("bar", "{cls} {run}/last_checkpoint --out out --work-dir w {worker}", ""),
    "test_cls writes": ("file", "{cls} {run}/last_checkpoint --out out --work-dir w", ""),
    "predict": ("bar", "{cls} {run}/last_checkpoint --truth val --out-dir shown", LISTED),
    "check_data": ("file", "{cls} --page page.html", ""),
    "cache_teacher": ("bar", "{cls} answers --views 2 {worker} {teacher}", AGAIN),
    "prepare_data": ("bar", "demo --data-root data", ""),
    "train_cls": ("step", "{cls} --dry-run --work-dir w {worker}", ""),
    "benchmark": ("bar", "{cls} --seconds 9 {worker}", ""),
    "new_config": ("file", "{world}/demo/classification own.py --size slim", ""),
    "export_backbone": ("file", "{run}/last_checkpoint out.safetensors --force", ""),
    "convert_weights": ("file", "{run}/backbone.safetensors out.safetensors --to timm --force", ""),
    "report": ("file", "run", ""),
}


MOMENTS: dict[str, tuple[Any, str]] = {
    "bar": (Step, "__init__"),
    "file": (os, "replace"),
    "step": (dry_run, "step_of"),
}


def at(when: str, number: signal.Signals) -> Callable[[], None]:
    """Return what lets the first bar or file send the signal to the whole group."""
    holder, name = MOMENTS[when]

    def prepare() -> None:
        once = getattr(holder, name)

        def first(*given: Any, **more: Any) -> Any:
            setattr(holder, name, once)
            send = f"import os; os.killpg({os.getpgrp()}, {int(number)})"
            # From elsewhere: workers end at a SIGTERM that their parent sends.
            subprocess.run([sys.executable, "-c", send], start_new_session=True, check=True)
            return once(*given, **more)

        setattr(holder, name, first)

    return prepare


def of_session(leader: int) -> list[str]:
    """Return the processes that a tool has left, as ``/proc`` has them."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(")")
        except OSError:
            continue
        state, *numbers = rest.split()
        if state != "Z" and int(numbers[2]) == leader:
            found.append(name)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("number", ENDS)
@pytest.mark.parametrize("call", CALLS)
def test_a_signal_to_the_group_ends_a_tool_quietly(
    world: Path,
    pretrained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    number: signal.Signals,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()
    shutil.copytree(pretrained, tmp_path / "run")
    earlier = [Path(name) for name in ("out", "out.safetensors", "run/report.html")]
    for path in earlier:
        path.write_text(OLD)
    when, words, how = CALLS[call]
    given = words.format(
        cls=CLS,
        run=pretrained,
        world=world,
        worker="--cfg-options train_dataloader.num_workers=1 val_dataloader.num_workers=1",
        teacher=f"model.distillation.teacher.checkpoint={pretrained}/last_checkpoint",
    )
    fork = start(call.split()[0], given.split(), tmp_path / "log", at(when, number))
    word, code = ENDS[number]
    assert fork.end(120) == code
    log = (tmp_path / "log").read_text()
    assert log.splitlines()[-1] == word + how
    assert "Traceback" not in log
    assert "internal failure" not in log
    left = time.monotonic() + 5
    while of_session(fork.process.pid or 0) and time.monotonic() < left:
        time.sleep(0.05)
    assert of_session(fork.process.pid or 0) == []
    assert [path.read_text() for path in earlier] == [OLD] * len(earlier)
    assert [path for path in tmp_path.rglob("*") if is_leftover_name(path.name)] == []
    assert list((tmp_path / "temp").iterdir()) == []
