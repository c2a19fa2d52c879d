"""Turn weights of timm, torchvision, mmpretrain, mmdet, GluonCV or detectron2 into a backbone file.

Other networks of timm go in, too. With --to, the other way round.
"""

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_of_transfer.engine import cli
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.backbone_file import card_path
from bag_of_transfer.transfer.convert.into_ours import LAYOUTS, Converted, convert_weights
from bag_of_transfer.transfer.convert.out_of_ours import TARGETS, convert_back

EXAMPLE = """python tools/convert_weights.py resnet50d.gluon_in1k weights/d50-mixup.safetensors
python tools/convert_weights.py resnet50_v1d-00319ddc.params weights/d50-smooth.safetensors"""


def main(argv: Sequence[str] | None = None) -> int:
    """Convert, and tell what became of every tensor."""
    made = cli.parser(__doc__, EXAMPLE)
    made.add_argument("src", help="file (.pth .safetensors .params .pkl), or a model's name")
    made.add_argument("out", type=Path, help="OUT.safetensors; the card becomes OUT.json")
    made.add_argument("--layout", choices=LAYOUTS, default="auto", help="whose names [auto]")
    made.add_argument("--timm-name", metavar="NAME", default="", help="SRC is this network of timm")
    made.add_argument("--key", help="where a checkpoint keeps the weights, dotted [the only dict]")
    made.add_argument("--prefix", help="what the network's names begin with [the only network]")
    made.add_argument(
        "--in-channels", type=int, metavar="N", default=3, help="of the images, by timm's rule [3]"
    )
    made.add_argument("--to", choices=TARGETS, help="SRC is ours: write it for this library")
    made.add_argument("--force", action="store_true", help="replace existing files")
    args = made.parse_args(argv)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an error must be the first line on stderr
        done = _convert(args)
    card = done.card
    print("\n".join(done.lines))
    print(f"{card.title}: {card.num_tensors} tensors to {args.out}")
    print(f"card: {card_path(args.out)} (source: {card.source})")
    return 0


def _convert(args: argparse.Namespace) -> Converted:
    if args.to is None:
        names = ("timm_name", "key", "prefix", "in_channels", "force")
        chosen = {name: getattr(args, name) for name in names}
        return convert_weights(args.src, args.out, args.layout, **chosen)
    given = {"--layout": args.layout != "auto", "--timm-name": bool(args.timm_name)}
    given |= {f"--{name}": getattr(args, name) is not None for name in ("key", "prefix")}
    given["--in-channels"] = args.in_channels != 3
    for flag, is_given in given.items():
        if is_given:
            raise UserError("--to converts a backbone file of ours", flag, "leave one of both out")
    return convert_back(args.src, args.out, args.to, force=args.force)


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
