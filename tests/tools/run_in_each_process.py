"""Run tools, one after another, in each of two processes, as torchrun starts them.

The argument is a JSON file with a list of [tool, [flags ...]]; ``{rank}`` in a flag becomes the
process's number.  Exit codes are written to ``codes_rank{R}.json`` beside it.  The processes are
forked from one that has imported the libraries, which takes longer than the runs.
"""

import gc
import json
import os
import runpy
import sys
from pathlib import Path

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import elastic_launch
from torch.distributed.run import config_from_args, get_args_parser

import bag_of_transfer.classification
import bag_of_transfer.detection
import bag_of_transfer.segmentation  # noqa: F401
from bag_of_transfer.engine.cli import run_tool

ROOT = Path(__file__).resolve().parents[2]
# As --standalone has them, and a fork.
FLAGS = ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", "--rdzv-id=tests"]
FLAGS += ["--nproc-per-node=2", "--start-method=fork"]


def run_plan(plan: Path) -> None:
    rank, codes = os.environ["RANK"], []
    for tool, flags in json.loads(plan.read_text()):
        entry = runpy.run_path(str(ROOT / "tools" / f"{tool}.py"))["main"]
        codes.append(run_tool(entry, [flag.replace("{rank}", rank) for flag in flags]))
        plan.with_name(f"codes_rank{rank}.json").write_text(json.dumps(codes))
    sys.exit(codes[-1])


if __name__ == "__main__":
    gc.freeze()  # mmengine collects garbage whenever a data set is built
    config = config_from_args(get_args_parser().parse_args([*FLAGS, __file__]))[0]
    try:
        elastic_launch(config, run_plan)(Path(sys.argv[1]))
    except ChildFailedError as error:
        sys.exit(str(error))
