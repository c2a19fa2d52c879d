"""Draw the paper's figures 3 (lr, accuracy) and 4 (gap between logits) from pretraining runs."""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_of_transfer.engine import cli
from bag_of_transfer.engine.errors import UserError

EXAMPLE = """python tools/plot_tricks.py work_dirs/resnet50-d_step work_dirs/resnet50-d_cosine \\
    --out work_dirs/plots"""


def main(argv: Sequence[str] | None = None) -> int:
    """Draw figure 3 from the curves, and figure 4 from the checkpoints that exist."""
    parser = cli.parser(__doc__, EXAMPLE)
    parser.add_argument(
        "work_dirs",
        type=Path,
        nargs="+",
        metavar="WORK_DIR",
        help="work dirs of train_cls.py; images are read from where the runs read them",
    )
    parser.add_argument("--out", type=Path, help="folder of the figures [plots/ in the first run]")
    parser.add_argument(
        "--run-configs",
        action="store_true",
        help="run the work dirs' configs, with modules of your own; only if you trust them",
    )
    args = parser.parse_args(argv)

    import backbones  # noqa: F401  registers ResNetA..D
    from bag_of_transfer.classification import finished_run, trick_plots
    from bag_of_transfer.engine.figures import save_figure
    from bag_of_transfer.engine.run_files import newest_checkpoint

    runs = dict(zip(finished_run.labels_of(args.work_dirs), args.work_dirs, strict=True))
    out = args.out or args.work_dirs[0] / "plots"
    curves = {label: finished_run.read_curve(run) for label, run in runs.items()}
    figures = {"lr_and_accuracy": trick_plots.draw_lr_and_accuracy(curves)}
    gaps, eps, num_classes = {}, {}, set()
    for label, run in runs.items():
        checkpoint = newest_checkpoint(run)
        if checkpoint is None:
            print(f"{run}: no checkpoint, left out of logit_gap")
            continue
        model, loader = finished_run.trained_network(run, checkpoint, args.run_configs)
        gaps[label] = trick_plots.logit_gaps(model, loader)
        eps[label] = finished_run.paper_eps(run, model.num_classes)
        num_classes.add(model.num_classes)
    if len(num_classes) > 1:
        counts = ", ".join(map(str, sorted(num_classes)))
        raise UserError(f"runs with {counts} classes", "WORK_DIR", "plot them separately")
    if gaps:
        figures["logit_gap"] = trick_plots.draw_gaps(gaps, eps, num_classes.pop())
    for name, figure in figures.items():
        for path in save_figure(figure, out / name):
            print(path)
    return 0


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
