"""Measure what bounds a training, how long it would take and which switch would help."""

import contextlib
import json
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_of_transfer.engine import cli
from bag_of_transfer.engine.arguments import SCRATCH, check_backbone
from bag_of_transfer.engine.config import tool_flags
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.tasks import Phase

if TYPE_CHECKING:
    from argparse import Namespace

    from mmengine.config import Config

EXAMPLE = "python tools/benchmark.py configs/detection/faster-rcnn_fpn_demo.py"


def main(argv: Sequence[str] | None = None) -> int:
    """Build the run as the training tools do, measure, print; nothing is trained or kept."""
    parser = cli.parser(__doc__, EXAMPLE)
    tool_flags.add_config_flags(parser)
    tool_flags.add_seed_flag(parser)
    tool_flags.add_amp_flag(parser)
    parser.add_argument(
        "--backbone",
        metavar="FILE|scratch",
        help="for detection and segmentation: backbone file, or a random start [scratch]",
    )
    parser.add_argument(
        "--seconds", type=float, default=40, help="how long to measure, start not counted [40]"
    )
    parser.add_argument(
        "--json",
        nargs="?",
        const="-",
        metavar="FILE",
        help="write all figures there; without FILE, print them instead of the text",
    )
    parser.then_check(lambda args: check_backbone(args.backbone))
    args = parser.parse_args(argv)
    if not 0 < args.seconds < math.inf:
        raise UserError(f"{args.seconds:g} is not a time", "--seconds", "give more than 0")

    only_json = args.json == "-"
    with contextlib.redirect_stdout(sys.stderr) if only_json else contextlib.nullcontext():
        record = _measure(args)
    if only_json:
        print(json.dumps(record, indent=2))
        return 0

    from bag_of_transfer.engine.atomic import write_json
    from bag_of_transfer.engine.run.benchmark_report import lines

    print("\n".join(lines(record)))
    if args.json:
        write_json(args.json, record)
    return 0


def _measure(args: "Namespace") -> dict[str, Any]:
    import backbones  # noqa: F401  registers ResNetA..D
    from bag_of_transfer.engine.config.config_file import phase_of
    from bag_of_transfer.engine.run.benchmark import Benchmark
    from bag_of_transfer.engine.run.training import train

    prepare = _classifier if phase_of(args.config) is Phase.PRETRAINING else _with_backbone
    with tempfile.TemporaryDirectory() as folder:
        cfg, lines, train_set = prepare(
            args, tool_flags.config_flags(args) | {"work_dir": Path(folder)}
        )
        benchmark = Benchmark(args.seconds)
        train(cfg, lines, train_set, rehearsal=benchmark)
    return benchmark.record


def _classifier(args: "Namespace", flags: dict[str, Any]) -> tuple["Config", list[str], Any]:
    """Prepare a run as ``train_cls.py`` does."""
    from bag_of_transfer.classification.cached_teacher import use_cache
    from bag_of_transfer.engine.config.config_file import load_config
    from bag_of_transfer.engine.run.training import prepare_training

    if args.backbone:
        what = "a classifier starts from no backbone file"
        raise UserError(what, "--backbone", "leave it out")
    cfg, _ = load_config(args.config, Phase.PRETRAINING, **flags)
    lines, train_set = prepare_training(cfg, args.amp)
    cached, train_set = use_cache(cfg, train_set)
    return cfg, lines + cached, train_set


def _with_backbone(args: "Namespace", flags: dict[str, Any]) -> tuple["Config", list[str], Any]:
    """Prepare a run as ``train.py`` does."""
    import bag_of_transfer.detection
    import bag_of_transfer.segmentation  # noqa: F401
    from bag_of_transfer.engine.config.config_file import load_config
    from bag_of_transfer.engine.run.training import prepare_training
    from bag_of_transfer.transfer.config.apply import apply_backbone
    from bag_of_transfer.transfer.config.fit_check import check_fit

    cfg, explicit = load_config(args.config, Phase.FINE_TUNING, **flags)
    lines = apply_backbone(cfg, args.backbone or SCRATCH, explicit)
    prepared, train_set = prepare_training(cfg, args.amp)
    check_fit(cfg.model)
    return cfg, lines + prepared, train_set


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
