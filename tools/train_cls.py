"""Pretrain a classifier, and thereby a backbone, from a config."""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_of_transfer.engine import cli
from bag_of_transfer.engine.bars import waiting
from bag_of_transfer.engine.config import tool_flags
from bag_of_transfer.engine.last_lines import Finished, after_a_training, command, say_trained
from bag_of_transfer.engine.tasks import Phase

EXAMPLE = "python tools/train_cls.py configs/classification/resnet18-d_demo.py --seed 1"


def main(argv: Sequence[str] | None = None) -> int:
    """Read the config, add what every run has, train."""
    args = tool_flags.training_parser(__doc__, EXAMPLE, takes_stock=False).parse_args(argv)

    with waiting("importing torch"):
        import backbones  # noqa: F401  registers ResNetA..D
        from bag_of_transfer.audit.tricks import TrickAudit
        from bag_of_transfer.classification.cached_teacher import refuse_unknown_batch, use_cache
        from bag_of_transfer.classification.teachers import check_classes
        from bag_of_transfer.data_checks.at_start import ContentAtStart
        from bag_of_transfer.engine.config.config_file import load_config
        from bag_of_transfer.engine.config.json_config import dump_config
        from bag_of_transfer.engine.run import auto_batch, training
        from bag_of_transfer.engine.run.dry_run import DryRun, short_scans
        from bag_of_transfer.engine.run.evaluation import split_to_test
        from bag_of_transfer.run_report.after_training import after_training

    if args.auto_batch:
        auto_batch.refuse_without_gpu()
    cfg, explicit = load_config(args.config, Phase.PRETRAINING, **tool_flags.config_flags(args))
    if args.dump_config:
        dump_config(cfg, explicit, args.dump_config)
        return 0
    if args.auto_batch:
        refuse_unknown_batch(cfg)
    with short_scans(args.dry_run):
        lines, train_set = training.prepare_training(
            cfg, args.amp, fill_memory=args.auto_batch, resume_from=args.resume
        )
        check_classes(cfg)
        cached, train_set = use_cache(cfg, train_set)
        training.add_hooks(cfg, TrickAudit.__name__, ContentAtStart.__name__)
        finished = training.train(
            cfg,
            explicit.lines + lines + cached,
            train_set,
            resume_from=args.resume,
            tensorboard=args.tensorboard,
            rehearsal=DryRun() if args.dry_run else None,
        )
    after_training(Path(cfg.work_dir))
    judged = after_a_training(args, finished, "test_cls", split_to_test(cfg))
    say_trained(finished, {**_export(finished), **judged})
    return 0


def _export(finished: Finished | None) -> dict[str, str]:
    if finished is None or finished.to_use is None:
        return {}
    backbone = finished.work_dir / "backbone.safetensors"
    again = ["--force"] if backbone.exists() else []
    exported = command("export_backbone", finished.to_use, backbone, *again)
    return {"export the backbone": exported}


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
