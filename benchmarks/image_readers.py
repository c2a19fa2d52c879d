"""How fast images are decoded: our reader, what it replaced, and the decoders to choose from.

Command:   python benchmarks/image_readers.py FOLDER [COUNT]
Reads up to COUNT (100) JPEGs spread over FOLDER, and copies of them as PNG and WebP, in one thread.
Prints microseconds per image, the fastest of ROUNDS rounds (other processes disturb it least), and
by how many levels the pixels differ from Pillow's at most.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import numpy as np
import torch
from mmcv.transforms import LoadImageFromFile
from PIL import Image, ImageOps
from torchvision.io import ImageReadMode, decode_image, read_file

import jpegs
from bag_of_transfer.engine.cli import ToolParser
from bag_of_transfer.engine.data.image_reader import ReadImage, read_image

ROUNDS = 40
LOAD, READ, KEEP = LoadImageFromFile(), ReadImage(), ReadImage(keep_mb=1000)


def by_pillow(path: str) -> np.ndarray:
    """Read as the classifiers' reader did."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))[..., ::-1]


def by_torchvision(path: str) -> np.ndarray:
    """Read as torchvision does, then as mm pipelines expect it."""
    rgb = decode_image(read_file(path), ImageReadMode.RGB, apply_exif_orientation=True)
    return np.ascontiguousarray(rgb.numpy()[::-1].transpose(1, 2, 0))


READERS: dict[str, Callable[[str], np.ndarray]] = {
    "mmcv (OpenCV), BGR array": lambda path: LOAD({"img_path": path})["img"],
    "ours, BGR array": lambda path: READ({"img_path": path})["img"],
    "ours, kept in memory": lambda path: KEEP({"img_path": path})["img"],
    "torchvision, BGR array": by_torchvision,
    "Pillow, RGB image": by_pillow,
    "ours, RGB image": lambda path: np.asarray(read_image(path))[..., ::-1],
}


def copies(files: list[Path], suffix: str, folder: Path) -> list[str]:
    """Save the images in another format."""
    paths = [folder / f"{number}{suffix}" for number in range(len(files))]
    for file, path in zip(files, paths, strict=True):
        Image.open(file).convert("RGB").save(path)
    return [str(path) for path in paths]


def measure(paths: list[str]) -> None:
    """Measure in turn, so that a drift of the machine hits all alike."""
    seconds = dict.fromkeys(READERS, 0.0)
    differs = dict.fromkeys(READERS, 0)
    for path in paths:
        best = dict.fromkeys(READERS, float("inf"))
        expected = by_pillow(path).astype(int)
        for _ in range(ROUNDS):
            for name, reader in READERS.items():
                started = time.perf_counter()
                reader(path)
                best[name] = min(best[name], time.perf_counter() - started)
        for name, reader in READERS.items():
            seconds[name] += best[name]
            differs[name] = max(differs[name], int(abs(reader(path) - expected).max()))
    for name, total in seconds.items():
        print(f"  {name:26} {1e6 * total / len(paths):6.0f} us, differs by {differs[name]}")


def main() -> None:
    """Measure the folder's images in three formats."""
    parser = ToolParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int, nargs="?", default=100)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    files = jpegs.below(args.folder, parser)
    files = files[:: max(1, len(files) // args.count)][: args.count]
    with tempfile.TemporaryDirectory() as aside:
        formats = {"JPEG": [str(file) for file in files]}
        formats |= {suffix: copies(files, suffix, Path(aside)) for suffix in (".png", ".webp")}
        for name, paths in formats.items():
            print(f"{name}, {len(paths)} images")
            measure(paths)


if __name__ == "__main__":
    main()
