"""What a GPU makes of training: our steps and our loader, and the peers', a piece at a time.

Command:   python benchmarks/gpu.py --piece pretrain --json pretrain.json
Pieces:    pretrain       ResNet-50-D, 224 px, batch 256; expected to take 7 minutes on an H100
           detection      Faster R-CNN R50-FPN, 800 x 1344 px, batch 2; 4 minutes
           segmentation   FCN R50-D8, 512 px, batch 4; 3 minutes
           loader         JPEGs of ImageNet's size, to floats of 224 px on the device; 4 minutes
Result:    unmeasured; the minutes are estimates
Images are drawn and on the device already, except the loader's.  A run is some steps between two
points at which the device has nothing left to do.  A peer that is not installed, and a way that
fails here, are left out with a line.  The floor is that of memory: the bytes that ResNet-50-D moves
per image if batch norm and ReLU are one kernel, at the bandwidth of a copy, which is measured.
Without a GPU: --device cpu, with small sizes, tries the script; its figures mean nothing.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from mmengine.device import get_device

import loaders
from rounds import CLOCKS, Comparison, Way, compare, main
from runner_steps import Work, detection, pretraining, segmentation
from steps import Maker, Step

# bf16, forward and backward: convolutions read and write, batch norm reads for its statistics and
# once more to normalise.  Derived from the sizes of all maps of ResNet-50-D at 224 px.
BYTES_PER_IMAGE, BYTES_AT_PX = 325e6, 224
COPIED = {"cuda": 2**30, "cpu": 2**24}  # bytes: more than any cache has
# The ratio that a way is to reach beside another.
AIMS: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "pretrain": {
        "ours": {
            "by hand, bf16, channels last": 0.98,
            "stock mmengine: fp16, channels first": 2.0,
        },
        "ours, compile=True": {
            "timm, the same compiled": 1.05,
            "timm, bf16, channels last": 1.25,
        },
    },
    "detection": {"ours": {"mmdet": 1.5}},
    "segmentation": {"ours": {"mmseg": 1.5}},
}
FLOOR_AIM = 0.55


@dataclass
class Ready:
    """A way that has been built and warmed up; ``peak`` in bytes is 0 without a GPU."""

    run: Callable[[], float]
    peak: int


def wait() -> None:
    """Let the device finish."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def ready(make: Maker, steps: int, warm: int, clock: Callable[[], float]) -> Ready:
    """Build a way and take its first steps.

    Args:
        make: Builds it.
        steps: Of a measured run.
        warm: Steps before: kernels are chosen, memory is allocated, code is compiled.
        clock: In seconds.
    """
    on_gpu = torch.cuda.is_available()
    torch.backends.cudnn.benchmark = False
    before = torch.cuda.memory_allocated() if on_gpu else 0
    step = make()
    tries = torch.backends.cudnn.benchmark  # what this way has chosen for the process
    step()
    wait()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    repeat(step, warm)
    wait()
    peak = torch.cuda.max_memory_allocated() - before if on_gpu else 0

    def run() -> float:
        torch.backends.cudnn.benchmark = tries
        if on_gpu:
            step()  # after another way's: its memory may have to be given back first
        wait()
        started = clock()
        repeat(step, steps)
        wait()
        return clock() - started

    return Ready(run, peak)


def repeat(step: Step, times: int) -> None:
    """Take some steps."""
    for _ in range(times):
        step()


def all_ready(makers: Mapping[str, Maker], args: argparse.Namespace) -> dict[str, Ready]:
    """Build the ways one after the other; leave out, with a line, those that fail.

    Raises:
        Exception: What the reference, the first, raises: there is no ratio without it.
    """
    found = {}
    for name, make in makers.items():
        if args.no_compile and "compile" in name:
            continue
        print(f"{name}: first steps", file=sys.stderr, flush=True)
        try:
            found[name] = ready(make, args.steps, args.warm, CLOCKS[args.clock])
        except Exception as error:  # of any library: the others are still worth their minutes
            if not found:
                raise
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            print(f"{name} is left out: {reason}", file=sys.stderr, flush=True)
    return found


def compare_steps(
    what: str, makers: Mapping[str, Maker], args: argparse.Namespace, floor: float | None = None
) -> Comparison:
    """Measure the ways in turn; note peak memory, share of the floor, and ratios with an aim.

    Args:
        what: The work.
        makers: By name; the first is the reference.
        args: The flags.
        floor: Images per second at the bandwidth of memory, of the networks that it is known of.
    """
    found = all_ready(makers, args)
    aims, first = AIMS.get(args.piece, {}), next(iter(makers))
    compared = compare(
        what,
        {name: way.run for name, way in found.items()},
        rounds=args.rounds,
        work=args.steps * args.batch,
        unit="image",
        targets={name: peers[first] for name, peers in aims.items() if first in peers},
        clock=args.clock,
        warm=False,
    )
    ways = {way.name: way for way in compared.ways}
    for name, way in ways.items():
        peak = found[name].peak if name in found else 0
        notes = [f"peak {peak / 2**20:,.0f} MiB"] if peak else []
        if floor:
            share = compared.work / median(way.seconds) / floor
            notes.append(f"{share:.1%} of the floor (aim {FLOOR_AIM:.0%})")
        notes += [
            f"{ratio(way, ways[peer]):.2f} beside {peer} (aim {aim})"
            for peer, aim in aims.get(name, {}).items()
            if peer in ways and peer != first
        ]
        way.note = "; ".join(notes)
    return compared


def ratio(way: Way, peer: Way) -> float:
    """Return how many times faster a way is than another: the median of the rounds."""
    return median(b / a for a, b in zip(way.seconds, peer.seconds, strict=True))


def bandwidth(times: int = 10) -> float:
    """Return the bytes per second that a copy on the device reads and writes, at best."""
    source = torch.zeros(COPIED[get_device()], dtype=torch.uint8, device=get_device())
    target, seconds = torch.empty_like(source), []
    for _ in range(times):
        wait()
        started = CLOCKS["wall"]()
        target.copy_(source)
        wait()
        seconds.append(CLOCKS["wall"]() - started)
    return 2 * source.nbytes / min(seconds)


def pretrain(args: argparse.Namespace, folder: Path) -> Iterator[Comparison]:
    """Compare steps of pretraining."""
    (px, _), floor = args.px, None
    name = f"ResNet-{args.depth}-D, {px} px, batch {args.batch}"
    if args.depth == 50:
        speed = bandwidth()
        floor = speed / (BYTES_PER_IMAGE * (px / BYTES_AT_PX) ** 2)
        name += f"; a copy moves {speed / 1e12:.3g} TB/s, the floor is {floor:,.0f} images/s"
    yield compare_steps(name, pretraining(args.depth, px, args.batch, folder), args, floor)


def detect(args: argparse.Namespace, folder: Path) -> Iterator[Comparison]:
    """Compare steps of Faster R-CNN."""
    what = f"Faster R-CNN, {args.px[0]} x {args.px[1]} px, batch {args.batch}"
    works = detection(args.px, args.batch, folder, args.configs)
    yield compare_steps(what, _with_stock("mmdet", *works), args)


def segment(args: argparse.Namespace, folder: Path) -> Iterator[Comparison]:
    """Compare steps of FCN."""
    what = f"FCN, {args.px[0]} x {args.px[1]} px, batch {args.batch}"
    works = segmentation(args.px, args.batch, folder, args.configs)
    yield compare_steps(what, _with_stock("mmseg", *works), args)


def _with_stock(library: str, ours: Work, stock: Work) -> dict[str, Maker]:
    return {
        library: lambda: stock.stock(amp=False),
        f"{library}, AMP": lambda: stock.stock(amp=True),
        "ours": ours.ours,
        "ours, compile=True": lambda: ours.ours(compiled=True),
    }


def load(args: argparse.Namespace, folder: Path) -> Iterator[Comparison]:
    """Compare loaders."""
    yield from loaders.comparisons(args, folder, wait)


# Of a piece: its function, sizes and batch where the user does not say.
PIECES = {
    "pretrain": (pretrain, (224, 224), 256),
    "detection": (detect, (800, 1344), 2),
    "segmentation": (segment, (512, 512), 4),
    "loader": (load, (224, 224), 64),
}


def measure(args: argparse.Namespace) -> Iterator[Comparison]:
    """Yield the comparisons of a piece.

    Raises:
        SystemExit: If torch computes on another device than the one asked for.
    """
    if get_device() != args.device:
        sys.exit(f"--device {args.device}: torch computes on {get_device()} here")
    function, sizes, batch = PIECES[args.piece]
    args.px = (args.px * 2)[:2] if args.px else sizes
    args.batch = args.batch or batch
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        yield from function(args, Path(folder))


def flags() -> argparse.ArgumentParser:
    """Return the parser of the script's own flags."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--piece", choices=list(PIECES), required=True)
    parser.add_argument("--device", choices=list(COPIED), default="cuda", help="(cuda)")
    parser.add_argument("--px", type=int, nargs="+", help="side, or height and width")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--steps", type=int, default=20, help="of a run (20)")
    parser.add_argument("--warm", type=int, default=10, help="steps before (10)")
    parser.add_argument("--depth", type=int, default=50, help="of the network to pretrain (50)")
    parser.add_argument("--no-compile", action="store_true", help="leave out what compiles")
    parser.add_argument("--configs", nargs=2, metavar=("OURS", "STOCK"), help="for a fine-tuning")
    parser.add_argument("--images", type=int, default=512, help="of a loader's run, a worker (512)")
    parser.add_argument("--workers", type=int, nargs="+", help="of the loader (1, 2, 4, ... cores)")
    return parser


if __name__ == "__main__":
    main(__doc__, measure, rounds=3, parser=flags())
