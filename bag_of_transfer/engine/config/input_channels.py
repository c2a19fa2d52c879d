"""Read images with as many channels as ``model.backbone.in_channels`` says.

Readers, normalisation and order of channels follow this one setting, for the three tasks.
"""

import re
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import DATASETS, TRANSFORMS

from bag_of_transfer.engine.config_nodes import bare_type, dicts_with
from bag_of_transfer.engine.data.image_reader import CHANNELS
from bag_of_transfer.engine.data.own_metrics import add_import
from bag_of_transfer.engine.data.splits import READING
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.tasks import Preprocessor, find_task

__all__ = ["follow_in_channels", "import_preprocessor", "in_channels_of"]

KEY = "model.backbone.in_channels"
FOLLOWS = "follows_in_channels"  # of classes, and of those that derive from them
# Transforms of colours, of torchvision, mmcv, mmdet, mmseg and ours: they expect red, green, blue.
COLOURS = re.compile(
    r"PhotoMetric|Photometric|HSV|PCA|Colou?r|Grayscale|ToGray|Hue|Saturation|Solarize|Posterize|"
    r"Equalize|Sharpness|Brightness|Contrast|AutoAugment|RandAugment|TrivialAugment|AugMix|CLAHE|"
    r"ChannelShuffle|RGB"
)


def in_channels_of(model: Any) -> int:
    """Return how many channels the backbone of a model's config reads."""
    backbone = (model or {}).get("backbone") or {}
    options = backbone.get("options") or {}
    num = backbone.get("in_channels") or options.get("in_chans")
    return num if isinstance(num, int) else 3


def follow_in_channels(cfg: Config) -> list[str]:
    """Set readers and the preprocessor to the number of channels that the backbone reads.

    Args:
        cfg: Config of any task; changed if the backbone does not read three channels.

    Returns:
        Lines to print; none for three channels.

    Raises:
        UserError: If mean, std or a reader state another number, no reader gives so many
            channels, or a transform changes colours that the images do not have.
    """
    num = in_channels_of(cfg.get("model"))
    readers = list(_readers(cfg))
    for key, reader in readers:
        _check(f"{key}.channels", reader.get("channels", num), num)
    _check_normalisation(cfg, num)
    if num == 3:
        return []
    if num not in CHANNELS:
        raise UserError(f"no reader of images gives {num} channels", KEY, f"use one of {CHANNELS}")
    _refuse_colours(cfg, num)
    for _, reader in readers:
        reader["channels"] = num
    _fit_preprocessor(cfg, num)
    return [f"images: {num} channels as stored, for {KEY}={num}"]


def _check(where: str, stated: int, num: int) -> None:
    if stated != num:
        what = f"{stated} channels are stated, but the backbone reads {num} ({KEY})"
        raise UserError(what, where, "make both agree")


def _check_normalisation(cfg: Config, num: int) -> None:
    stated = (cfg.get("model") or {}).get("data_preprocessor") or {}
    for name in ("mean", "std"):
        values = stated.get(name)
        if values is not None and len(values) != 1:  # a single value is for all channels
            _check(f"model.data_preprocessor.{name}", len(values), num)


def _fit_preprocessor(cfg: Config, num: int) -> None:
    stated = cfg.model.get("data_preprocessor")
    if not stated:
        return
    for name in ("bgr_to_rgb", "rgb_to_bgr"):
        if stated.get(name):
            stated[name] = False
    ours = _preprocessor_of(cfg)
    if ours and stated.get("type") == ours.stands_for and num not in (1, 3):
        stated["type"] = ours.type
        import_preprocessor(cfg)


def import_preprocessor(cfg: Config) -> None:
    """Import the task's preprocessor for any number of channels: a checkpoint may name it."""
    ours = _preprocessor_of(cfg)
    if ours:
        add_import(cfg, ours.module)


def _preprocessor_of(cfg: Config) -> Preprocessor | None:
    task = find_task(cfg)
    return task.preprocessor if task else None


def _refuse_colours(cfg: Config, num: int) -> None:
    for key, node in _typed(cfg):
        kind = node["type"]
        name = kind.__name__ if isinstance(kind, type) else str(kind)
        if COLOURS.search(name.rpartition(".")[2]):
            raise UserError(
                f"{name} changes colours, but the backbone reads {num} channels ({KEY})",
                key,
                "take the transform out of the pipeline",
            )


def _readers(cfg: Config) -> Iterator[tuple[str, ConfigDict]]:
    for key, node in _typed(cfg):
        if any(getattr(kind, FOLLOWS, False) for kind in _classes_of(node)):
            yield key, node


def _classes_of(node: ConfigDict) -> list[Any]:
    """Return what a type may be, by its name alone: nothing is imported."""
    if not isinstance(node["type"], str):
        return [node["type"]]
    name, roots = bare_type(node), (DATASETS, TRANSFORMS)
    registries = (one for root in roots for one in (root, *root.children.values()))
    return [one.module_dict[name] for one in registries if name in one.module_dict]


def _typed(cfg: Config) -> Iterator[tuple[str, ConfigDict]]:
    """Yield each dict with a type in the parts that read images, with its dotted key."""
    for part in READING:
        yield from dicts_with("type", cfg.get(part), part)
