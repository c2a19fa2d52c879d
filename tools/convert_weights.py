"""Turn weights of timm, torchvision, mmpretrain, mmdet, GluonCV or detectron2 into a backbone file.

Other networks of timm can be converted, too.  With --to, a backbone file of ours is written for
another library.
"""

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_of_transfer.engine import cli
from bag_of_transfer.engine.arguments import AUTO
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.last_lines import say_next, use_of_backbone

if TYPE_CHECKING:
    from bag_of_transfer.transfer.convert.into_ours import Converted

EXAMPLE = """python tools/convert_weights.py resnet50d.gluon_in1k weights/d50-mixup.safetensors
python tools/convert_weights.py resnet50_v1d-00319ddc.params weights/d50-smooth.safetensors"""
# Written out here as well: transfer.convert has them, but takes seconds to import.
LAYOUTS = (AUTO, "gluon", "caffe", "mmpretrain", "timm", "torchvision", "mmdet")
TARGETS = ("mmpretrain", "timm", "torchvision")


def main(argv: Sequence[str] | None = None) -> int:
    """Convert, and print what became of every tensor."""
    parser = cli.parser(__doc__, EXAMPLE)
    parser.add_argument("src", help="file (.pth .safetensors .params .pkl), or a model's name")
    parser.add_argument("out", type=Path, help="OUT.safetensors; the card becomes OUT.json")
    parser.add_argument(
        "--layout", choices=LAYOUTS, default=AUTO, help="library that named the tensors [auto]"
    )
    parser.add_argument(
        "--timm-name", metavar="NAME", default="", help="timm's name of the network in SRC"
    )
    parser.add_argument("--key", help="dotted key of the weights in a checkpoint [the only dict]")
    parser.add_argument(
        "--prefix", help="text with which the names of the network begin [the only network]"
    )
    parser.add_argument(
        "--in-channels",
        type=int,
        metavar="N",
        default=3,
        help="channels of the images, converted by timm's rule [3]",
    )
    parser.add_argument(
        "--to", choices=TARGETS, help="write SRC, a backbone file of ours, for this library"
    )
    parser.add_argument("--force", action="store_true", help="replace existing files")
    args = parser.parse_args(argv)

    from bag_of_transfer.transfer.backbone_card import card_path

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an error must be the first line on stderr
        converted = _convert(args)
    card = converted.card
    print("\n".join(converted.lines))
    print(f"{card.title}: {card.num_tensors} tensors to {args.out}")
    print(f"card: {card_path(args.out)} (source: {card.source})")
    if args.to is None:
        say_next(use_of_backbone(args.out))
    return 0


def _convert(args: argparse.Namespace) -> "Converted":
    from bag_of_transfer.transfer.convert.into_ours import convert_weights
    from bag_of_transfer.transfer.convert.out_of_ours import convert_back

    if args.to is None:
        names = ("timm_name", "key", "prefix", "in_channels", "force")
        chosen = {name: getattr(args, name) for name in names}
        return convert_weights(args.src, args.out, args.layout, **chosen)
    flags = {"--layout": args.layout != AUTO, "--timm-name": bool(args.timm_name)}
    flags |= {f"--{name}": getattr(args, name) is not None for name in ("key", "prefix")}
    flags["--in-channels"] = args.in_channels != 3
    for flag, is_given in flags.items():
        if is_given:
            what = "--to converts a backbone file of ours"
            raise UserError(what, flag, "give only one of the two")
    return convert_back(args.src, args.out, args.to, force=args.force)


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
