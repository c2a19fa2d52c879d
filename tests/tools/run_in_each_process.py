"""Run tools, one after another, in each of two processes, as torchrun starts them.

The processes are forked from the tests' own, which has imported the libraries: importing them again
takes longer than the runs.
"""

import json
import multiprocessing
import os
import runpy
import sys
import warnings
from pathlib import Path
from typing import Any

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import elastic_launch
from torch.distributed.run import config_from_args, get_args_parser

from bag_of_transfer.engine.cli import run_tool
from bag_of_transfer.engine.config.process_setup import ignore_warning, prepare_process

__all__ = ["run_in_each_process"]

ROOT = Path(__file__).resolve().parents[2]
# As --standalone has them, and a fork.
FLAGS = ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", "--rdzv-id=tests"]
FLAGS += ["--nproc-per-node=2", "--start-method=fork"]
UNSEEN = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)


def run_in_each_process(plan: Path) -> str:
    """Run a plan, and return what all its processes have said.

    Args:
        plan: A JSON file with a list of [tool, [flags ...]]; ``{rank}`` in a flag becomes the
            process's number.  Exit codes are written to ``codes_rank{R}.json`` beside it.
    """
    said = plan.with_name("said.txt")
    process = multiprocessing.get_context("fork").Process(target=_launch, args=(plan, said))
    process.start()
    process.join(300)
    process.kill()  # nothing, if it has ended
    return said.read_text()


def _launch(plan: Path, said: Path) -> None:
    os.chdir(plan.parent)
    _speak_as_a_process_of_its_own(said)
    config = config_from_args(get_args_parser().parse_args([*FLAGS, __file__]))[0]
    try:
        elastic_launch(config, _run_plan)(plan)
    except ChildFailedError as error:
        print(error, file=sys.stderr)


def _speak_as_a_process_of_its_own(said: Path) -> None:
    """Write to a file instead of to pytest, and show the warnings that Python shows a user."""
    out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream, handle in (("stdout", 1), ("stderr", 2)):
        os.dup2(out, handle)
        setattr(sys, stream, os.fdopen(handle, "w", buffering=1, closefd=False))
    warnings.resetwarnings()
    for kind in UNSEEN:
        warnings.simplefilter("ignore", kind)
    ignore_warning.cache_clear()
    prepare_process()
    warnings.showwarning = _show


def _show(*what: Any) -> None:
    print(warnings.formatwarning(*what[:4]), file=sys.stderr)


def _run_plan(plan: Path) -> None:
    rank, codes = os.environ["RANK"], []
    for tool, flags in json.loads(plan.read_text()):
        entry = runpy.run_path(str(ROOT / "tools" / f"{tool}.py"))["main"]
        codes.append(run_tool(entry, [flag.replace("{rank}", rank) for flag in flags]))
        plan.with_name(f"codes_rank{rank}.json").write_text(json.dumps(codes))
    sys.exit(codes[-1])
