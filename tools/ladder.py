"""Run rungs x tasks x seeds of a ladder config and compare the rungs."""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from engine import doors
from engine.atomic import write_json, write_text
from engine.config_file import read_config
from ladder.pictures import draw_pictures
from ladder.plan import plan
from ladder.run import run_cells
from ladder.summary import summarise, table

EXAMPLE = "python tools/ladder.py configs/ladder/demo.py"


def main(argv: Sequence[str] | None = None) -> int:
    """Plan, run what is missing, summarise."""
    made = doors.parser(__doc__, EXAMPLE)
    made.add_argument("config", type=Path, help="ladder config: rungs, tasks, seeds")
    made.add_argument("--work-dir", type=Path, help="output folder [work_dirs/<config name>]")
    made.add_argument("--seeds", type=int, nargs="+", help="seeds [the config's]")
    made.add_argument("--data-root", type=Path, help="folder of the data sets [$DATA_ROOT or data]")
    made.add_argument("--dry-run", action="store_true", help="list the cells; run nothing")
    args = made.parse_args(argv)
    doors.set_data_root(args.data_root)
    cfg = read_config(args.config)
    cfg.seeds = args.seeds or cfg.seeds
    folder = args.work_dir or Path("work_dirs", args.config.stem)
    cells = plan(cfg, folder)
    if args.dry_run:
        print("\n".join(f"{'done   ' if c.result.exists() else 'missing'} {c.name}" for c in cells))
        return 0
    run_cells(cells)
    summary = summarise(cells)
    write_json(folder / "summary.json", summary)
    write_text(folder / "summary.md", table(summary))
    pictures = draw_pictures(cells, folder / "pictures")
    print(
        f"\n{table(summary)}\n{folder}/summary.json, {len(pictures)} pictures in {folder}/pictures"
    )
    return 0


if __name__ == "__main__":
    sys.exit(doors.run_tool(main))
