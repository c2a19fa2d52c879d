"""The config's test pipeline without annotations: from an image file to the network's input."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from mmengine.dataset import Compose

from bag_of_transfer.classification.image_folder import read_input
from bag_of_transfer.classification.transforms import build_pipeline
from bag_of_transfer.engine.errors import UserError, without_colons
from bag_of_transfer.engine.image_reader import PixelReader, ReadImage, read_pixels
from bag_of_transfer.engine.input_channels import follow_in_channels, in_channels_of
from bag_of_transfer.engine.mask_reader import ReadMask
from bag_of_transfer.engine.own_readers import read_with_ours
from bag_of_transfer.engine.tasks import Task

__all__ = ["Item", "Load", "build_load", "ignores_orientation", "pipeline_of", "without_truth"]


class Item(NamedTuple):
    """An image ready for the network: ``inputs`` uint8 C H W, and the image's size."""

    path: Path
    size: tuple[int, int]  # width, height in pixels of the image itself
    inputs: torch.Tensor
    sample: Any  # mmdet's or mmseg's data sample; None for a classifier


Load = Callable[[Path], Item]


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
    """Put our readers into the config; return a function that reads an image as training did."""
    read_with_ours(cfg)
    follow_in_channels(cfg)
    steps = without_truth(pipeline_of(cfg))
    if not task.packs_samples:
        return _load_with(build_pipeline(steps), in_channels_of(cfg.model))
    is_ours = any(step.get("type") == ReadImage.__name__ for step in steps)
    return _load_located_with(Compose(steps), is_checked=is_ours)


def _load_with(transform: Callable[[Any], torch.Tensor], channels: int) -> Load:
    reader = PixelReader(channels)

    def load(path: Path) -> Item:
        image = read_input(path, reader, transform)
        if isinstance(image, torch.Tensor):
            size = (image.shape[2], image.shape[1])
        else:
            size = image.size
        return Item(path, size, transform(image), None)

    return load


def _load_located_with(transform: Callable[[Any], Any], is_checked: bool) -> Load:
    def load(path: Path) -> Item:
        if not is_checked:
            read_pixels(path)  # OpenCV silently fills the rest of a cut file with grey
        try:
            packed = transform({"img_path": str(path), "img_id": path.stem, "seg_fields": []})
        except UserError:
            raise
        except Exception as error:  # transforms raise nearly anything
            reason = without_colons(str(error).strip().split("\n")[0])[:100]
            mend = "save it as PNG or JPEG, or mend the config's test pipeline"
            why = f"the test pipeline fails on the image ({reason or type(error).__name__})"
            raise UserError(why, path, mend) from error
        height, width = packed["data_samples"].ori_shape[:2]
        return Item(path, (width, height), packed["inputs"], packed["data_samples"])

    return load
