"""Where the seconds of a ladder's cells go: data, forward and backward, optimizer, and the rest.

Command:   python tools/prepare_data.py demo
           python benchmarks/cell_phases.py configs/ladder/demo.py [--work-dir DIR] [--jobs N]
Runs the ladder as tools/ladder.py does, in a new folder, with clocks around the parts of each
tool, and prints a table: a row per cell, a column per phase, in seconds.

The clocks are set before the cells are forked, so this works without a GPU only.  "set-up" is what
remains of a tool: reading the config, looking at the data, building the network.
"""

import argparse
import contextlib
import functools
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mmengine.runner import Runner, TestLoop, ValLoop
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.utils.data.dataloader import _BaseDataLoaderIter

from bag_of_transfer.engine.loop import loops
from bag_of_transfer.ladder.folder import RECORD
from bag_of_transfer.ladder.run import cell_process, command, tool_process
from bag_of_transfer.ladder.run.call import LadderCall

PHASES = ("set-up", "data", "forward and backward", "optimizer", "evaluation", "checkpoints",
          "export", "pictures", "other")  # fmt: skip
FILE = "phases.jsonl"  # in the ladder's folder: a line per tool


class Clock:
    """Seconds per phase; a phase inside another is taken from the outer one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since = time.perf_counter()

    def begin(self, phase: str) -> None:
        """Let the time from now on count for ``phase``."""
        self._pass()
        self._open.append(phase)

    def end(self) -> None:
        """Go back to the phase around the present one."""
        self._pass()
        self._open.pop()

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the block for ``name``."""
        self.begin(name)
        try:
            yield
        finally:
            self.end()

    def _pass(self) -> None:
        now = time.perf_counter()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now


clock = Clock()


def time_calls(owner: Any, name: str, phase: str) -> None:
    """Count the calls of a method or function for a phase."""
    call: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(call)
    def timed(*args: Any, **kwargs: Any) -> Any:
        with clock.phase(phase):
            return call(*args, **kwargs)

    setattr(owner, name, timed)


def set_clocks(folder: Path) -> None:
    """Put clocks around the parts of the tools; each tool and cell writes a line."""
    for owner, name, phase in (
        (_BaseDataLoaderIter, "__next__", "data"),
        (loops, "train_step", "forward and backward"),
        (ValLoop, "run", "evaluation"),
        (TestLoop, "run", "evaluation"),
        (Runner, "save_checkpoint", "checkpoints"),
        (Runner, "train", "other"),
    ):
        time_calls(owner, name, phase)
    register_optimizer_step_pre_hook(lambda *_: clock.begin("optimizer"))
    register_optimizer_step_post_hook(lambda *_: clock.end())
    become, run_cell = tool_process._become, cell_process._make

    def tool(command_: Any, *streams: int) -> None:
        words = [str(word) for word in command_]
        export = "export" in words[0] or "convert" in words[0]
        try:
            with clock.phase("export" if export else "set-up"):
                become(command_, *streams)
        finally:
            _note(folder, words)

    def cell(cell_: Any, *args: Any, **more: Any) -> Any:
        time_calls(cell_process, "draw_cell", "pictures")
        result = run_cell(cell_, *args, **more)
        _note(folder, [str(cell_.folder)])
        return result

    tool_process._become, cell_process._make = tool, cell


def _note(folder: Path, words: list[str]) -> None:
    with (folder / FILE).open("a") as file:
        file.write(json.dumps({"words": words, "seconds": clock.seconds}) + "\n")


def table(root: Path) -> str:
    """Return the seconds of each cell by phase, as Markdown."""
    lines = [json.loads(line) for line in (root / FILE).read_text().splitlines()]
    head = ["cell", *PHASES, "whole cell", "all but forward and backward"]
    rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for record in sorted(root.rglob(RECORD), key=lambda path: path.stat().st_mtime):
        cell = str(record.parent)
        seconds: dict[str, float] = defaultdict(float)
        for line in lines:
            if any(word == cell or word.startswith(cell + "/") for word in line["words"]):
                for phase, value in line["seconds"].items():
                    seconds[phase] += value
        whole = json.loads(record.read_text())["seconds"]
        share = 100 * (1 - seconds["forward and backward"] / whole)
        times = [f"{seconds[phase]:.1f}" for phase in PHASES]
        rows.append(
            [str(record.parent.relative_to(root)), *times, f"{whole:.1f}", f"{share:.0f} %"]
        )
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> int:
    """Run the ladder with clocks and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--work-dir", type=Path, help="a new folder [a temporary one]")
    parser.add_argument("--jobs", type=int, help="cells at once [as tools/ladder.py]")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = args.work_dir or Path(temporary, args.config.stem)
        root.mkdir(parents=True)
        set_clocks(root)
        started = time.perf_counter()
        code = command.climb(LadderCall(config=args.config, root=root, jobs=args.jobs))
        print(f"\n{time.perf_counter() - started:.0f} s\n\n{table(root)}")
    return code


if __name__ == "__main__":
    sys.exit(main())
