"""The config's test pipeline without annotations: from an image file to the network's input."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose

from bag_of_transfer.classification.image_folder import as_input
from bag_of_transfer.classification.transforms import build_pipeline
from bag_of_transfer.engine.config.input_channels import follow_in_channels, in_channels_of
from bag_of_transfer.engine.data.image_reader import PixelReader, ReadImage, read_pixels
from bag_of_transfer.engine.data.mask_reader import ReadMask
from bag_of_transfer.engine.data.own_readers import read_with_ours
from bag_of_transfer.engine.errors import UserError, without_colons
from bag_of_transfer.engine.tasks import Task

__all__ = ["Item", "Load", "build_load", "ignores_orientation", "pipeline_of", "without_truth"]

READERS = ("LoadImageFromFile", ReadImage.__name__)


class Item(NamedTuple):
    """An image ready for the network: ``inputs`` uint8 C H W, and the image's size."""

    path: Path
    size: tuple[int, int]  # width, height in pixels of the image itself
    inputs: torch.Tensor
    sample: Any  # mmdet's or mmseg's data sample; None for a classifier
    frame: np.ndarray | None = None  # of a video, RGB; None: the file is an image


class Load(NamedTuple):
    """How images reach the network: from a file, or as pixels (RGB, H x W x 3) of a video."""

    file: Callable[[Path], Item]
    frame: Callable[[Path, np.ndarray], Item]


def pipeline_of(cfg: Config) -> list[dict[str, Any]]:
    """Return the transforms of the test split, or of val if there is no test split.

    Raises:
        UserError: If the config has no test pipeline in either split.
    """
    loader = cfg.get("test_dataloader") or cfg.get("val_dataloader") or {}
    dataset = loader.get("dataset", {})
    while "pipeline" not in dataset and ("dataset" in dataset or "datasets" in dataset):
        dataset = dataset["dataset"] if "dataset" in dataset else dataset["datasets"][0]
    if not dataset.get("pipeline"):
        where = "test_dataloader.dataset.pipeline"
        raise UserError("the config has no test pipeline", where, "state it, or val_dataloader's")
    return list(dataset["pipeline"])


def without_truth(pipeline: Any) -> Any:
    """Return the pipeline without transforms that read or filter annotations, nested ones too."""
    if isinstance(pipeline, list | tuple):
        kept = (without_truth(step) for step in pipeline if not _wants_truth(step))
        return [step for step in kept if step != []]
    if isinstance(pipeline, dict):
        return {key: without_truth(value) if key == "transforms" else value
                for key, value in pipeline.items()}  # fmt: skip
    return pipeline


def _wants_truth(step: Any) -> bool:
    readers = ("Annotations", ReadMask.__name__)
    return isinstance(step, dict) and str(step.get("type", "")).endswith(readers)


def ignores_orientation(pipeline: list[dict[str, Any]]) -> bool:
    """Return whether the config reads images as stored, without turning them as Exif asks."""
    return any(str(step.get("color_type", "")).endswith("ignore_orientation") for step in pipeline)


def build_load(cfg: Config, task: Task) -> Load:
    """Put our readers into the config; return what reads an image as training did."""
    read_with_ours(cfg)
    follow_in_channels(cfg)
    steps = without_truth(pipeline_of(cfg))
    if not task.packs_samples:
        return _plain_load(build_pipeline(steps), in_channels_of(cfg.model))
    return _located_load(steps, in_channels_of(cfg.model))


def _plain_load(transform: Callable[[Any], torch.Tensor], channels: int) -> Load:
    reader = PixelReader(channels)

    def pack(path: Path, pixels: np.ndarray) -> Item:
        size = (pixels.shape[1], pixels.shape[0])
        return Item(path, size, transform(as_input(pixels, transform)), None)

    def load_frame(path: Path, frame: np.ndarray) -> Item:
        return pack(path, _of_channels(frame, channels))._replace(frame=frame)

    return Load(lambda path: pack(path, reader(path)), load_frame)


def _located_load(steps: list[dict[str, Any]], channels: int) -> Load:
    from_file = Compose(steps)
    # OpenCV silently fills the rest of a cut file with grey.
    is_checked = any(step.get("type") == ReadImage.__name__ for step in steps)
    from_pixels = Compose(_taking_pixels(steps))

    def load(path: Path) -> Item:
        if not is_checked:
            read_pixels(path)
        return _packed(from_file, path, {"img_path": str(path)})

    def load_frame(path: Path, frame: np.ndarray) -> Item:
        pixels = _of_channels(frame, channels)
        pixels = pixels[..., ::-1].copy() if channels == 3 else pixels
        return _packed(from_pixels, path, {"img": pixels})._replace(frame=frame)

    return Load(load, load_frame)


def _of_channels(frame: np.ndarray, channels: int) -> np.ndarray:
    """Return RGB pixels as the reader gives those of a file: grey, RGB or opaque RGBA."""
    codes = {1: cv2.COLOR_RGB2GRAY, 4: cv2.COLOR_RGB2RGBA}
    return cv2.cvtColor(frame, codes[channels]) if channels in codes else frame


def _taking_pixels(steps: Any) -> Any:
    """Return the pipeline with its readers replaced by one that gets the pixels."""
    if isinstance(steps, list | tuple):
        return [_taking_pixels(step) for step in steps]
    if not isinstance(steps, dict):
        return steps
    if str(steps.get("type", "")).endswith(READERS):
        return {"type": "LoadImageFromNDArray", "to_float32": steps.get("to_float32", False)}
    return {k: _taking_pixels(v) if k == "transforms" else v for k, v in steps.items()}


def _packed(transform: Callable[[Any], Any], path: Path, image: dict[str, Any]) -> Item:
    try:
        packed = transform({**image, "img_id": path.stem, "seg_fields": []})
    except UserError:
        raise
    except Exception as error:  # transforms raise nearly anything
        reason = without_colons(str(error).strip().split("\n")[0])[:100]
        mend = "save it as PNG or JPEG, or mend the config's test pipeline"
        why = f"the test pipeline fails on the image ({reason or type(error).__name__})"
        raise UserError(why, path, mend) from error
    height, width = packed["data_samples"].ori_shape[:2]
    return Item(path, (width, height), packed["inputs"], packed["data_samples"])
