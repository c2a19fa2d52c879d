"""Write a backbone file and its card from a checkpoint of train_cls.py."""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_of_transfer.engine import cli
from bag_of_transfer.engine.config import tool_flags
from bag_of_transfer.engine.last_lines import say_next, use_of_backbone
from bag_of_transfer.engine.quantities import figure

EXAMPLE = """python tools/export_backbone.py work_dirs/resnet18-d_demo/best_top1_epoch_7.pth \\
    work_dirs/resnet18-d_demo/backbone.safetensors"""


def main(argv: Sequence[str] | None = None) -> int:
    """Export, and print what was written."""
    parser = cli.parser(__doc__, EXAMPLE)
    tool_flags.add_checkpoint(parser)
    parser.add_argument("out", type=Path, help="OUT.safetensors; the card becomes OUT.json")
    parser.add_argument(
        "--ema", action="store_true", help="refuse a checkpoint without averaged (EMA) weights"
    )
    parser.add_argument(
        "--channel-order",
        choices=("RGB", "BGR"),
        help="what the network reads, where the checkpoint does not say it",
    )
    parser.add_argument("--force", action="store_true", help="replace existing files")
    args = parser.parse_args(argv)

    from bag_of_transfer.transfer.backbone_card import card_path
    from bag_of_transfer.transfer.export import export_backbone

    card = export_backbone(
        args.checkpoint,
        args.out,
        ema=args.ema,
        channel_order=args.channel_order,
        force=args.force,
    )
    metrics = ", ".join(f"{name} {figure(value)}" for name, value in card.metrics.items())
    print(f"{card.title}: {card.num_tensors} tensors to {args.out}")
    print(f"card: {card_path(args.out)} (pretrained: {metrics or 'no metrics of this checkpoint'})")
    say_next(use_of_backbone(args.out))
    return 0


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
