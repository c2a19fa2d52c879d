"""Write a ladder's tables, plots and page, or the page of a single run, without data or GPU."""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_of_transfer.engine import cli
from bag_of_transfer.engine.quantities import counted

EXAMPLE = """python tools/report.py work_dirs/demo
python tools/report.py work_dirs/faster-rcnn_fpn_demo
python tools/report.py work_dirs/demo --publish docs/results/demo"""


def main(argv: Sequence[str] | None = None) -> int:
    """Write report.html into the folder, and a ladder's tables, results.csv and plots/."""
    parser = cli.parser(__doc__, EXAMPLE)
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="work_dirs/NAME of a ladder or of a run"
    )
    parser.add_argument(
        "--publish",
        type=Path,
        metavar="OUT_DIR",
        help="copy the figures, without weights and pictures, and write the report there",
    )
    parser.add_argument(
        "--reference", metavar="RUNG", help="rung that the others are compared with [the ladder's]"
    )
    args = parser.parse_args(argv)

    from bag_of_transfer.engine.quantities import size
    from bag_of_transfer.ladder.folder import PLAN

    if not args.publish and not args.reference and not (args.folder / PLAN).is_file():
        from bag_of_transfer.run_report.page import write_page

        print(f"wrote {write_page(args.folder)}")
        return 0

    from bag_of_transfer.ladder.report.publish import publish
    from bag_of_transfer.ladder.report.write import read_compared, write_report

    folder = args.publish or args.folder
    if args.publish:
        read_compared(args.folder, args.reference)  # a wrong flag leaves no copy behind
        print(f"{size(publish(args.folder, folder))} of figures to {folder}")
    written = write_report(folder, args.reference)
    plots = [path for path in written if path.parent.name == "plots"]
    files = ", ".join(path.name for path in written if path not in plots)
    print(f"in {folder}: {files} and {counted(len(plots), 'file')} in plots/")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
