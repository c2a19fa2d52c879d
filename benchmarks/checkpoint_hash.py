"""What a checkpoint's manifest costs: a save and a load with and without the hash.

Command:   python benchmarks/checkpoint_hash.py [--folder DIR]
A save is torch.save into memory and the write with fsync, into a folder of --folder (the system's
temporary one).  A load reads the file from the page cache.
"""

import argparse
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from bag_of_transfer.engine.atomic import write_bytes
from bag_of_transfer.engine.manifest import write_checkpoint
from bag_of_transfer.engine.weights.checkpoints import load_checkpoint
from rounds import Comparison, compare, main

MEGABYTES = (100, 300)  # weights of a ResNet-50; with momentum and an average


def comparisons(args: argparse.Namespace) -> Iterator[Comparison]:
    """Measure a save and a load of each size."""
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for size in MEGABYTES:
            yield from _of_size(size, Path(folder), args)


def _of_size(megabytes: int, folder: Path, args: argparse.Namespace) -> Iterator[Comparison]:
    contents = {"state_dict": {"a": torch.randn(megabytes * 2**18)}}
    plain, checked = folder / "plain.pth", folder / "checked.pth"

    def data() -> bytes:
        stream = io.BytesIO()
        torch.save(contents, stream)
        return stream.getvalue()

    def load_checked() -> None:
        checked.touch()  # the hash of a file that has not changed is remembered
        load_checkpoint(checked)

    given = {"rounds": args.rounds, "clock": args.clock}
    saves = {
        "without a manifest": lambda: write_bytes(plain, data()),
        "with a manifest": lambda: write_checkpoint(checked, data(), {}),
    }
    yield compare(f"a save of {megabytes} MB", saves, **given)
    loads = {"not checked": lambda: load_checkpoint(plain), "checked": load_checked}
    yield compare(f"a load of {megabytes} MB", loads, **given)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, help="where files are written")
    main(__doc__, comparisons, parser=parser)
