"""Measure several ways to do one piece of work in turn, and compare them with one of them.

The ways run one after the other in each round, in an order that is drawn, so that a drift of the
machine hits all alike and none always follows the same neighbour.  The reference runs twice in each
round, not in a row: how far the second time, the control, is from the first is the noise.  A ratio
is that of one round, the reference's seconds by the way's, above 1 where the way is faster; the
table shows the median of all rounds.
Seconds are of the wall clock, or of this process on all its cores with ``--clock cpu``.
"""

import argparse
import contextlib
import json
import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata, util
from itertools import pairwise
from pathlib import Path
from statistics import median

__all__ = ["Comparison", "Way", "compare", "has_peer", "machine", "main", "table"]

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
CONTROL = "the same again"
# Those that are installed.
PACKAGES = (
    *("torch", "torchvision", "onedl-mmengine", "onedl-mmdetection", "onedl-mmsegmentation"),
    *("timm", "pycocotools", "onnxruntime", "lightning"),
)


@dataclass
class Way:
    """One way to do the work: its seconds in each round, and what else is worth saying."""

    name: str
    seconds: list[float] = field(default_factory=list)
    note: str = ""


@dataclass
class Comparison:
    """Ways to do the same work.

    Args:
        what: The work, with its sizes.
        work: How many ``unit`` one run does: 32 images, 1 step.
        unit: What is counted.
        ways: In the order of the table; the first is the reference, the second its control.
        targets: The ratio that a way has to reach.
        clock: ``"wall"`` or ``"cpu"``.
    """

    what: str
    work: float
    unit: str
    ways: list[Way]
    targets: dict[str, float] = field(default_factory=dict)
    clock: str = "wall"

    def ratios(self, way: Way) -> list[float]:
        """Return how many times faster than the reference a way was, round by round."""
        pairs = zip(self.ways[0].seconds, way.seconds, strict=True)
        return [reference / seconds for reference, seconds in pairs]


def compare(
    what: str,
    ways: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    work: float = 1,
    unit: str = "run",
    targets: Mapping[str, float] | None = None,
    clock: str = "wall",
    warm: bool = True,
) -> Comparison:
    """Run every way once in each round.

    Args:
        what: The work, with its sizes.
        ways: By name; the first is the reference.  One that returns a float has measured its own
            seconds, in a process of its own or without its set-up; else the whole call counts.
        rounds: How many rounds.
        work: How many ``unit`` one call does.
        unit: What is counted.
        targets: The ratio that a way has to reach, by name.
        clock: ``"wall"`` or ``"cpu"``: seconds of this process on all its cores.
        warm: Run every way once before, unmeasured: caches, thread pools, lazy imports.
    """
    reference = next(iter(ways))
    runs = {reference: ways[reference], CONTROL: ways[reference]} | dict(ways)
    measured = {name: Way(name) for name in runs}
    for run in ways.values() if warm else ():
        run()
    for order in _orders(list(runs), rounds):
        for name in order:
            measured[name].seconds.append(_seconds(runs[name], CLOCKS[clock]))
    found = Comparison(what, work, unit, list(measured.values()), dict(targets or {}), clock)
    print(table([found]), file=sys.stderr, flush=True)  # a long script shows that it lives
    return found


def _orders(names: Sequence[str], rounds: int) -> Iterator[list[str]]:
    """Yield each round's order, the same ones each time; the first two names are one way.

    No way follows itself in a round, if there are two, nor from one round to the next, if there
    are three.
    """
    draws, before = random.Random(0), []
    way_of = {name: max(at, 1) for at, name in enumerate(names)}
    for _ in range(rounds):
        order = draws.sample(names, len(names))
        while len(names) > 2 and any(way_of[a] == way_of[b] for a, b in pairwise(before + order)):
            order = draws.sample(names, len(names))
        yield order
        before = order[-1:] if len(names) > 3 else []


def _seconds(run: Callable[[], object], clock: Callable[[], float]) -> float:
    started = clock()
    own = run()
    return float(own) if isinstance(own, float) else clock() - started


def table(comparisons: Iterable[Comparison]) -> str:
    """Return the comparisons as Markdown, a table each."""
    return "\n\n".join("\n".join(_lines(comparison)) for comparison in comparisons)


def _lines(found: Comparison) -> list[str]:
    clock = "" if found.clock == "wall" else f" ({found.clock} seconds)"
    lines = [
        f"**{found.what}**{clock}",
        "",
        f"| way | {found.unit}/s | median s | ratio | smallest - largest | target | |",
        "| --- | ---: | ---: | ---: | --- | ---: | --- |",
    ]
    for way in found.ways:
        middle, ratios = median(way.seconds), found.ratios(way)
        target = found.targets.get(way.name)
        cells = (
            way.name,
            _figure(found.work / middle),
            _figure(middle),
            f"{median(ratios):.2f}",
            f"{min(ratios):.2f} - {max(ratios):.2f}",
            f"{target:.2f}" if target else "",
            way.note,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _figure(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def machine() -> dict[str, str | int]:
    """Return what a figure depends on: the commit, the processor, threads and versions."""
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
    )
    about: dict[str, str | int] = {
        "commit": git.stdout.strip() or "unknown",
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "python": platform.python_version(),
    }
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            about[name] = metadata.version(name)
    return about | _of_torch()


def _of_torch() -> dict[str, str | int]:
    import torch

    about: dict[str, str | int] = {
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }
    if torch.cuda.is_available():
        about["device"] = torch.cuda.get_device_name()
    return about


def _processor() -> str:
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def has_peer(package: str) -> bool:
    """Return whether a peer is installed; say on stderr that it is left out where it is not."""
    if util.find_spec(package):
        return True
    print(f"{package} is not installed: left out", file=sys.stderr)
    return False


def main(
    doc: str | None,
    measure: Callable[[argparse.Namespace], Iterable[Comparison]],
    *,
    rounds: int = 5,
    parser: argparse.ArgumentParser | None = None,
) -> None:
    """Parse the flags that all scripts share, measure, print the tables, write the JSON.

    Args:
        doc: The script's docstring, shown by ``--help``.
        measure: Gets the parsed flags: ``rounds``, ``threads``, ``clock``, ``json`` and the
            script's own.
        rounds: How many rounds where the user does not say.
        parser: With the script's own flags.
    """
    parser = parser or argparse.ArgumentParser()
    parser.description = doc
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rounds", type=int, default=rounds, help=f"({rounds})")
    parser.add_argument("--threads", type=int, help="of torch (as many as it takes)")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall", help="(wall)")
    parser.add_argument("--json", type=Path, help="write all seconds into this file")
    args = parser.parse_args()
    if args.threads:
        import torch

        torch.set_num_threads(args.threads)
    comparisons = list(measure(args))
    command = " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    about = {"command": command, **machine()}
    print(table(comparisons))
    print("\n" + ", ".join(f"{name} {value}" for name, value in about.items()))
    if args.json:
        document = {**about, "comparisons": [asdict(comparison) for comparison in comparisons]}
        args.json.write_text(json.dumps(document, indent=1) + "\n")
