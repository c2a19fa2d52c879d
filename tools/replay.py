"""Repeat the step in which a loss, gradient or update became NaN or infinite; write nothing."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_of_transfer.engine import cli
from bag_of_transfer.engine.config import tool_flags
from bag_of_transfer.engine.tasks import Phase

EXAMPLE = "python tools/replay.py work_dirs/resnet18-d_demo/non_finite.json --image"


def main(argv: Sequence[str] | None = None) -> int:
    """Read the file, train up to the step, print what it gives."""
    parser = cli.parser(__doc__, EXAMPLE)
    parser.add_argument("file", type=Path, help="non_finite.json of a run")
    parser.add_argument("--image", action="store_true", help="also look at each image alone")
    tool_flags.add_launcher_flag(parser)
    args = parser.parse_args(argv)

    import backbones  # noqa: F401  registers ResNetA..D
    from bag_of_transfer.engine.config.config_file import load_config, phase_of
    from bag_of_transfer.engine.loop.lost_step import read_lost_step

    step = read_lost_step(args.file)
    folder = args.file.resolve().parent
    phase = phase_of(folder / step.config)
    if phase is Phase.FINE_TUNING:
        import bag_of_transfer.detection
        import bag_of_transfer.segmentation
    import bag_of_transfer.audit.tricks  # noqa: F401  a resolved config names its hook
    from bag_of_transfer.classification.cached_teacher import use_cache
    from bag_of_transfer.engine.run.replay import Replay, replay

    def images(cfg: Any, train_set: Any) -> Any:
        return use_cache(cfg, train_set) if phase is Phase.PRETRAINING else ([], train_set)

    cfg, _ = load_config(folder / step.config, phase, launcher=args.launcher)
    hook = Replay(step, args.image, print)
    hook.say_once(f"epoch {step.epoch}, iteration {step.iteration}: {step.why}; lr {step.lr}")
    for file in step.files:
        hook.say_once(f"  {file}")
    replay(cfg, step, folder, images, hook)
    return 0


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
