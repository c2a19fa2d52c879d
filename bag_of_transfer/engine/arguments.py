"""What is checked of a command line before anything that takes seconds is imported.

The functions that use the arguments later call the same checks, so that the words are the same.
"""

import os
import shlex
from collections.abc import Collection
from numbers import Integral
from pathlib import Path
from typing import Final

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.numbers import is_whole
from bag_of_transfer.engine.process_group import LAUNCHERS
from bag_of_transfer.engine.run_files import follow_pointer
from bag_of_transfer.engine.stock_configs import nearest_stock_config

__all__ = [
    "AUTO",
    "PRECISIONS",
    "SCRATCH",
    "check_backbone",
    "check_checkpoint",
    "check_choice",
    "check_config",
    "check_count",
    "check_launcher",
    "check_seed",
    "check_weights",
]

# In place of a checkpoint to resume: the newest complete one; of a layout: the one that fits.
AUTO = "auto"
PRECISIONS = ("off", "fp16", "bf16")  # of --amp, beside auto
SUFFIXES = (".pth", ".pt", ".tar", ".ckpt", ".bin", ".pkl", ".safetensors", ".params")
SCRATCH: Final = "scratch"  # in place of a backbone file: a random start
NUM_SEEDS = 2**32  # numpy.random.seed takes 32 bits


def check_config(path: Path) -> None:
    """Check that a config exists.

    Raises:
        UserError: If there is no such file.
    """
    if not path.is_file():
        nearest = nearest_stock_config(path)
        hint = f"did you mean {nearest}?" if nearest else "see configs/ for the configs there are"
        raise UserError("no such config", path, hint)


def check_checkpoint(path: Path) -> None:
    """Check that a checkpoint exists, or the one that a run's ``last_checkpoint`` names.

    Raises:
        UserError: If there is no such file or folder.
    """
    named = follow_pointer(path)
    if not (named.is_file() or named.is_dir()):
        raise UserError("no such checkpoint", named, "check the path; checkpoints end in .pth")


def check_weights(path: Path) -> None:
    """Check that a file of weights exists.

    Raises:
        UserError: If there is no such file or folder.
    """
    if path.is_file() or path.is_dir():
        return
    mend = "check the path"
    is_address = ":/" in str(path)  # a path has a single slash there
    if is_address or (path.parent == Path() and path.suffix.lower() not in SUFFIXES):
        name = "NAME" if is_address else shlex.quote(str(path))
        mend += f"; tools/convert_weights.py {name} OUT.safetensors fetches public weights by name"
    raise UserError("no such file of weights", path, mend)


def check_backbone(choice: str | Path | None) -> None:
    """Check that what ``--backbone`` names exists, unless it is a random start.

    Raises:
        UserError: If there is no such file.
    """
    if choice is not None and str(choice) != SCRATCH:
        check_weights(Path(choice))


def check_choice(value: object, choices: Collection[str], where: str) -> None:
    """Check that a value is one of the choices, which the parser does for a flag.

    Raises:
        UserError: If it is not.
    """
    if value not in choices:
        raise UserError(f"{value!r} is not known", where, f"use one of {', '.join(choices)}")


def check_count(number: int | None, where: str) -> None:
    """Check that a number is 1 or more, if one was given.

    Raises:
        UserError: If it is not.
    """
    if number is not None and not (isinstance(number, Integral) and number >= 1):
        mend = "give a whole number, 1 or more"
        raise UserError(f"{number!r} is not a valid number", where, mend)


def check_seed(seed: object, where: str = "--seed") -> None:
    """Check that NumPy takes a seed.

    Args:
        seed: What was given; None: nothing.
        where: The flag or key, for the error.

    Raises:
        UserError: If it does not.
    """
    if seed is not None and not (is_whole(seed) and 0 <= seed < NUM_SEEDS):
        mend = f"use a whole number, 0 to {NUM_SEEDS - 1}"
        raise UserError(f"{seed!r} is not a valid seed", where, mend)


def check_launcher(launcher: str) -> None:
    """Check that a launcher has started this process.

    Raises:
        UserError: If it has not.
    """
    if launcher != "none" and LAUNCHERS[launcher] not in os.environ:
        start = {"pytorch": "torchrun", "slurm": "srun", "mpi": "mpirun"}[launcher]
        what = f"the environment variable {LAUNCHERS[launcher]} is not set"
        mend = f"start the tool with {start}, or leave --launcher out"
        raise UserError(what, f"--launcher {launcher}", mend)
