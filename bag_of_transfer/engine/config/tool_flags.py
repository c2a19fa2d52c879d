"""The flags that several tools have, each described once."""

import argparse
from pathlib import Path
from typing import Any

from bag_of_transfer.engine.arguments import (
    AUTO,
    PRECISIONS,
    check_checkpoint,
    check_config,
    check_launcher,
    check_seed,
)
from bag_of_transfer.engine.cli import ToolParser, parser
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.process_group import LAUNCHERS
from bag_of_transfer.engine.stock_configs import config_path

__all__ = [
    "DETERMINISTIC",
    "add_amp_flag",
    "add_checkpoint",
    "add_config_flags",
    "add_data_root_flag",
    "add_launcher_flag",
    "add_options_flag",
    "add_run_flags",
    "add_seed_flag",
    "add_trained_network",
    "config_flags",
    "evaluation_parser",
    "training_parser",
]

DETERMINISTIC = "randomness.deterministic"  # what --deterministic sets in a config

DATA_SETS = "the data sets, for paths of a config that begin with {{$DATA_ROOT:data}}"
_GPUS = "choose GPUs with CUDA_VISIBLE_DEVICES, several with torchrun and --launcher pytorch"
_PICTURES = "pictures are drawn by tools/predict.py, with --truth test beside the annotations"
# Flags of OpenMMLab's tools that have another form here, with that form.
OPENMMLABS_FOR_TRAINING = {
    "--amp": "write --amp auto, which is the default, --amp fp16 or --amp bf16",
    "--auto-scale-lr": "write --cfg-options auto_scale_lr.enable=True",
    "--no-validate": "write --cfg-options val_dataloader=None val_cfg=None val_evaluator=None",
    "--resume-from": "write --resume PATH",
    "--options": "write --cfg-options K=V",
    **dict.fromkeys(("--gpus", "--gpu-id", "--gpu-ids"), _GPUS),
}
OPENMMLABS_FOR_TESTS = {
    **dict.fromkeys(("--show", "--show-dir"), _PICTURES),
    "--eval": "leave it out, the config's test_evaluator says what is measured",
    "--format-only": "write --cfg-options test_evaluator.format_only=True",
    "--options": "write --cfg-options K=V",
    **dict.fromkeys(("--gpus", "--gpu-id", "--gpu-ids"), _GPUS),
}
PICKLES = (".pkl", ".pickle")


def add_config_flags(to_parser: ToolParser, takes_stock: bool = True) -> None:
    """Add the flags of every tool that reads a config.

    Args:
        to_parser: Gets the flags.
        takes_stock: Whether the tool also takes configs of mmdet and mmseg.
    """
    stock = "; or mmdet::PATH, mmseg::PATH: a config that comes with that library"
    to_parser.add_argument(
        "config",
        type=config_path,
        help=f"config file (.py, or .json of --dump-config){stock if takes_stock else ''}",
    )
    add_data_root_flag(to_parser)
    add_options_flag(to_parser)
    to_parser.then_check(lambda args: check_config(args.config))


def add_data_root_flag(to_parser: argparse.ArgumentParser, what: str = DATA_SETS) -> None:
    """Add ``--data-root``, with what lies in the folder."""
    words = f"folder of {what} [$DATA_ROOT or data]"
    to_parser.add_argument("--data-root", type=Path, help=words)


def add_trained_network(to_parser: ToolParser) -> None:
    """Add the config and the checkpoint of a network that is trained already."""
    to_parser.add_argument(
        "config", type=config_path, help="config that the checkpoint was trained with"
    )
    to_parser.then_check(lambda args: check_config(args.config))
    add_checkpoint(to_parser)


def add_checkpoint(to_parser: ToolParser) -> None:
    """Add the checkpoint that a tool reads."""
    words = "checkpoint (.pth), or the file last_checkpoint of a work dir"
    to_parser.add_argument("checkpoint", type=Path, help=words)
    to_parser.then_check(lambda args: check_checkpoint(args.checkpoint))


def add_options_flag(to_parser: ToolParser) -> None:
    """Add ``--cfg-options``."""
    to_parser.add_argument(
        "--cfg-options",
        nargs="+",
        action="extend",  # the flag may be given again, as with mmengine's DictAction
        default=[],
        metavar="K=V",
        help="set values of the config: image_size=320 epochs=30, or any dotted key "
        "(docs/own_images.md lists the short names)",
    )
    to_parser.then_check(_check_options)


def _check_options(args: argparse.Namespace) -> None:
    if args.cfg_options:
        from bag_of_transfer.engine.config.override_value import (
            read_options,  # imports mmengine's config
        )

        read_options(args.cfg_options)


def add_seed_flag(to_parser: ToolParser, words: str = "random seed [the config's, else 0]") -> None:
    """Add ``--seed``, with what it decides."""
    to_parser.add_argument("--seed", type=int, help=words)
    to_parser.then_check(lambda args: check_seed(args.seed))


def add_amp_flag(to_parser: ToolParser) -> None:
    """Add ``--amp``, for a tool that trains or measures training."""
    to_parser.add_argument(
        "--amp",
        choices=[AUTO, *PRECISIONS],
        default=AUTO,
        help="mixed precision; auto: the config's, else bf16 where the hardware supports it",
    )


def add_run_flags(to_parser: ToolParser) -> None:
    """Add the flags of a tool that starts a run: its folder, its seed and its processes."""
    add_seed_flag(to_parser)
    to_parser.add_argument("--work-dir", type=Path, help="output folder [work_dirs/<config name>]")
    add_launcher_flag(to_parser)


def add_launcher_flag(to_parser: ToolParser) -> None:
    """Add ``--launcher``, which ``check_launcher`` checks."""
    to_parser.add_argument(
        "--launcher",
        choices=["none", *LAUNCHERS],
        default="none",
        help="what starts the processes of a run, with several GPUs: torchrun (pytorch), srun "
        "(slurm) or mpirun (mpi)",
    )
    to_parser.add_argument("--local_rank", "--local-rank", type=int, help=argparse.SUPPRESS)
    to_parser.then_check(lambda args: check_launcher(args.launcher))


def config_flags(args: argparse.Namespace) -> dict[str, Any]:
    """Return the flags of :func:`add_config_flags` by the names that ``load_config`` has."""
    names = ("data_root", "work_dir", "seed", "launcher")
    given = {name: getattr(args, name) for name in names if hasattr(args, name)}
    switched_on = [f"{DETERMINISTIC}=True"] if getattr(args, "deterministic", False) else []
    return {"options": [*args.cfg_options, *switched_on], **given}


def training_parser(description: str, example: str, takes_stock: bool = True) -> ToolParser:
    """Return the parser of ``train_cls.py`` and ``train.py``; see :func:`add_config_flags`."""
    training = parser(description, example)
    training.elsewhere |= OPENMMLABS_FOR_TRAINING
    add_config_flags(training, takes_stock)
    add_run_flags(training)
    add_amp_flag(training)
    training.add_argument(
        "--resume",
        nargs="?",
        const=AUTO,
        metavar="auto|PATH",
        help="go on from the newest complete checkpoint in the work dir, or from PATH",
    )
    training.add_argument(
        "--auto-batch",
        action="store_true",
        help="largest batch (a power of two) that fits the GPU; the lr follows its rule",
    )
    training.add_argument(
        "--deterministic",
        action="store_true",
        help="the same numbers each time on this hardware, or an error; slower on a GPU",
    )
    training.add_argument(
        "--tensorboard", action="store_true", help="also write events for TensorBoard"
    )
    training.add_argument(
        "--dump-config",
        type=Path,
        metavar="F.json",
        help="write the config as plain data, which trains the same; train nothing",
    )
    training.add_argument(
        "--dry-run",
        action="store_true",
        help="print what would be trained and how long it would take; train nothing",
    )
    training.then_check(_check_training)
    return training


def _check_training(args: argparse.Namespace) -> None:
    if args.resume not in (None, AUTO):
        check_checkpoint(Path(args.resume))
    without_effect = ("dry_run", "resume", "auto_batch", "tensorboard")
    given = [name for name in without_effect if getattr(args, name)] if args.dump_config else []
    if given:
        flag = f"--{given[0].replace('_', '-')}"
        raise UserError("nothing is run", f"--dump-config with {flag}", "leave out one of them")


def evaluation_parser(description: str, example: str, takes_stock: bool = True) -> ToolParser:
    """Return the parser of ``test_cls.py`` and ``test.py``; see :func:`add_config_flags`."""
    evaluation = parser(description, example)
    evaluation.elsewhere |= OPENMMLABS_FOR_TESTS
    add_config_flags(evaluation, takes_stock)
    add_run_flags(evaluation)
    add_checkpoint(evaluation)
    evaluation.add_argument("--out", type=Path, metavar="F.json", help="write the metrics here")
    evaluation.then_check(_check_out)
    return evaluation


def _check_out(args: argparse.Namespace) -> None:
    if args.out and args.out.suffix in PICKLES:
        mend = "name it F.json; tools/test.py writes predictions with --dump-predictions P"
        raise UserError("--out writes the metrics, as JSON", args.out, mend)
