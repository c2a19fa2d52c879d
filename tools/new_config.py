"""Look at a folder of your own images, say which layout it is, and write a config that trains."""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_of_transfer.engine import cli
from bag_of_transfer.engine.bars import waiting
from bag_of_transfer.engine.data.layouts import LAYOUTS, SIZES, Layout
from bag_of_transfer.engine.errors import RefusedError, UserError
from bag_of_transfer.engine.last_lines import command, say_next
from bag_of_transfer.engine.own_files import CONFIGS

PRETRAINS = "train_cls"
PUBLIC = {  # timm's weights, as near to a config's backbone as there are
    "slim": "resnet18d.ra2_in1k",
    "small": "resnet18d.ra2_in1k",
    "full": "resnet50d.gluon_in1k",
}
EXAMPLE = "python tools/new_config.py /data/blood blood.py"


def main(argv: Sequence[str] | None = None) -> int:
    """Recognise the layout, look at the data, write the config, print the next commands."""
    parser = cli.parser(__doc__, EXAMPLE)
    parser.add_argument("folder", type=Path, help="the folder of your data")
    parser.add_argument("out", type=Path, metavar="OUT.py", help="the config to write")
    parser.add_argument(
        "--size",
        choices=SIZES,
        help="slim: minutes on a CPU; small: ResNet-18; full: ResNet-50.  Default: full on a GPU, "
        "else slim",
    )
    parser.add_argument(
        "--layout", choices=[layout.name for layout in LAYOUTS], help="if the folder has several"
    )
    args = parser.parse_args(argv)
    _check_out(args.out)

    from bag_of_transfer.own_data.detect import layout_of, nearest_trees

    try:
        layout = layout_of(args.folder, args.layout)
    except UserError:
        if args.folder.is_dir():
            print(*nearest_trees(args.folder, args.layout), sep="\n", flush=True)
        raise

    with waiting("importing torch, mmdet and mmseg"):
        import torch

        import bag_of_transfer.classification
        import bag_of_transfer.detection
        import bag_of_transfer.segmentation  # noqa: F401
        from bag_of_transfer.engine.atomic import write_text
        from bag_of_transfer.engine.config.config_file import load_config
        from bag_of_transfer.engine.tasks import Phase
        from bag_of_transfer.own_data.look import look
        from bag_of_transfer.own_data.write import config_text, seen

    size = args.size or ("full" if torch.cuda.is_available() else "slim")
    base = CONFIGS / layout.configs[size]
    options = {"data_root": str(args.folder.resolve())}
    phase = Phase.PRETRAINING if layout.tool == PRETRAINS else Phase.FINE_TUNING
    cfg, _ = load_config(base, phase, options=options)
    looked = look(args.folder.resolve(), cfg)
    print(seen(layout, looked), *looked.remarks, sep="\n")
    write_text(args.out, config_text(args.folder, args.out, base, layout, looked, cfg))
    print(f"wrote {args.out}, of size {size}")
    say_next(
        {"look at the data": command("check_data", args.out)} | _trainings(args.out, layout, size)
    )
    return 0


def _trainings(out: Path, layout: Layout, size: str) -> dict[str, str]:
    start = [] if layout.tool == PRETRAINS else ["--backbone", "scratch"]
    commands = {
        "see what a training would do": command(layout.tool, out, *start, "--dry-run"),
        "train": command(layout.tool, out, *start),
    }
    if start:
        backbone = out.with_name(f"{PUBLIC[size].partition('.')[0]}.safetensors")
        fetch = command("convert_weights", PUBLIC[size], backbone)
        train = command(layout.tool, out, "--backbone", backbone)
        commands["or, as scratch needs many images, train from public weights"] = (
            f"{fetch}\n  {train}"
        )
    return commands


def _check_out(out: Path) -> None:
    if out.suffix != ".py":
        raise UserError("the name does not end in .py", out, "name it OUT.py")
    if out.exists() or out.is_symlink():
        raise RefusedError("the file is there already", out, "name another, or remove it")
    if not out.parent.is_dir():
        raise UserError("no such folder", out.parent, "make it first")


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
