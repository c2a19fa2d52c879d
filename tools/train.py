"""Fine-tune a detector (mmdet config) or a segmenter (mmseg config) from a backbone file."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_of_transfer.engine import cli
from bag_of_transfer.engine.arguments import check_backbone
from bag_of_transfer.engine.bars import waiting
from bag_of_transfer.engine.config import tool_flags
from bag_of_transfer.engine.last_lines import after_a_training, say_trained
from bag_of_transfer.engine.tasks import Phase
from bag_of_transfer.transfer.config.stated_weights import refuse_no_weights

EXAMPLE = """python tools/train.py configs/detection/faster-rcnn_fpn_demo.py \\
    --backbone work_dirs/resnet18-d_demo/backbone.safetensors"""


def main(argv: Sequence[str] | None = None) -> int:
    """Read the config, put the backbone into it, add what every run has, train."""
    parser = tool_flags.training_parser(__doc__, EXAMPLE)
    parser.add_argument(
        "--backbone",
        metavar="FILE|scratch",
        help="backbone file (.safetensors), or the word scratch: a random start",
    )
    parser.then_check(_check_start)
    args = parser.parse_args(argv)

    with waiting("importing torch, mmdet and mmseg"):
        import backbones  # noqa: F401  registers ResNetA..D
        import bag_of_transfer.detection
        import bag_of_transfer.segmentation  # noqa: F401
        from bag_of_transfer.audit.tricks import TrickAudit
        from bag_of_transfer.data_checks.at_start import ContentAtStart
        from bag_of_transfer.engine.config.config_file import load_config
        from bag_of_transfer.engine.config.json_config import dump_config
        from bag_of_transfer.engine.run import auto_batch, training
        from bag_of_transfer.engine.run.dry_run import DryRun, short_scans
        from bag_of_transfer.engine.run.evaluation import split_to_test
        from bag_of_transfer.run_report.after_training import after_training
        from bag_of_transfer.transfer.config.apply import apply_backbone
        from bag_of_transfer.transfer.config.fit_check import check_fit

    if args.auto_batch:
        auto_batch.refuse_without_gpu()
    cfg, explicit = load_config(args.config, Phase.FINE_TUNING, **tool_flags.config_flags(args))
    lines = apply_backbone(cfg, args.backbone, explicit)
    if args.dump_config:
        dump_config(cfg, explicit, args.dump_config)
        return 0
    with short_scans(args.dry_run):
        prepared, train_set = training.prepare_training(
            cfg, args.amp, fill_memory=args.auto_batch, resume_from=args.resume
        )
        if args.backbone:
            check_fit(cfg.model)
        training.add_hooks(cfg, TrickAudit.__name__, ContentAtStart.__name__)
        finished = training.train(
            cfg,
            explicit.lines + lines + prepared,
            train_set,
            resume_from=args.resume,
            tensorboard=args.tensorboard,
            rehearsal=DryRun() if args.dry_run else None,
        )
    after_training(Path(cfg.work_dir))
    say_trained(finished, after_a_training(args, finished, "test", split_to_test(cfg)))
    return 0


def _check_start(args: Namespace) -> None:
    """Check what the run begins from before mmdet is imported."""
    check_backbone(args.backbone)
    if args.backbone is None:
        refuse_no_weights(args.config, args.cfg_options)


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
