"""Loaders of training images: ours, torchvision's reference and timm's.

Each reads JPEGs, crops, flips, and ends with a batch of normalised floats on the device.  Its
workers live on between the runs.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torchvision
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import DATASETS, MODELS, init_default_scope
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset, Subset
from torchvision import transforms

import bag_of_transfer.classification  # noqa: F401  registers ImageFolder and its transforms
from bag_of_transfer.engine.config.config_file import read_config
from bag_of_transfer.engine.loop.device_copy import copied_ahead
from bag_of_transfer.engine.loop.draws import draw_by_index
from jpegs import draw
from rounds import CLOCKS, Comparison, compare, has_peer

__all__ = ["comparisons"]

CONFIG = Path(__file__).parents[1] / "configs/classification/resnet50-d_efficient_8xb128_in1k.py"
FILES = 200  # that are drawn
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
OF_COLOUR = ("HSVScale", "PCANoise")

Batches = Callable[[], Iterator[torch.Tensor]]


def long_enough(dataset: Any, images: int) -> Dataset:
    """Return the images again and again, as many as a run takes: no worker reads ahead after it."""
    return Subset(dataset, [number % len(dataset) for number in range(images)])


def ours(root: Path, px: int, batch: int, workers: int, images: int, colour: bool) -> Batches:
    """Return the loader of a config of ours, the loop's copies and the network's floats."""
    cfg: Config = read_config(CONFIG)
    init_default_scope(cfg.default_scope)
    described = cfg.train_dataloader.dataset
    described.root = str(root)
    described.pipeline[0].size = px
    if not colour:
        described.pipeline = [one for one in described.pipeline if one.type not in OF_COLOUR]
    dataset = long_enough(DATASETS.build(described), images)
    stated = {**cfg.train_dataloader, "dataset": dataset, "batch_size": batch}
    stated.update(num_workers=workers, persistent_workers=workers > 0)
    stated.update(pin_memory=torch.cuda.is_available())  # as training does
    loader = Runner.build_dataloader(draw_by_index(stated, seed=0), seed=0)
    cfg.model.backbone.depth, cfg.model.head.num_classes = 18, 1  # only its preprocessor computes
    model = MODELS.build(cfg.model).to(get_device())
    return lambda: (model.data_preprocessor(one)["inputs"] for one in copied_ahead(loader, model))


def torchvisions(root: Path, px: int, batch: int, workers: int, images: int) -> Batches:
    """Return the loader of torchvision's references/classification at its defaults."""
    steps = [
        transforms.RandomResizedCrop(px, antialias=True),
        transforms.RandomHorizontalFlip(),
        transforms.PILToTensor(),
        transforms.ConvertImageDtype(torch.float),
        transforms.Normalize(MEAN, STD),
    ]
    folder = torchvision.datasets.ImageFolder(str(root), transforms.Compose(steps))
    loader = DataLoader(
        long_enough(folder, images),
        batch,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
        drop_last=True,
    )
    return lambda: (inputs.to(get_device(), non_blocking=True) for inputs, _ in loader)


def timms(root: Path, px: int, batch: int, workers: int, images: int) -> Batches:
    """Return timm's loader with its prefetcher, which normalises on the device; no jitter."""
    from timm.data import ImageDataset, create_loader

    dataset = ImageDataset(str(root))
    files = dataset.reader.samples
    dataset.reader.samples = [files[number % len(files)] for number in range(images)]
    loader = create_loader(
        dataset,
        px,
        batch,
        is_training=True,
        color_jitter=None,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
        device=torch.device(get_device()),
    )
    return lambda: (inputs for inputs, _ in loader)


def comparisons(
    args: argparse.Namespace, folder: Path, wait: Callable[[], None]
) -> Iterator[Comparison]:
    """Yield a comparison for each number of workers.

    Args:
        args: The flags of gpu.py.
        folder: Where the pictures are drawn.
        wait: Lets the device finish.
    """
    root = folder / "images"
    (root / "drawn").mkdir(parents=True)
    draw(root / "drawn", min(FILES, args.images))
    cores = len(os.sched_getaffinity(0))
    for workers in args.workers or [*(2**n for n in range(cores.bit_length() - 1)), cores]:
        images = args.images * max(1, workers) // args.batch * args.batch
        options = (root, args.px[0], args.batch, workers, images)
        ways = {"torchvision's reference": torchvisions(*options)}
        if has_peer("timm"):
            ways["timm"] = timms(*options)
        ways["ours"] = ours(*options, colour=False)
        ways["ours, HSV and PCA"] = ours(*options, colour=True)
        yield compare(
            f"{args.px[0]} px, batch {args.batch}, workers: {workers}",
            {
                name: partial(seconds, way, images // args.batch, CLOCKS[args.clock], wait)
                for name, way in ways.items()
            },
            rounds=args.rounds,
            work=images,
            unit="image",
            targets={"ours": 1.7, "ours, HSV and PCA": 1.2},
            clock=args.clock,
        )


def seconds(
    batches: Batches, count: int, clock: Callable[[], float], wait: Callable[[], None]
) -> float:
    """Return the seconds until ``count`` batches, all there are, have been on the device."""
    started = clock()
    done = sum(1 for _ in batches())
    wait()
    if done != count:
        raise RuntimeError(f"a loader gave {done} batches, not {count}")
    return clock() - started
