"""Pretrain a classifier, and with it a backbone, as a config says."""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import backbones  # noqa: F401  registers ResNetA..D
from bag_of_transfer.audit.tricks import TrickAudit
from bag_of_transfer.engine import cli, training
from bag_of_transfer.engine.config_file import load_config

EXAMPLE = "python tools/train_cls.py configs/classification/resnet18-d_demo.py --seed 1"
TASKS = {"mmengine": "cls"}


def main(argv: Sequence[str] | None = None) -> int:
    """Read the config, add what every run has, train."""
    args = cli.training_parser(__doc__, EXAMPLE).parse_args(argv)
    cfg, _ = load_config(args, TASKS)
    lines = training.prepare_training(cfg, args.amp)
    training.add_hooks(cfg, TrickAudit.__name__)
    training.train(cfg, args, lines)
    return 0


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
