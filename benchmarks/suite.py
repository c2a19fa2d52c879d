"""Run the benchmarks of a CPU and print one table: `make bench`.

Command:   python benchmarks/suite.py [--json FILE] [NAME...]
Each script runs in a process of its own and its own tables go to stderr.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from rounds import Comparison, Way

HERE = Path(__file__).parent
# Their flags here: the whole takes 15 minutes.
SCRIPTS: dict[str, list[str]] = {
    "distillation": [],
    "draws": ["--threads", "1"],
    "evaluation": ["--images", "1000"],
    "input_path": ["--threads", "1"],
    "train_step": ["--rounds", "3"],
    "train_loop": ["--clock", "cpu"],
}


def run(name: str, folder: Path) -> dict[str, Any]:
    """Run one script; return what it wrote."""
    file = folder / f"{name}.json"
    command = [sys.executable, str(HERE / f"{name}.py"), *SCRIPTS[name], "--json", str(file)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return json.loads(file.read_text())


def rows(document: dict[str, Any]) -> list[str]:
    """Return a line per way, but none for the references: they are the 1.00."""
    lines = []
    for saved in document["comparisons"]:
        found = Comparison(**{**saved, "ways": [Way(**way) for way in saved["ways"]]})
        for way in found.ways[1:]:
            ratios = found.ratios(way)
            spread = f"{min(ratios):.2f} - {max(ratios):.2f}"
            target = found.targets.get(way.name)
            wanted = f"{target:.2f}" if target else ""
            cells = (found.what, found.ways[0].name, way.name, f"{median(ratios):.2f}", spread)
            taken = (wanted, found.clock, str(document["threads"]))
            lines.append(f"| {' | '.join((*cells, *taken, way.note))} |")
    return lines


def main() -> None:
    """Run the named scripts, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[*SCRIPTS, []], metavar="NAME", help=", ".join(SCRIPTS)
    )
    parser.add_argument("--json", type=Path, help="write all scripts' seconds into this file")
    args = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        documents = [run(name, Path(folder)) for name in args.names or SCRIPTS]
    print("| work | reference | way | ratio | smallest - largest | target | clock | threads | |")
    print("| --- | --- | --- | ---: | --- | ---: | --- | ---: | --- |")
    for document in documents:
        print("\n".join(rows(document)))
    own = ("comparisons", "command", "threads")  # of each script
    about = (f"{name} {value}" for name, value in documents[0].items() if name not in own)
    print("\n" + ", ".join(about))
    print(f"{(time.perf_counter() - started) / 60:.1f} minutes")
    if args.json:
        args.json.write_text(json.dumps(documents, indent=1) + "\n")


if __name__ == "__main__":
    main()
