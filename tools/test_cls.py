"""Measure a classifier's top-1 and top-5 accuracy."""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_of_transfer.engine import cli
from bag_of_transfer.engine.bars import waiting
from bag_of_transfer.engine.config import tool_flags
from bag_of_transfer.engine.last_lines import after_a_test, say_next
from bag_of_transfer.engine.tasks import Phase

EXAMPLE = """python tools/test_cls.py configs/classification/resnet18-d_demo.py \\
    work_dirs/resnet18-d_demo/epoch_7.pth --out metrics.json"""


def main(argv: Sequence[str] | None = None) -> int:
    """Read the config, evaluate the checkpoint, write and print the metrics."""
    args = tool_flags.evaluation_parser(__doc__, EXAMPLE, takes_stock=False).parse_args(argv)

    with waiting("importing torch"):
        import backbones  # noqa: F401  registers ResNetA..D
        import bag_of_transfer.classification  # noqa: F401
        from bag_of_transfer.engine.config.config_file import load_config
        from bag_of_transfer.engine.run import evaluation
        from bag_of_transfer.run_report.after_test import after_test

    cfg, user = load_config(args.config, Phase.PRETRAINING, **tool_flags.config_flags(args))
    evaluated = evaluation.evaluate(cfg, args.checkpoint, user=user)
    evaluation.report(evaluated.record, args.out)
    after_test(evaluated)
    say_next(after_a_test(args, evaluated.record["split"], Path(cfg.work_dir)))
    return 0


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
