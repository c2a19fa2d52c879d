"""Store a teacher's answers for every image and view, so that distillation is nearly free."""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_of_transfer.engine import cli
from bag_of_transfer.engine.config import tool_flags
from bag_of_transfer.engine.interruption import telling
from bag_of_transfer.engine.last_lines import command, flags_of, say_next
from bag_of_transfer.engine.process_group import is_main_process
from bag_of_transfer.engine.run_files import ANSWERS
from bag_of_transfer.engine.tasks import Phase

EXAMPLE = """python tools/cache_teacher.py configs/classification/resnet18-d-all_demo.py answers
python tools/train_cls.py configs/classification/resnet18-d-all_demo.py \\
    --cfg-options model.distillation.cache=answers"""


def main(argv: Sequence[str] | None = None) -> int:
    """Read the config, build its training data, ask the teacher."""
    parser = cli.parser(__doc__ or "", EXAMPLE)
    tool_flags.add_config_flags(parser, takes_stock=False)
    tool_flags.add_run_flags(parser)
    tool_flags.add_amp_flag(parser)
    parser.add_argument(
        "out", type=Path, nargs="?", help=f"folder of the cache [{ANSWERS}/ in the work dir]"
    )
    parser.add_argument(
        "--views",
        type=int,
        metavar="N",
        help="augmented views of each image, one for each epoch [as many as the run's epochs]",
    )
    parser.add_argument(
        "--top-k", type=int, metavar="N", help="stored classes per answer [all, at most 100]"
    )
    args = parser.parse_intermixed_args(argv)

    import backbones  # noqa: F401  registers ResNetA..D
    from bag_of_transfer.classification.cache_making import make_cache
    from bag_of_transfer.classification.teachers import check_classes
    from bag_of_transfer.engine.config.config_file import load_config
    from bag_of_transfer.engine.run import training

    cfg, _ = load_config(args.config, Phase.PRETRAINING, **tool_flags.config_flags(args))
    cfg.update(resume=False, load_from=None)  # of a run's resolved config
    lines, train_set = training.prepare_training(cfg, args.amp)
    check_classes(cfg)
    out = args.out or Path(cfg.work_dir, ANSWERS)
    if is_main_process():
        print("\n".join(lines), flush=True)
    with telling(lambda: "stored answers are kept; the same command goes on"):
        said = make_cache(cfg, train_set, out, args.views, args.top_k)
    if is_main_process():
        print(said)
    flags = flags_of(args, f"model.distillation.cache={out}")
    say_next({"train with it": command("train_cls", args.config, *flags)})
    return 0


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
