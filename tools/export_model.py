"""Write a trained classifier, detector or segmenter as an ONNX file, and check it."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_of_transfer.engine import cli
from bag_of_transfer.engine.arguments import check_count
from bag_of_transfer.engine.bars import waiting
from bag_of_transfer.engine.config import tool_flags
from bag_of_transfer.engine.environment import check_packages
from bag_of_transfer.engine.errors import RefusedError, UserError

PACKAGES = ("onnx", "onnxruntime")
EXAMPLE = """python tools/export_model.py configs/detection/faster-rcnn_fpn_demo.py \\
    work_dirs/faster-rcnn_fpn_demo/last_checkpoint detector.onnx"""


def main(argv: Sequence[str] | None = None) -> int:
    """Load the network, write the file, compare its answers, and print what was compared."""
    parser = cli.parser(__doc__, EXAMPLE)
    tool_flags.add_trained_network(parser)
    parser.add_argument("out", type=Path, help="OUT.onnx")
    parser.add_argument("--size", type=_size, metavar="HxW", help="one size of images [any]")
    parser.add_argument(
        "--images", type=Path, metavar="PATH", help="what to check it on [the config's test data]"
    )
    parser.add_argument("--num-images", type=int, default=8, help="how many of them [8]")
    tool_flags.add_data_root_flag(parser)
    tool_flags.add_options_flag(parser)
    parser.add_argument("--force", action="store_true", help="replace an existing file")
    parser.then_check(_check_request)
    args = parser.parse_args(argv)

    with waiting("importing torch"):
        from bag_of_transfer.engine.config.data_root import check_data_root
        from bag_of_transfer.engine.quantities import size
        from bag_of_transfer.onnx_export import file
        from bag_of_transfer.onnx_export.pictures import read_pictures
        from bag_of_transfer.prediction.network import load_trained

    cli.set_data_root(args.data_root)
    trained = load_trained(args.config, args.checkpoint, args.cfg_options)
    check_data_root(trained.cfg, args.config, args.data_root)
    facts = file.describe(trained, args.checkpoint, args.size)
    pictures = read_pictures(trained, args.images, args.num_images)
    for line in file.export(trained, pictures, args.out, facts, args.size):
        print(f"equal to torch, {line}")
    print(f"{args.out}: opset {file.OPSET}, {size(args.out.stat().st_size)}")
    print(f"takes {facts['input']}")
    print(f"gives {facts['outputs']}")
    return 0


def _check_request(args: argparse.Namespace) -> None:
    check_packages(PACKAGES, "the export")
    if args.out.suffix != ".onnx" or args.out.is_dir():
        raise UserError("not the name of an ONNX file", args.out, "name it OUT.onnx")
    if args.out.exists() and not args.force:
        raise RefusedError("the file exists", args.out, "add --force, or choose another name")
    check_count(args.num_images, "--num-images")
    if args.images and not args.images.exists():
        raise UserError("no such file or folder", args.images, "check the path of the images")


def _size(text: str) -> tuple[int, int]:
    sides = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if not sides:
        raise argparse.ArgumentTypeError(f"{text!r} is no size, such as 480x640 (height x width)")
    return int(sides[1]), int(sides[2])


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
