"""What one training step costs: ours, and the peers' step of a network of the same shapes.

Command:   python benchmarks/train_step.py
Peers compute in float32, channels first, as they do by default on a CPU; ours in what training
chooses on this machine.  Memory is the largest growth of the process while a network is built and
takes two steps, after another of its kind has taken one: what the process loads once is there then.
"""

import argparse
import ctypes
import gc
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch

from bag_of_transfer.engine.loop.precision import fast_precision
from rounds import Comparison, compare, main
from steps import Maker, Step, classifiers, detectors, segmenters

# Kind, sizes, and how many steps make a measurement of about a second.
SLIM_FCN = ("FCN, slim, 96 px, batch 8", segmenters, ("fcn_r18-d8_slim", 96, 8), 8)
SLIM_RCNN = (
    *("Faster R-CNN, slim, 128 px, batch 8", detectors),
    *(("faster-rcnn_fpn_slim", 128, 8), 3),
)
WORK = {
    "classifier": ("ResNet-50-D, 224 px, batch 16", classifiers, (50, 224, 16), 1),
    "slim-fcn": SLIM_FCN,
    "slim-rcnn": SLIM_RCNN,
    "fcn": ("FCN R50-D8, 128 px, batch 4", segmenters, ("fcn_r50-d8", 128, 4), 1),
    "rcnn": ("Faster R-CNN R50-FPN, 256 px, batch 2", detectors, ("faster-rcnn_fpn", 256, 2), 1),
}
# Where the machine multiplies in bf16; elsewhere ours has to be no slower.
AIMS = {"classifier": 2.2, "slim-fcn": 1.5, "slim-rcnn": 1.5, "fcn": 1.5, "rcnn": 1.5}


def first_steps(make: Maker) -> tuple[Step, int]:
    """Build and take two steps; return also how many MB that took at most (Linux)."""
    make()()  # kernels and caches, which stay, would count for the way that is measured first
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # what was freed is not to be used again unseen
    Path("/proc/self/clear_refs").write_text("5")  # starts the peak anew
    before = _memory("VmRSS")
    step = make()
    repeat(step, 2)
    return step, (_memory("VmHWM") - before) // 1024


def _memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def repeat(step: Step, times: int) -> None:
    """Take some steps."""
    for _ in range(times):
        step()


def measure(args: argparse.Namespace) -> Iterator[Comparison]:
    """Yield the comparisons one by one."""
    torch.manual_seed(0)
    for name in args.only or WORK:
        what, makers_of, sizes, repeats = WORK[name]
        found = {way: first_steps(make) for way, make in makers_of(*sizes).items()}
        compared = compare(
            what,
            {way: partial(repeat, step, repeats) for way, (step, _) in found.items()},
            rounds=args.rounds,
            work=repeats * sizes[2],
            unit="image",
            targets={"ours": AIMS[name] if fast_precision() == "bf16" else 1.0},
            clock=args.clock,
            warm=False,
        )
        for way in compared.ways:
            way.note = f"peak {found[way.name][1]:,} MB" if way.name in found else ""
        yield compared


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", choices=list(WORK), help="(all)")
    main(__doc__, measure, parser=parser)
