"""Run the parts of ``make chaos``; a call that was interrupted goes on with the parts that lack.

Each part is a script, or a selection of tests with the marker ``chaos``.  Its figures and its
output are kept in ``work_dirs/chaos/``, and it is done for the commit that it passed on.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path

from tests.chaos.commit import commit

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "work_dirs/chaos"
TESTS = ["pytest", "-m", "chaos", "-s", "-q"]
PARTS = {  # by name: the module that python runs, and its arguments
    "fuzz": [*TESTS, "tests/chaos/test_fuzz.py"],
    "matrix": [*TESTS, "tests/tools/test_stopped_runs.py"],
    "kills": ["tests.chaos.kills", "--journal", str(OUT / "kills.jsonl")],
    "ladders": ["tests.chaos.ladder_kills", "--journal", str(OUT / "ladders.jsonl")],
}


def figures(output: str) -> dict[str, float]:
    """Add up the figures that were printed, one JSON object a line, and the tests that passed."""
    totals: dict[str, float] = {"tests": sum(map(int, re.findall(r"(\d+) passed", output)))}
    for line in output.splitlines():
        _, brace, rest = line.partition("{")
        if brace and rest.endswith("}"):
            for name, value in json.loads(brace + rest).items():
                if not isinstance(value, str):
                    totals[name] = round(totals.get(name, 0) + value, 1)
    return totals


def run_part(name: str, now: str) -> int:
    """Run a part; return its exit code."""
    begun = time.monotonic()
    words = [sys.executable, "-m", *PARTS[name]]
    OUT.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    (OUT / f"{name}.txt").write_text(done.stdout)
    minutes = round((time.monotonic() - begun) / 60, 1)
    record = {"part": name, "commit": now, "minutes": minutes, "passed": done.returncode == 0}
    record |= {"figures": figures(done.stdout)}
    (OUT / f"{name}.json").write_text(json.dumps(record) + "\n")
    print(json.dumps(record), flush=True)
    if done.returncode:
        print(f"see {OUT / f'{name}.txt'}", flush=True)
    return done.returncode


def is_done(name: str, now: str) -> bool:
    """Return whether a part passed on this commit."""
    path = OUT / f"{name}.json"
    record = json.loads(path.read_text()) if path.is_file() else {}
    return bool(record.get("passed")) and record["commit"] == now and not now.endswith("dirty")


def main() -> int:
    """Run the parts that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument("--again", action="store_true", help="also parts that are done")
    args = parser.parse_args()
    now, codes = commit(), []
    for name in args.parts or PARTS:
        if args.again or not is_done(name, now):
            codes.append(run_part(name, now))
        else:
            print(f"{name}: done on {now}")
    return max(codes, default=0)


if __name__ == "__main__":
    sys.exit(main())
