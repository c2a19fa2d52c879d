"""Channels that necks and heads of detectors and segmenters must expect from a backbone.

What reads the backbone's maps is the neck (the first, of several) or, without one, every head.
There ``in_channels`` follows by position: ``in_index`` says which maps, an int without it is the
last, a list without it is all of them.  Of other keys that end in ``in_channels``, and of lists
that name some of the maps, the position is the stage that had as many channels before.
mmsegmentation's heads read by position behind a neck, too, and a neck may hand on the backbone's
maps (JPU): it is built without memory to see what it gives.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from mmengine.registry import MODELS

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.config.config_writer import Settings

__all__ = ["derive_channels"]

BACKBONE, NECK, ROI_HEAD = "model.backbone", "model.neck", "model.roi_head"
KEY = "in_channels"
# H and W of the first map; pools and strides of necks leave something of the last one.
SIDE = 64


def derive_channels(
    settings: Settings, stages: Sequence[int], before: Sequence[int] | None = None
) -> None:
    """Set every count of channels that depends on the backbone.

    Args:
        settings: Config with ``model.backbone`` set already.
        stages: C at the end of each stage of the network, also of those that the backbone's
            ``num_stages`` or ``out_indices`` leave out.
        before: The same of the network that stood there; None if that is not known.

    Raises:
        UserError: If the config asks for maps that the network does not have.
    """
    indices = _out_indices(settings, len(stages))
    maps = [stages[index] for index in indices]
    known = before if before is not None and len(before) == len(stages) else ()
    new_of = dict(zip(known, stages, strict=False))
    if settings.get(NECK) is None:
        for head in _heads(settings):
            _derive(settings, head, maps, new_of)
        _regions(settings, maps[-1], stages[-1])
        return
    neck = next(_each(settings, NECK))
    _derive(settings, neck, maps, new_of)
    if settings.get("model.decode_head") is not None:
        behind = _maps_behind(settings.get(neck), maps)
        for head in _heads(settings) if behind else ():
            _derive(settings, head, behind, {})


def _out_indices(settings: Settings, num_stages: int) -> list[int]:
    stated = settings.get(f"{BACKBONE}.num_stages", num_stages)
    indices = list(settings.get(f"{BACKBONE}.out_indices", range(stated)))
    if not indices or not all(index in range(num_stages) for index in indices):
        raise UserError(
            f"the config asks for maps {indices}, the backbone has {list(range(num_stages))}",
            f"{BACKBONE}.out_indices",
            "take a config for such a backbone, or choose another backbone",
        )
    return indices


def _heads(settings: Settings) -> Iterator[str]:
    """Name the heads that read maps of the whole image, and those inside of them (K-Net)."""
    for name in settings.get("model"):
        if name.endswith("_head") and name != "roi_head" and not name.startswith("teacher"):
            for head in _each(settings, f"model.{name}"):
                yield head
                inner = settings.get(head)
                yield from (f"{head}.{key}" for key in inner if _reads_maps(inner[key]))


def _reads_maps(node: Any) -> bool:
    return isinstance(node, Mapping) and "in_index" in node


def _derive(settings: Settings, part: str, maps: Sequence[int], new_of: Mapping[int, int]) -> None:
    """Set what one neck or head says of its input; what it does not say stays unsaid."""
    node = settings.get(part)
    for key in [key for key in node if key.endswith(KEY)]:
        stated, index = node[key], node.get("in_index")
        if key == "c1_in_channels" and stated:  # of mmseg's DeepLabV3+: always the first map
            wanted: Any = maps[0]
        elif key == KEY:
            _check_index(index, len(maps), f"{part}.in_index")
            wanted = _by_position(stated, index, maps, new_of)
        else:
            wanted = new_of.get(stated, stated) if isinstance(stated, int) else stated
        settings.set(f"{part}.{key}", wanted)


def _check_index(index: Any, num_maps: int, where: str) -> None:
    indices = index if isinstance(index, list | tuple) else [-1 if index is None else index]
    if not all(one in range(-num_maps, num_maps) for one in indices):
        raise UserError(
            f"map {index} is asked for, there are {num_maps}",
            where,
            "mend in_index, or the backbone's out_indices",
        )


def _by_position(stated: Any, index: Any, maps: Sequence[int], new_of: Mapping[int, int]) -> Any:
    kind = tuple if isinstance(stated, tuple) else list  # JPU takes no list
    if isinstance(index, list | tuple):
        return kind(maps[one] for one in index)
    if stated is None or isinstance(stated, int):
        return maps[-1 if index is None else index]
    if len(stated) < len(maps) and all(one in new_of for one in stated):
        return kind(new_of[one] for one in stated)
    return kind(maps)


def _regions(settings: Settings, last: int, stage4: int) -> None:
    """Without a neck (C4, DC5) the heads of regions read the backbone's last map, or stage 4."""
    for extractor in _each(settings, f"{ROI_HEAD}.bbox_roi_extractor"):
        settings.set(f"{extractor}.out_channels", last)
    behind = stage4 if settings.get(f"{ROI_HEAD}.shared_head") is not None else last
    for part in ("bbox_head", "mask_head"):
        for head in _each(settings, f"{ROI_HEAD}.{part}"):
            settings.set(f"{head}.{KEY}", behind)


def _maps_behind(neck: Mapping[str, Any], maps: Sequence[int]) -> list[int]:
    """Return C of each map that a neck gives; empty if it cannot be tried without memory."""
    try:
        MODELS.get(neck["type"])  # imported here: nothing else may be made without memory
        with torch.device("meta"), torch.no_grad():
            inputs = [
                torch.empty(1, channels, SIDE >> number, SIDE >> number)
                for number, channels in enumerate(maps)
            ]
            return [found.shape[1] for found in MODELS.build(neck).eval()(tuple(inputs))]
    except Exception:  # what does not fit is told when the whole network is tried
        return []


def _each(settings: Settings, dotted: str) -> Iterator[str]:
    """Name the config itself, or the members if it is a list."""
    node = settings.get(dotted)
    if isinstance(node, list | tuple):
        yield from (f"{dotted}.{index}" for index in range(len(node)))
    elif node is not None:
        yield dotted
