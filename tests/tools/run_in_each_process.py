"""Run tools, one after another, in one of several processes that torchrun starts.

The argument is a JSON file with a list of [tool, [flags ...]]; ``{rank}`` in a flag becomes the
process's number.  Exit codes are written to ``codes_rank{R}.json`` beside it.
"""

import json
import os
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main(plan: Path) -> int:
    from bag_of_transfer.engine.cli import run_tool

    rank, codes = os.environ["RANK"], []
    for tool, flags in json.loads(plan.read_text()):
        entry = runpy.run_path(str(ROOT / "tools" / f"{tool}.py"))["main"]
        codes.append(run_tool(entry, [flag.replace("{rank}", rank) for flag in flags]))
        plan.with_name(f"codes_rank{rank}.json").write_text(json.dumps(codes))
    return codes[-1]


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(Path(sys.argv[1])))
