"""Run rungs x tasks x seeds of a ladder config and compare the rungs."""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_of_transfer.engine import cli
from bag_of_transfer.engine.arguments import check_config
from bag_of_transfer.engine.config import tool_flags
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.interruption import telling
from bag_of_transfer.engine.quantities import counted

if TYPE_CHECKING:
    from bag_of_transfer.ladder.run.call import LadderCall

EXAMPLE = """python tools/ladder.py configs/ladder/demo.py
python tools/ladder.py configs/ladder/demo.py --dry-run"""


GB = 2**30


def main(argv: Sequence[str] | None = None) -> int:
    """Plan the cells, print what will be done, run what is missing, and summarise."""
    parser = _parser()
    parser.then_check(_check)
    args = parser.parse_args(argv)

    from bag_of_transfer.ladder.folder import LOCK
    from bag_of_transfer.ladder.run import command, export_import
    from bag_of_transfer.ladder.run.lock import locked

    cli.set_data_root(args.data_root)
    root = _root(args)
    if args.export:
        exported = counted(len(export_import.export_cells(root, args.export)), "cell")
        print(f"{exported} in {args.export}")
        return 0
    if args.import_:
        with locked(root / LOCK):
            limit = int(args.import_limit * GB)
            imported, existing = export_import.import_cells(root, args.import_, limit)
        print(f"imported {counted(len(imported), 'cell')}, {len(existing)} here already")
        return 0
    with telling(lambda: "finished cells are kept; the same command goes on"):
        return command.climb(_call(args, root))


def _root(args: argparse.Namespace) -> Path:
    return args.work_dir or Path("work_dirs", args.config.stem)


def _check(args: argparse.Namespace) -> None:
    """Check the flags before torch is imported."""
    from bag_of_transfer.ladder.run.call import check_call

    if not (math.isfinite(args.import_limit * GB) and args.import_limit > 0):
        what = f"{args.import_limit} is not a valid number"
        raise UserError(what, "--import-limit", "give a number of GB above 0")
    if not (args.export or args.import_):
        check_config(args.config)
        check_call(_call(args, _root(args)))
    elif args.precision is not None:
        what = "--export and --import run no seeds"
        raise UserError(what, "--precision", "make two calls of it")


def _call(args: argparse.Namespace, root: Path) -> "LadderCall":
    from bag_of_transfer.ladder.run.call import LadderCall

    script = root / "ladder.sbatch" if args.slurm == "" else args.slurm and Path(args.slurm)
    return LadderCall(
        config=args.config,
        root=root,
        seeds=tuple(args.seeds or ()),
        data_root=args.data_root,
        dry_run=args.dry_run,
        jobs=args.jobs,
        gpus=tuple(args.gpus),
        max_minutes=args.max_minutes,
        cell=args.cell,
        slurm_script=script,
        ray=args.ray,
        cpus_per_cell=args.cpus_per_cell,
        gpus_per_cell=args.gpus_per_cell,
        precision=args.precision,
        max_seeds=args.max_seeds,
        amp=args.amp,
        changed="rerun" if args.rerun_changed else "keep" if args.keep_changed else "refuse",
    )


def _parser() -> cli.ToolParser:
    parser = cli.parser(__doc__ or "", EXAMPLE)
    parser.add_argument("config", type=Path, help="ladder config: rungs, tasks, seeds")
    parser.add_argument("--work-dir", type=Path, help="output folder [work_dirs/<config name>]")
    parser.add_argument("--seeds", type=int, nargs="+", help="seeds [the config's]")
    tool_flags.add_data_root_flag(parser)
    tool_flags.add_amp_flag(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would be done; run nothing"
    )
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="cells to run at once [one per core, with GPUs 1; --ray: all]",
    )
    parser.add_argument(
        "--gpus",
        nargs="+",
        default=(),
        metavar="G",
        help="GPUs to use: with several jobs, job i uses the i-th [all]",
    )
    parser.add_argument(
        "--max-minutes", type=float, metavar="N", help="stop cleanly after N minutes (exit code 75)"
    )
    parser.add_argument(
        "--precision",
        type=float,
        metavar="POINTS",
        help="print how many seeds 95 %% intervals of +-POINTS take",
    )
    parser.add_argument(
        "--max-seeds",
        type=int,
        metavar="N",
        help="with --precision: run more seeds, up to N, until the intervals are as narrow",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--cell", metavar="KEY", help="run only this cell: seed0/RUNG/TASK")
    where.add_argument(
        "--slurm",
        nargs="?",
        const="",
        metavar="FILE",
        help="write a script of SLURM arrays; run nothing [WORK_DIR/ladder.sbatch]",
    )
    where.add_argument(
        "--ray",
        nargs="?",
        const="auto",
        metavar="HOST:PORT",
        help="run the cells on a Ray cluster [the cluster of this machine]",
    )
    parser.add_argument(
        "--cpus-per-cell",
        type=int,
        metavar="N",
        help="with --ray: cores per cell [a GPU's share, or a node's]",
    )
    parser.add_argument(
        "--gpus-per-cell",
        type=float,
        metavar="N",
        help="with --ray: GPUs per cell [1 where the cluster has GPUs]",
    )
    changed = parser.add_mutually_exclusive_group()
    changed.add_argument(
        "--rerun-changed",
        action="store_true",
        help="run cells again whose config, data, backbone or code changed",
    )
    changed.add_argument(
        "--keep-changed", action="store_true", help="keep such cells, with a footnote"
    )
    parser.add_argument("--export", type=Path, metavar="F.tar.gz", help="pack finished cells")
    parser.add_argument(
        "--import", type=Path, dest="import_", metavar="F.tar.gz", help="unpack cells of --export"
    )
    parser.add_argument(
        "--import-limit",
        type=float,
        default=4,
        metavar="GB",
        help="refuse an archive that unpacks to more [4]",
    )
    return parser


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
