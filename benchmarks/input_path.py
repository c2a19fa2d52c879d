"""How fast one core turns JPEGs into training inputs of 224 px: our pipelines and others'.

Command:   python benchmarks/input_path.py --threads 1 [--folder FOLDER]
Pictures are drawn, of about 466 x 388 px and 95 kB, as ImageNet's are, or the first of a folder.
Every round runs every pipeline on all of them, from the same seed.  timm's crop has draws of its
own, from Python's generator; all others are torch's.

The reference is torchvision's references/classification at its defaults: Pillow, then
RandomResizedCrop, flip, floats and normalisation of the first version of its transforms.  Ours
return bytes, which the device normalises; "as floats" does it here.  timm's return bytes, too.
"""

import argparse
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from timm.data import create_transform
from torchvision import transforms as v1
from torchvision.io import ImageReadMode, decode_image, read_file
from torchvision.transforms import v2

import jpegs
from bag_of_transfer.classification import ClassificationPreprocessor, HSVScale, PCANoise
from bag_of_transfer.classification.colours import COLOURS, draw_colours
from bag_of_transfer.classification.image_folder import read_input
from bag_of_transfer.classification.transforms import build_pipeline, planes
from bag_of_transfer.engine.cli import ToolParser
from bag_of_transfer.engine.data.image_reader import PixelReader
from rounds import Comparison, compare, main

SIZE = 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # torchvision's and timm's
Pipeline = Callable[[str], torch.Tensor]

COLOUR_STEPS = (HSVScale(), PCANoise())
preprocessor = ClassificationPreprocessor(*([255 * part for part in of] for of in (MEAN, STD)))
read = PixelReader()
normalise = v1.Compose([v1.ConvertImageDtype(torch.float), v1.Normalize(MEAN, STD)])
of_torchvision = v1.Compose(
    [v1.RandomResizedCrop(SIZE, antialias=True), v1.RandomHorizontalFlip(), v1.PILToTensor()]
)
on_bytes = v2.Compose([v2.RandomResizedCrop(SIZE, antialias=True), v2.RandomHorizontalFlip()])
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


def with_torchvision(path: str) -> torch.Tensor:
    """Read as torchvision advises for speed."""
    return decode_image(read_file(path), ImageReadMode.RGB)


def hsv_of_pillow(image: Image.Image) -> Image.Image:
    """Scale the colours in Pillow's HSV of 8 bits, as HSVScale did up to commit fc415b3."""
    levels = np.rint(np.arange(256) * torch.empty(3).uniform_(0.6, 1.4).numpy()[:, None])
    levels[0] %= 255
    table = levels.clip(0, 255).astype(np.uint8).ravel().tolist()
    return image.convert("HSV").point(table).convert("RGB")


def ours(crop: str, *colours: object) -> Pipeline:
    """Read, transform and hand over as our ImageFolder does."""
    flip, to_tensor = (
        {"type": f"torchvision/{n}"} for n in ("RandomHorizontalFlip", "PILToTensor")
    )
    pipeline = build_pipeline([{"type": crop, "size": SIZE}, flip, *colours, to_tensor])
    return lambda path: planes(pipeline(read_input(path, read, pipeline)))


def normalise_on_device(image: torch.Tensor) -> torch.Tensor:
    """Do what the preprocessor does with an image whose colours were left to the device."""
    colours = {name: drawn[None] for name, drawn in draw_colours(COLOUR_STEPS).items()}
    return preprocessor({"inputs": image[None], COLOURS: colours})["inputs"]


through_pillow, cropped = ours("torchvision/RandomResizedCrop"), ours("RandomResizedCrop")
hsv, noise = {"type": "HSVScale"}, {"type": "PCANoise"}
coloured = ours("RandomResizedCrop", hsv, noise)
PIPELINES: Mapping[str, Pipeline] = {
    "torchvision's reference": lambda path: normalise(of_torchvision(with_pillow(path))),
    "torchvision's v2 on bytes, its decoder, floats": (
        lambda path: normalise(on_bytes(with_torchvision(path)))
    ),
    "timm, crop and flip": lambda path: of_timm[None](with_pillow(path)),
    "timm with ColorJitter": lambda path: of_timm[0.4](with_pillow(path)),
    "ours before, crop and flip by Pillow": through_pillow,
    "ours before, with Pillow's HSV and PCA noise": (
        ours("torchvision/RandomResizedCrop", hsv_of_pillow, noise)
    ),
    "ours, crop and flip": cropped,
    "ours, crop and flip, as floats": lambda path: normalise(cropped(path)),
    "ours, with HSV jitter and PCA noise": coloured,
    "ours, with HSV jitter and PCA noise, as floats": lambda path: normalise(coloured(path)),
    "ours, colours_on_device=True, as floats, the device being this core": (
        lambda path: normalise_on_device(cropped(path))
    ),
    "reading alone": read,
}
TARGETS = {"ours, crop and flip": 1.7, "ours, with HSV jitter and PCA noise": 1.2}


def run(pipeline: Pipeline, files: Sequence[str]) -> None:
    """Make an input of every file, with the same draws each time."""
    random.seed(0)  # timm's crop
    torch.manual_seed(0)
    for file in files:
        pipeline(file)


def difference(files: Sequence[str]) -> str:
    """Return how far our pixels are from those that Pillow resizes."""
    largest, means = 0, []
    for seed, file in enumerate(files):
        pair = []
        for pipeline in (cropped, through_pillow):
            torch.manual_seed(seed)
            pair.append(pipeline(file).int())
        apart = (pair[0] - pair[1]).abs()
        largest = max(largest, int(apart.max()))
        means.append(float(apart.float().mean()))
    return f"from Pillow's pixels: {largest} of 255 levels at most, {np.mean(means):.2f} on average"


PARSER = ToolParser()
PARSER.add_argument("--images", type=int, default=100, help="(100)")
PARSER.add_argument("--folder", type=Path, help="of JPEGs, instead of drawn ones")


def measure(args: argparse.Namespace) -> Iterator[Comparison]:
    """Yield the comparison of all pipelines."""
    cv2.setNumThreads(args.threads or 1)
    with tempfile.TemporaryDirectory() as aside:
        if not args.folder:
            jpegs.draw(Path(aside), args.images)
        found = jpegs.below(args.folder or Path(aside), PARSER)[: args.images]
        files = [str(file) for file in found]
        size = sum(file.stat().st_size for file in found) / len(found) / 1000
        comparison = compare(
            f"{len(files)} JPEGs of {size:.0f} kB to {SIZE} px",
            {name: lambda way=way: run(way, files) for name, way in PIPELINES.items()},
            rounds=args.rounds,
            work=len(files),
            unit="image",
            targets=TARGETS,
            clock=args.clock,
        )
        by_name = {way.name: way for way in comparison.ways}
        by_name["ours, crop and flip"].note = difference(files)
        yield comparison


if __name__ == "__main__":
    main(__doc__, measure, rounds=5, parser=PARSER)
