"""Show a backbone file, or check that it fits a config; nothing is trained or written."""

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_of_transfer.engine import cli
from bag_of_transfer.engine.arguments import check_config, check_weights
from bag_of_transfer.engine.quantities import figure
from bag_of_transfer.engine.stock_configs import config_path
from bag_of_transfer.engine.tasks import Phase

EXAMPLE = """python tools/inspect_backbone.py work_dirs/resnet18-d_demo/backbone.safetensors \\
    --against configs/detection/faster-rcnn_fpn_demo.py"""


def main(argv: Sequence[str] | None = None) -> int:
    """Print card and tensors, then the outcome of the dry run."""
    parser = cli.parser(__doc__, EXAMPLE)
    parser.add_argument("file", type=Path, help="backbone file (.safetensors)")
    parser.add_argument(
        "--against",
        type=config_path,
        metavar="CONFIG",
        help="check that the file fits this config's model",
    )
    parser.then_check(lambda args: check_weights(args.file))
    parser.then_check(lambda args: args.against and check_config(args.against))
    args = parser.parse_args(argv)

    from bag_of_transfer.transfer.backbone_card import card_path

    # Of a file without a card, only the reason why it does not fit can be shown.
    if not args.against or card_path(args.file).is_file():
        _show(args.file)
    if args.against:
        with warnings.catch_warnings():
            print("\n".join(_try_against(args.file, args.against)))
    return 0


def _show(path: Path) -> None:
    from bag_of_transfer.transfer.backbone_card import read_card
    from bag_of_transfer.transfer.tensor_file import read_tensors, summarise

    card = read_card(path)
    unused = () if card.depth else ("depth", "stem_channels", "base_channels")
    for name, value in card.to_dict().items():
        if name in unused:
            continue
        if name == "tricks":
            value = ", ".join(trick for trick, settings in value.items() if settings.get("on"))
        if name == "metrics" and value:
            value = ", ".join(f"{metric} {figure(percent)}" for metric, percent in value.items())
        is_unknown = value in ("", {}, None) and name != "options"
        print(f"{name:>14}  {'unknown' if is_unknown else value}")
    print("\n".join(["", *summarise(read_tensors(path)), ""]))


def _try_against(path: Path, config: Path) -> list[str]:
    # An error must be the first line on stderr, and mm* warns while it is imported.
    warnings.simplefilter("ignore")
    # Imported here: mm* takes seconds to import, and showing a file does not need it.
    import bag_of_transfer.detection.shared_head  # noqa: F401  before mmdet
    from bag_of_transfer.engine.config.config_file import load_config
    from bag_of_transfer.transfer.backbone_card import card_path
    from bag_of_transfer.transfer.backbone_file import load_backbone
    from bag_of_transfer.transfer.config.apply import apply_backbone, build_parts

    cfg, explicit = load_config(config, Phase.FINE_TUNING)
    lines = apply_backbone(cfg, path, explicit) if card_path(path).is_file() else []
    backbone, shared_head = build_parts(cfg.model)
    return [*lines, load_backbone(backbone, path, shared_head)]


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
