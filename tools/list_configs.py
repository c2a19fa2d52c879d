"""List which config is which row of the paper's tables, with the published figures."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_of_transfer.engine import cli
from bag_of_transfer.engine.paper_rows import TABLES, paper_rows

EXAMPLE = "python tools/list_configs.py --table 6"
CONFIGS = Path(__file__).resolve().parents[1] / "configs"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the rows, as lines to read or as JSON."""
    made = cli.parser(__doc__, EXAMPLE)
    numbers = [table.removeprefix("T") for table in TABLES]
    made.add_argument("--table", metavar="N", choices=numbers, help="of table N (1 to 9) only")
    made.add_argument("--json", action="store_true", help="all there is to know, as JSON")
    args = made.parse_args(argv)
    rows = [row for row in paper_rows(CONFIGS) if args.table in (None, row["table"][1:])]
    if args.json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        print(f"{row['table']}  {row['row']}")
        print(f"    {row['config']}")
        if "backbone" in row:
            print(f"    backbone: {row['backbone']}")
        if row["compare_to"]:
            print(f"    compare to: {row['compare_to']}")
        print(f"    published: {_said(row['published'])}; measured: {_said(row['measured'])}")
    return 0


def _said(figures: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name} {value}" for name, value in (figures or {}).items()) or "unmeasured"


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
