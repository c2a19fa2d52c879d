"""How fast one core turns JPEGs into training inputs of 224 px: our pipelines and others'.

Command:   python benchmarks/input_path.py [FOLDER]
Reads up to COUNT JPEGs of FOLDER; without it, COUNT drawn ones of about 466 x 388 px and 100 KB, as
ImageNet's are.  One thread.  Each of ROUNDS rounds runs every pipeline on every picture, all with
the same seed; printed are the median milliseconds per picture, and the median of the rounds' ratios
to the reference, with the smallest and largest.

The reference is torchvision's references/classification at its defaults: Pillow, then
RandomResizedCrop, flip, floats and normalisation of the first version of its transforms.  Ours
return bytes, which the device normalises; "as floats" does it here.  timm's return bytes, too.
The last lines tell how far the pixels are from those of Pillow's crop, in levels of 255.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import numpy as np
import torch
from PIL import Image
from timm.data import create_transform
from torchvision import transforms as v1
from torchvision.io import ImageReadMode, decode_image, read_file
from torchvision.transforms import v2

from bag_of_transfer.classification.image_folder import read_input
from bag_of_transfer.classification.transforms import build_pipeline, planes
from bag_of_transfer.engine.image_reader import PixelReader, read_pixels

COUNT, ROUNDS, SIZE = 200, 3, 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # torchvision's and timm's
Pipeline = Callable[[str], object]
READER = PixelReader()

FLIP, TENSOR = dict(type="torchvision/RandomHorizontalFlip"), dict(type="torchvision/PILToTensor")
COLOURS = [dict(type="HSVScale"), dict(type="PCANoise")]
by_pillow = build_pipeline([dict(type="torchvision/RandomResizedCrop", size=SIZE), FLIP, TENSOR])
ours = build_pipeline([dict(type="RandomResizedCrop", size=SIZE), FLIP, TENSOR])
in_colour = build_pipeline([dict(type="RandomResizedCrop", size=SIZE), FLIP, *COLOURS, TENSOR])
normalise = v1.Compose([v1.ConvertImageDtype(torch.float), v1.Normalize(MEAN, STD)])
to_bytes = [v1.RandomResizedCrop(SIZE, antialias=True), v1.RandomHorizontalFlip(), v1.PILToTensor()]
reference = v1.Compose([*to_bytes, normalise])
best_of_torchvision = v2.Compose(
    [
        v2.RandomResizedCrop(SIZE, antialias=True),
        v2.RandomHorizontalFlip(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(MEAN, STD),
    ]
)
of_timm = {
    jitter: create_transform(
        SIZE, is_training=True, use_prefetcher=True, interpolation="bilinear", color_jitter=jitter
    )
    for jitter in (None, 0.4)
}


def with_pillow(path: str) -> Image.Image:
    """Read as torchvision's ImageFolder does."""
    with open(path, "rb") as file:
        return Image.open(file).convert("RGB")


def run(pipeline: Callable[[object], object]) -> Pipeline:
    """Read as our ImageFolder does, then transform."""
    return lambda path: planes(pipeline(read_input(path, READER, pipeline)))


PIPELINES: Mapping[str, Pipeline] = {
    "torchvision's reference": lambda path: reference(with_pillow(path)),
    "the same again": lambda path: reference(with_pillow(path)),
    "torchvision's v2, io, floats": lambda path: best_of_torchvision(
        decode_image(read_file(path), ImageReadMode.RGB)
    ),
    "timm, crop and flip": lambda path: of_timm[None](with_pillow(path)),
    "timm with ColorJitter": lambda path: of_timm[0.4](with_pillow(path)),
    "ours, through Pillow": run(by_pillow),
    "ours": run(ours),
    "ours, as floats": lambda path: normalise(run(ours)(path)),
    "ours, HSV and PCA": run(in_colour),
    "reading alone": read_pixels,
}


def draw(folder: Path) -> None:
    """Draw noise of several sizes, discs and rectangles, as smooth and as sharp as photographs."""
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        width, height = (int(side) for side in rng.uniform(0.75, 1.25, 2) * (466, 388))
        pixels = np.tile(rng.uniform(40, 215, 3).astype(np.float32), (height, width, 1))
        for cells in (3, 8, 24, 80, 200):
            noise = rng.normal(0, 130 / cells**0.55, (cells, cells, 3)).astype(np.float32)
            pixels += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
        for _ in range(6):
            x, y, size = rng.integers((0, 0, 8), (width, height, 120)).tolist()
            colour = rng.uniform(0, 255, (2, 3))
            cv2.circle(pixels, (x, y), size, colour[0].tolist(), cv2.FILLED, cv2.LINE_AA)
            cv2.rectangle(pixels, (y, x), (y + size, x + size), colour[1].tolist(), 3)
        pixels += rng.normal(0, 19, pixels.shape)
        quality = [cv2.IMWRITE_JPEG_QUALITY, 90]
        cv2.imwrite(str(folder / f"{number:03}.jpg"), pixels.clip(0, 255).astype(np.uint8), quality)


def measure(files: list[str]) -> None:
    """Run all pipelines on one picture after the other: a busy machine hits all alike."""
    spent = {name: [0.0] * ROUNDS for name in PIPELINES}
    for number in range(ROUNDS):
        for file in files:
            for name, pipeline in PIPELINES.items():
                torch.manual_seed(number)
                started = time.perf_counter()
                pipeline(file)
                spent[name][number] += 1000 * (time.perf_counter() - started) / len(files)
    base = spent["torchvision's reference"]
    for name, times in spent.items():
        ratios = [of_base / time for of_base, time in zip(base, times, strict=True)]
        spread = f"{median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"  {name:29} {median(times):6.2f} ms  {spread}")


def compare(files: list[str]) -> None:
    """Print how far our pixels are from those that Pillow resizes."""
    largest, means = 0, []
    for seed, file in enumerate(files):
        pair = []
        for pipeline in (ours, by_pillow):
            torch.manual_seed(seed)
            pair.append(run(pipeline)(file).int())
        difference = (pair[0] - pair[1]).abs()
        largest = max(largest, int(difference.max()))
        means.append(float(difference.float().mean()))
    print(f"  from Pillow's crop: at most {largest}, mean {sum(means) / len(means):.3f}")


def main(folder: str = "") -> None:
    """Measure the folder's pictures, or drawn ones."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as aside:
        if not folder:
            draw(Path(aside))
        files = sorted(Path(folder or aside).rglob("*.jp*g"))[:COUNT]
        size = sum(file.stat().st_size for file in files) / len(files) / 1000
        print(f"{len(files)} JPEGs of {size:.0f} kB, torch {torch.__version__}")
        measure([str(file) for file in files])
        compare([str(file) for file in files])


if __name__ == "__main__":
    main(*sys.argv[1:])
