"""Check all data of a config: structure, damaged files, pictures in two splits or two classes."""

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_of_transfer.engine import cli
from bag_of_transfer.engine.bars import waiting
from bag_of_transfer.engine.config import tool_flags
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.quantities import counted
from bag_of_transfer.engine.tasks import Phase

EXAMPLE = "python tools/check_data.py configs/detection/faster-rcnn_fpn_demo.py"


def main(argv: Sequence[str] | None = None) -> int:
    """Read the config, look at every file, print what was found; 2 if there is an error."""
    parser = cli.parser(__doc__, EXAMPLE)
    tool_flags.add_config_flags(parser)
    tool_flags.add_seed_flag(parser, "chooses the sample pictures of --page [0]")
    parser.add_argument("--json", action="store_true", help="print all as JSON")
    parser.add_argument(
        "--page", type=Path, metavar="F.html", help="write a page with pictures and histograms"
    )
    parser.add_argument(
        "--pretraining",
        type=Path,
        metavar="CONFIG|FOLDER",
        help="compare val and test with these images, too: a classifier's config, or a folder",
    )
    args = parser.parse_args(argv)

    with contextlib.redirect_stdout(sys.stderr) if args.json else contextlib.nullcontext():
        with waiting("importing torch, mmdet and mmseg"):
            from bag_of_transfer.engine.config.config_file import load_config, phase_of

            phase = phase_of(args.config)
            if phase is Phase.FINE_TUNING:
                import bag_of_transfer.detection
                import bag_of_transfer.segmentation
            import bag_of_transfer.classification  # noqa: F401
            from bag_of_transfer.data_checks.check import check_data
            from bag_of_transfer.data_checks.kinds import ERROR
            from bag_of_transfer.data_checks.pretraining import pretraining_split
            from bag_of_transfer.data_checks.report import as_json, count, show

        if args.page:
            from bag_of_transfer.data_checks.page.write import check_place, write_page

            check_place(args.page)
        before, warnings = None, []
        flags = tool_flags.config_flags(args)
        if args.pretraining:
            cli.set_data_root(flags.pop("data_root"))  # it may move the pretraining's data alone
            before, warnings = pretraining_split(args.pretraining)
        cfg, _ = load_config(args.config, phase, **flags)
        report = check_data(cfg, before)
        report = report._replace(findings=(*report.findings, *warnings))
    if args.json:
        print(json.dumps(as_json(report, str(args.config)), indent=2))
    else:
        from rich.console import Console

        show(report, Console())
    if args.page:
        write_page(report, str(args.config), args.page, args.seed or 0)
        print(f"page: {args.page}", file=sys.stderr if args.json else sys.stdout)
    if not count(report, ERROR):
        return 0
    first = next(finding for finding in report.findings if finding.severity == ERROR)
    number = count(report, ERROR)
    what = f"the data have {counted(number, 'error')}, first {first.kind} ({first.detail})"
    where = f"{first.file}, {first.place}" if first.place else first.file
    raise UserError(what, where, first.mend)


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
