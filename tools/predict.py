"""Predict images, videos and folders of them with a classifier, a detector or a segmenter."""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_of_transfer.engine import cli
from bag_of_transfer.engine.bars import waiting
from bag_of_transfer.engine.config import tool_flags
from bag_of_transfer.engine.last_lines import again, command, say_next

EXAMPLE = """python tools/predict.py configs/detection/faster-rcnn_fpn_demo.py \\
    work_dirs/faster-rcnn_fpn_demo/last_checkpoint photos/ --out-dir work_dirs/photos"""


def main(argv: Sequence[str] | None = None) -> int:
    """Find the images, load the network, write pictures and record."""
    parser = cli.parser(__doc__, EXAMPLE)
    tool_flags.add_trained_network(parser)
    parser.add_argument(
        "inputs",
        type=Path,
        nargs="*",
        metavar="INPUT",
        help="image, video, folder, or list of them, one per line (.txt) [--truth's split]",
    )
    parser.add_argument("--out-dir", type=Path, required=True, help="folder for the results")
    parser.add_argument("--batch-size", type=int, default=8, help="images per forward pass [8]")
    parser.add_argument("--min-score", type=float, default=0.3, help="lowest score of a box [0.3]")
    parser.add_argument(
        "--truth",
        metavar="SPLIT|PATH",
        help="draw annotations beside: of a split of the config's (test, val, train, held_out), or "
        "COCO's file, or a folder of VOC's or YOLO's files, of masks, or of one folder per class",
    )
    tool_flags.add_data_root_flag(parser, "the split's data, as in training")
    parser.add_argument(
        "--save-crops",
        action="store_true",
        help="also write each detected object as a picture of its own",
    )
    parser.add_argument("--every", type=int, default=1, help="of a video, each N-th frame [1]")
    parser.add_argument(
        "--device",
        choices=["auto", "cpu", "cuda"],
        default="auto",
        help="where to compute; auto: on the GPU, if there is one [auto]",
    )
    tool_flags.add_options_flag(parser)
    parser.add_argument("--force", action="store_true", help="overwrite earlier predictions")
    args = parser.parse_intermixed_args(argv)  # as INPUT may be left out, and stand after flags

    with waiting("importing torch"):
        from bag_of_transfer.engine.config.data_root import check_data_root
        from bag_of_transfer.engine.errors import UserError
        from bag_of_transfer.engine.file_hash import sha256_of
        from bag_of_transfer.engine.run_files import follow_pointer
        from bag_of_transfer.prediction import Predictor
        from bag_of_transfer.prediction.files import RECORD, check_request, write_predictions
        from bag_of_transfer.prediction.inputs import check_alone, find_images
        from bag_of_transfer.prediction.truth import SPLITS
        from bag_of_transfer.prediction.truth_files import find_truths
        from bag_of_transfer.prediction.work import Choices, summary

    cli.set_data_root(args.data_root)
    choices = Choices(args.batch_size, args.min_score, args.save_crops, args.every)
    if not args.inputs and args.truth not in SPLITS:
        raise UserError("no image is named", "INPUT", "name images, videos, folders, or a split")
    sources = find_images(args.inputs, args.out_dir)
    check_request(sources, args.out_dir, choices, args.force)
    check_alone(sources)
    predictor = Predictor(args.config, args.checkpoint, args.device, args.cfg_options)
    check_data_root(predictor.config, args.config, args.data_root)
    if args.truth:
        of_split, truths = find_truths(args.truth, predictor)
        sources, choices = sources or of_split, choices._replace(truths=truths)
        check_request(sources, args.out_dir, choices, args.force)
    facts = {"checkpoint_sha256": sha256_of(follow_pointer(args.checkpoint))}
    record = write_predictions(predictor, sources, args.out_dir, choices, facts)
    for word in ("left_out", "cut_short"):
        for row in record.get(word, ()):
            print(f"{word.replace('_', ' ')}: {row['file']}: {row['why']}")
    print(summary(record, args.out_dir / RECORD))
    print(f"drawn in {args.out_dir}")
    if record.get("min_score"):
        lower = {"--min-score": f"{args.min_score / 3:.1g}", "--force": None}
        words = again(sys.argv[1:] if argv is None else argv, lower)
        say_next({"draw weaker boxes, too": command("predict", *words)})
    return 0


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
