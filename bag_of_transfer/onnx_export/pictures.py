"""Real images to check an exported network on, as the network's own pipeline reads them."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from bag_of_transfer.engine.data.data_sets import build_dataset, file_of
from bag_of_transfer.engine.data.held_out import hold_out
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.prediction.inputs import find_images
from bag_of_transfer.prediction.network import Trained, scope_of
from bag_of_transfer.prediction.pipeline import build_load

__all__ = ["batches_of", "read_pictures", "resized"]

Size = tuple[int, int]  # height, width
MOST = 4  # images in a batch of the check


def read_pictures(trained: Trained, folder: Path | None, count: int) -> list[Tensor]:
    """Read images of a folder, or of the test split, or of val where there is no test split.

    They are spread evenly over the split, so that they are the same in each call.

    Args:
        trained: The network with its config; the config is changed.
        folder: A folder of images, or an image; None: the config's data.
        count: How many, at most; 1 or more.

    Returns:
        uint8 C H W each, as the test pipeline gives them.

    Raises:
        UserError: If there are no images, or one cannot be read.
    """
    paths = _in_split(trained) if folder is None else _in_folder(folder)
    chosen = np.unique(np.linspace(0, len(paths) - 1, count).astype(int))
    with scope_of(trained.task.scope):
        load = build_load(trained.cfg, trained.task)
        return [_bytes(load.file(paths[index]).inputs, paths[index]) for index in chosen]


def _bytes(picture: Tensor, path: Path) -> Tensor:
    """Return a picture as uint8: a pipeline with ``to_float32`` gives the same numbers as floats.

    Raises:
        UserError: If they are no whole numbers from 0 to 255.
    """
    pixels = picture.to(torch.uint8)
    if not torch.equal(pixels.to(picture.dtype), picture):
        mend = "leave out what changes the pixels, and normalise in the preprocessor"
        raise UserError("the pipeline's pixels are no whole numbers from 0 to 255", path, mend)
    return pixels


def _in_folder(folder: Path) -> list[Path]:
    paths = [source.path for source in find_images([folder]) if not source.is_video]
    if not paths:
        raise UserError("no image, but a video", folder, "give images")
    return paths


def _in_split(trained: Trained) -> list[Path]:
    cfg = trained.cfg
    try:
        if not cfg.get("test_dataloader"):
            hold_out(cfg)
        loader = cfg.get("test_dataloader") or cfg.get("val_dataloader")
        if not loader:
            what = "the config has neither a test nor a validation split"
            raise UserError(what, cfg.filename, "state one")
        dataset = build_dataset(loader.dataset, trained.task.scope)
    except UserError as error:
        mend = f"{error.mend}, or check the export on other images with --images PATH"
        raise UserError(error.what, error.where, mend) from error
    return [Path(file_of(dataset, index)) for index in range(len(dataset))]


def resized(picture: Tensor, size: Size) -> Tensor:
    """Return a picture C H W at another height and width."""
    pixels = picture.permute(1, 2, 0).numpy()
    pixels = cv2.resize(pixels, size[::-1]).reshape(*size, picture.shape[0])
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def batches_of(pictures: Sequence[Tensor]) -> list[Tensor]:
    """Return the pictures as batches B C H W of at most four, each of one size."""
    by_shape: dict[tuple[int, ...], list[Tensor]] = {}
    for picture in pictures:
        by_shape.setdefault(tuple(picture.shape), []).append(picture)
    return [batch for same in by_shape.values() for batch in torch.stack(same).split(MOST)]
