"""List the configs of the rows of the paper's tables, with the published figures."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_of_transfer.engine import cli
from bag_of_transfer.engine.own_files import CONFIGS

EXAMPLE = "python tools/list_configs.py --table 6"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the rows, as text or as JSON."""
    parser = cli.parser(__doc__, EXAMPLE)
    parser.add_argument(
        "--table", metavar="N", choices=[*"123456789"], help="only rows of table N (1 to 9)"
    )
    parser.add_argument("--json", action="store_true", help="print all facts as JSON")
    args = parser.parse_args(argv)

    from bag_of_transfer.engine.config.paper_rows import paper_rows

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
        print(f"    published: {_figures(row['published'])}; measured: {_figures(row['measured'])}")
    return 0


def _figures(figures: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name} {value}" for name, value in (figures or {}).items()) or "unmeasured"


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
