"""Measure a detector's mAP or a segmenter's mIoU on its test split."""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_of_transfer.engine import cli
from bag_of_transfer.engine.bars import waiting
from bag_of_transfer.engine.config import tool_flags
from bag_of_transfer.engine.last_lines import after_a_test, say_next
from bag_of_transfer.engine.tasks import Phase, task_named

EXAMPLE = """python tools/test.py configs/detection/faster-rcnn_fpn_demo.py \\
    work_dirs/faster-rcnn_fpn_demo/epoch_12.pth --out metrics.json"""


def main(argv: Sequence[str] | None = None) -> int:
    """Read the config, evaluate the checkpoint, write and print the metrics."""
    parser = tool_flags.evaluation_parser(__doc__, EXAMPLE)
    parser.add_argument(
        "--dump-predictions",
        type=Path,
        metavar="P",
        help="write the predictions here: COCO results JSON, or a folder of PNG masks",
    )
    parser.add_argument(
        "--per-image",
        type=Path,
        metavar="P.npz",
        help="write each image's result here: matched detections, or confusion of classes",
    )
    parser.add_argument(
        "--tta", action="store_true", help="use the config's test-time augmentation"
    )
    args = parser.parse_args(argv)

    with waiting("importing torch, mmdet and mmseg"):
        import backbones  # noqa: F401  registers ResNetA..D
        import bag_of_transfer.detection
        import bag_of_transfer.segmentation  # noqa: F401
        from bag_of_transfer.engine.config.config_file import load_config
        from bag_of_transfer.engine.run import evaluation
        from bag_of_transfer.run_report.after_test import after_test

    cfg, user = load_config(args.config, Phase.FINE_TUNING, **tool_flags.config_flags(args))
    written = {
        task_named(cfg.task).dump_argument: args.dump_predictions,
        "per_image_file": args.per_image,
    }
    options = {name: str(path) for name, path in written.items() if path}
    evaluated = evaluation.evaluate(cfg, args.checkpoint, options, args.tta, user)
    evaluation.report(evaluated.record, args.out)
    after_test(evaluated)
    say_next(after_a_test(args, evaluated.record["split"], Path(cfg.work_dir)))
    return 0


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
