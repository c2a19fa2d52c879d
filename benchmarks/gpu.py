"""Training on one GPU: ours and the peers, in pieces that take less than 8 minutes each.

Command:   python benchmarks/gpu.py --piece pretrain|detection|segmentation|loader
The note of a pretraining's way is its share of the bandwidth floor: what the device could train if
it did nothing but move the bytes of a ResNet-50-D's step with batch norm fused, 325 MB an image of
224 px in 16 bits (derived from the sizes of its maps), at the rate at which it copies memory.
"""

import argparse
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

import torch

from rounds import Comparison, compare, main
from steps import Maker, Step, classifiers_on_gpu, detectors, segmenters

FLOOR_BYTES = 325e6
NEEDED = {  # against the way that is the reference: by hand, stock
    "pretrain": {"ours": 0.98},
    "detection": {"ours": 1.5},
    "segmentation": {"ours": 1.5},
}


def wait(device: str) -> None:
    """Wait until the device has done all work."""
    if device != "cpu":
        torch.cuda.synchronize()


def repeat(step: Step, times: int, device: str) -> None:
    """Take some steps and wait for them."""
    for _ in range(times):
        step()
    wait(device)


def first_steps(make: Maker, device: str) -> tuple[Step, float]:
    """Build and take the steps that compile and choose kernels; return also the peak in GB."""
    if device == "cpu":
        step = make()
        repeat(step, 1, device)
        return step, 0.0
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    step = make()
    repeat(step, 5, device)
    return step, (torch.cuda.max_memory_allocated() - before) / 1e9


def bytes_per_second(device: str, megabytes: int = 2048) -> float:
    """Return how many bytes the device reads and writes per second while it copies."""
    source = torch.empty(megabytes << 20, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    found = compare(
        f"copying {megabytes} MB",
        {"copy": lambda: repeat(lambda: target.copy_(source), 10, device)},
        rounds=5,
    )
    return 2 * 10 * source.numel() / median(found.ways[0].seconds)


def steps(args: argparse.Namespace) -> Comparison:
    """Compare the steps of one task."""
    kinds = {
        "pretrain": (classifiers_on_gpu, (args.depth, args.px or 224, args.batch or 256)),
        "detection": (detectors, ("faster-rcnn_fpn", args.px or 800, args.batch or 8)),
        "segmentation": (segmenters, ("fcn_r50-d8", args.px or 512, args.batch or 16)),
    }
    makers_of, sizes = kinds[args.piece]
    found = {
        way: first_steps(make, args.device)
        for way, make in makers_of(*sizes, device=args.device).items()
        if not (args.no_compile and "compile" in way)
    }
    compared = compare(
        f"{args.piece}: {sizes[0]}, {sizes[1]} px, batch {sizes[2]}",
        {way: partial(repeat, step, args.steps, args.device) for way, (step, _) in found.items()},
        rounds=args.rounds,
        work=args.steps * sizes[2],
        unit="image",
        targets=NEEDED[args.piece],
        warm=False,
    )
    floor = None
    if args.piece == "pretrain" and sizes[:2] == (50, 224) and args.device != "cpu":
        floor = bytes_per_second(args.device) / FLOOR_BYTES
    for way in compared.ways:
        if way.name in found:
            way.note = f"peak {found[way.name][1]:.1f} GB"
        if floor:
            share = compared.work / median(way.seconds) / floor
            way.note += f" {share:.0%} of the floor"
    return compared


def loader(args: argparse.Namespace) -> Comparison:
    """Compare loaders that fill batches from drawn JPEGs with all cores."""
    from torch.utils.data import DataLoader

    from input_path import PIPELINES, draw

    ways = [name for name in PIPELINES if name != "reading alone" and "before" not in name]
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder), args.files)
        files = [str(file) for file in sorted(Path(folder).iterdir())] * args.times

        def load(name: str) -> None:
            for batch in DataLoader(
                _Inputs(files, name), batch_size=args.batch or 256, num_workers=args.workers
            ):
                batch.to(args.device, non_blocking=True)
            wait(args.device)

        return compare(
            f"{len(files)} JPEGs, {args.workers} workers, to the device",
            {name: partial(load, name) for name in ways},
            rounds=args.rounds,
            work=len(files),
            unit="image",
            targets={"ours, crop and flip": 1.7},
            warm=False,
        )


class _Inputs(torch.utils.data.Dataset):
    """Inputs of files, made by one of the pipelines of input_path.py."""

    def __init__(self, files: list[str], pipeline: str) -> None:
        self.files, self.pipeline = files, pipeline

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        from input_path import PIPELINES

        return torch.as_tensor(PIPELINES[self.pipeline](self.files[index]))


def measure(args: argparse.Namespace) -> Iterator[Comparison]:
    """Yield the comparison of one piece."""
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    yield loader(args) if args.piece == "loader" else steps(args)


def run() -> None:
    """Measure the piece that the flags name."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--piece", choices=[*NEEDED, "loader"], required=True)
    parser.add_argument("--device", default="cuda", help="(cuda)")
    parser.add_argument("--steps", type=int, default=30, help="in each round (30)")
    parser.add_argument("--depth", type=int, default=50, help="of the ResNet-D (50)")
    parser.add_argument("--px", type=int, help="(224, 800 or 512)")
    parser.add_argument("--batch", type=int, help="(256, 8 or 16)")
    parser.add_argument("--workers", type=int, default=16, help="of the loader (16)")
    parser.add_argument("--files", type=int, default=400, help="drawn JPEGs (400)")
    parser.add_argument("--times", type=int, default=20, help="that each is loaded (20)")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    main(__doc__, measure, parser=parser)


if __name__ == "__main__":
    run()
