"""The knob ``image_size``: every size in pixels of training, validation, test and TTA together.

What it states is the size that the network sees: a classifier's crop, a detector's largest (long,
short) side, a segmenter's crop (width, height).  Every other size keeps its ratio to it.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import chain
from typing import Any, NamedTuple

from mmengine.config import Config

from bag_of_transfer.engine.config.knob_request import Request
from bag_of_transfer.engine.config_nodes import bare_type, dicts_with, nodes, value_at
from bag_of_transfer.engine.data.splits import LOADERS
from bag_of_transfer.engine.fields import COUNT, Rule
from bag_of_transfer.engine.tasks import ImageSize, find_task

__all__ = ["anchors_kept", "image_size_of", "set_image_size"]

Pair = tuple[int, int]
CROPS = ("RandomResizedCrop", "RandomCrop", "CenterCrop")
RESIZES = ("Resize", "RandomResize", "RandomChoiceResize")
# The keys in pixels of each transform.
SIZED = {
    "RandomResizedCrop": ("size", "crop_size"),
    "RandomCrop": ("size", "crop_size"),
    "CenterCrop": ("size", "crop_size"),
    "Resize": ("size", "scale"),
    "RandomResize": ("scale",),
    "RandomChoiceResize": ("scales",),
    "Pad": ("size",),
    "PadToWindows": ("crop_px", "stride_px"),
}
IN_PX = {key for keys in SIZED.values() for key in keys} | {"img_scale", "img_size", "input_size"}


def _is_size(value: Any) -> bool:
    several = isinstance(value, list | tuple)
    return (
        all(COUNT.holds(side) for side in value) and len(value) == 2
        if several
        else (COUNT.holds(value))
    )


SIZE = Rule(_is_size, "pixels: a whole number, or two, as in image_size=(800, 600)")


class Ratios(NamedTuple):
    """By how much sizes change.

    Args:
        width: Of windows.
        height: Of windows.
        scale: Of the (long, short) sides to which images are resized.
    """

    width: Fraction
    height: Fraction
    scale: tuple[Fraction, Fraction]


def image_size_of(cfg: Config) -> Pair:
    """Return the size that the knob would state, as two numbers.

    Raises:
        UserError: If the config holds no such size.
    """
    request = Request("image_size", None, "the config", frozenset(), frozenset())
    task = find_task(cfg)
    pipelines = [list(_transforms(steps)) for _, steps in _pipelines(cfg)]
    kind: ImageSize = task.image_size if task else "resize"
    if kind == "input":
        return _crop_of(pipelines[0], request)
    if kind == "resize":
        return _largest_scale(pipelines, request)
    return _crop(cfg, pipelines, request)


def anchors_kept(cfg: Config) -> str:
    """Say that a detector's anchors do not follow the image size: their sides, and their key.

    Returns:
        Such as ``the anchors stay at 16 to 512 px (model.rpn_head.anchor_generator)``; "" without
        anchors of this kind.
    """
    for key, node in dicts_with("scales", {"model": cfg.get("model") or {}}):
        if node.get("strides") and node["scales"]:
            strides = [_pair(stride)[0] for stride in node["strides"]]
            sides = [stride * scale for stride in strides for scale in node["scales"]]
            return f"the anchors stay at {min(sides):g} to {max(sides):g} px ({key})"
    return ""


def set_image_size(cfg: Config, request: Request) -> None:
    """Change every size in pixels.

    Raises:
        UserError: If it is no size, or the config holds sizes that cannot follow.
    """
    stated = request.checked(SIZE)
    new = (stated, stated) if isinstance(stated, int) else (stated[0], stated[1])
    _refuse_unknown(cfg, request)
    task = find_task(cfg)
    kind: ImageSize = task.image_size if task else "resize"
    pipelines = [
        list(_transforms(steps)) for dotted, steps in _pipelines(cfg) if not request.leaves(dotted)
    ]
    if kind == "input":
        if new[0] != new[1]:
            raise request.refuse("a classifier sees squares", "give one number, image_size=224")
        for transforms in pipelines:
            _scale(transforms, _ratios(_crop_of(transforms, request), new))
    elif kind == "resize":
        old = _largest_scale(pipelines, request)
        _scale(chain(*pipelines), _ratios(old, (max(new), min(new))))
    else:
        _set_crop(cfg, pipelines, new, request)


def _set_crop(cfg: Config, pipelines: list[list[Any]], new: Pair, request: Request) -> None:
    """Change a segmenter's crop, what pads to it, its windows at test, and the resized images."""
    batch = (cfg.get("model") or {}).get("data_preprocessor") or {}
    width, height = _crop(cfg, pipelines, request)
    ratios = _ratios((width, height), new)
    short = Fraction(min(new), min(width, height))
    ratios = ratios._replace(scale=(short, short))
    _scale(chain(*pipelines), ratios)
    if batch.get("size") and request.may_set("model.data_preprocessor.size", None, None):
        batch["size"] = new[::-1]
    for place in ("model.test_cfg", "tta_test_cfg"):
        windows = value_at(cfg._cfg_dict, place) or {}
        for key in ("crop_size", "stride"):
            if windows.get(key) and not request.leaves(f"{place}.{key}"):
                windows[key] = _times(windows[key], (ratios.height, ratios.width))


def _crop(cfg: Config, pipelines: list[list[Any]], request: Request) -> Pair:
    """Return width and height of a segmenter's crop."""
    batch = (cfg.get("model") or {}).get("data_preprocessor") or {}
    crops = [
        _pair(node["crop_size"]) for node in chain(*pipelines) if bare_type(node) == "RandomCrop"
    ]
    if not crops and not batch.get("size"):
        raise request.refuse("training crops nothing", "set the sizes in the pipelines")
    height, width = crops[0] if crops else _pair(batch["size"])
    return width, height


def _ratios(old: Pair, new: Pair) -> Ratios:
    first, second = Fraction(new[0], old[0]), Fraction(new[1], old[1])
    return Ratios(first, second, (first, second))


def _crop_of(transforms: list[Any], request: Request) -> Pair:
    """Return what the network sees of an image after a classifier's pipeline."""
    sizes = [node["size"] for node in transforms if bare_type(node) in CROPS and "size" in node]
    sizes = sizes or [node["size"] for node in transforms if "size" in node]
    if not sizes:
        raise request.refuse("a pipeline crops nothing", "set the sizes in the pipelines")
    return _pair(sizes[-1])


def _largest_scale(pipelines: list[list[Any]], request: Request) -> Pair:
    """Return the largest (long, short) side of the first pipeline that resizes."""
    for transforms in pipelines:
        found: list[Pair] = []
        for node in transforms:
            stated = node.get("scales" if bare_type(node) == "RandomChoiceResize" else "scale")
            if bare_type(node) in RESIZES and stated:
                several = isinstance(stated, list | tuple) and isinstance(stated[0], list | tuple)
                found += map(_pair, stated if several else [stated])
        if found:
            short, long = max((min(sides), max(sides)) for sides in found)
            return long, short
    raise request.refuse("no pipeline resizes to a size", "set the sizes in the pipelines")


def _scale(transforms: Iterable[Any], ratios: Ratios) -> None:
    for node in transforms:
        name = bare_type(node)
        for key in SIZED.get(name, ()):
            if node.get(key) is None:
                continue
            by_side = (ratios.height, ratios.width)
            if key in ("scale", "scales"):
                by_side = ratios.scale
                node[key] = _long_first(node[key])
            elif name == "Pad":
                by_side = (ratios.width, ratios.height)
            node[key] = _times(node[key], by_side)


def _long_first(value: Any) -> Any:
    """Return the (long, short) sides of a scale, of which mmcv takes either order."""
    if isinstance(value, list | tuple):
        several = isinstance(value[0], list | tuple)
        parts = map(_long_first, value) if several else sorted(value, reverse=True)
        return type(value)(parts)
    return value


def _times(value: Any, ratios: tuple[Fraction, Fraction]) -> Any:
    """Multiply a size, a pair, or a list of pairs; a share of the image (0.5) and -1 stay."""
    if isinstance(value, list | tuple):
        is_pair = len(value) == 2 and not isinstance(value[0], list | tuple)
        by_part = [(ratio, ratio) for ratio in ratios] if is_pair else [ratios] * len(value)
        parts = [_times(part, by) for part, by in zip(value, by_part, strict=True)]
        return tuple(parts) if isinstance(value, tuple) else parts
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        return value
    return max(1, math.floor(value * ratios[0] + Fraction(1, 2)))


def _pipelines(cfg: Config) -> Iterator[tuple[str, Any]]:
    for loader in LOADERS:
        for dotted, node in dicts_with("pipeline", cfg.get(loader) or {}, loader):
            yield f"{dotted}.pipeline", node["pipeline"]
    if cfg.get("tta_pipeline"):
        yield "tta_pipeline", cfg["tta_pipeline"]


def _transforms(steps: Any) -> Iterator[Any]:
    """Yield the dicts of a pipeline's transforms, also of those inside of others."""
    for _, node in nodes(steps, "pipeline"):
        if isinstance(node, dict) and "type" in node:
            yield node


def _refuse_unknown(cfg: Config, request: Request) -> None:
    """Check that every size belongs to a transform whose meaning is known.

    Raises:
        UserError: If one does not; its key is named.
    """
    places = {name: cfg[name] for name in (*LOADERS, "tta_pipeline") if cfg.get(name)}
    for dotted, node in nodes(places):
        if not isinstance(node, Mapping):
            continue
        for key in IN_PX.intersection(node):
            if key not in SIZED.get(bare_type(node), ()) and _is_size(node[key]):
                raise request.refuse(f"{dotted}.{key} cannot follow", f"set {dotted}.{key}")
    augments = ((cfg.get("model") or {}).get("data_preprocessor") or {}).get("batch_augments")
    if augments:
        key = "model.data_preprocessor.batch_augments"
        raise request.refuse(f"{key} cannot follow", "set the sizes there and in the pipelines")


def _pair(value: Any) -> Pair:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))
