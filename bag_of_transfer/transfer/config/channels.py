"""Set the numbers of channels that necks and heads expect from a backbone.

The neck (the first of several) reads the backbone's maps; without a neck every head does.  Their
``in_channels`` follows from the position of the maps: ``in_index`` says which maps are read;
without it an int belongs to the last map, a list to all maps.  For other keys that end in
``in_channels``, and for lists of some maps only, the position is that of the stage that had this
number of channels before.  mmsegmentation's heads read by position after a neck, too.  As a neck
may pass on the backbone's maps (JPU), it is built without memory to see what it returns.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from mmengine.registry import MODELS

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.config.config_writer import Settings
from bag_of_transfer.transfer.config.filled_parts import BACKBONE, HEAD

__all__ = ["derive_channels"]

NECK, ROI_HEAD = "model.neck", "model.roi_head"
KEY = "in_channels"
# Height and width of the first map; large enough for the pools and strides of necks.
SIDE = 64


def derive_channels(
    settings: Settings, stages: Sequence[int], before: Sequence[int] | None = None
) -> None:
    """Set every number of channels that depends on the backbone.

    Args:
        settings: The config, with the new ``model.backbone``.
        stages: Number of channels at the end of each stage of the network, including stages that
            the backbone's ``num_stages`` or ``out_indices`` leave out.
        before: The same for the config's previous network; None if it is unknown.

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
        _set_region_heads(settings, maps[-1], stages[-1])
        return
    neck = next(_each(settings, NECK))
    _derive(settings, neck, maps, new_of)
    if settings.get("model.decode_head") is not None:
        outputs = _maps_after(settings.get(neck), maps)
        for head in _heads(settings) if outputs else ():
            _derive(settings, head, outputs, {})


def _out_indices(settings: Settings, num_stages: int) -> list[int]:
    stated = settings.get(f"{BACKBONE}.num_stages", num_stages)
    indices = list(settings.get(f"{BACKBONE}.out_indices", range(stated)))
    if not indices or not all(index in range(num_stages) for index in indices):
        raise UserError(
            f"the config asks for maps {indices}, the backbone has {list(range(num_stages))}",
            f"{BACKBONE}.out_indices",
            "use a config for such a backbone, or choose another backbone",
        )
    return indices


def _heads(settings: Settings) -> Iterator[str]:
    """Yield the keys of heads that read maps of the whole image, and of heads inside (K-Net)."""
    for name in settings.get("model"):
        if name.endswith("_head") and name != "roi_head" and not name.startswith("teacher"):
            for head in _each(settings, f"model.{name}"):
                yield head
                inner = settings.get(head)
                yield from (f"{head}.{key}" for key in inner if _reads_maps(inner[key]))


def _reads_maps(node: Any) -> bool:
    return isinstance(node, Mapping) and "in_index" in node


def _derive(settings: Settings, part: str, maps: Sequence[int], new_of: Mapping[int, int]) -> None:
    """Set the numbers of channels of one neck or head; keys that it lacks are not added."""
    node = settings.get(part)
    for key in [key for key in node if key.endswith(KEY)]:
        stated, index = node[key], node.get("in_index")
        if key == "c1_in_channels" and stated:  # mmseg's DeepLabV3+ reads the first map here
            wanted: Any = maps[0]
        elif key == KEY:
            _check_index(index, len(maps), f"{part}.in_index")
            wanted = _by_position(stated, index, maps, new_of)
        else:
            wanted = new_of.get(stated, stated) if isinstance(stated, int) else stated
        settings.set(f"{part}.{key}", wanted)


def _check_index(index: Any, num_maps: int, where: str) -> None:
    indices = index if isinstance(index, list | tuple) else [-1 if index is None else index]
    if not all(number in range(-num_maps, num_maps) for number in indices):
        raise UserError(
            f"in_index asks for map {index}, but there are {num_maps} maps",
            where,
            "correct in_index, or the backbone's out_indices",
        )


def _by_position(stated: Any, index: Any, maps: Sequence[int], new_of: Mapping[int, int]) -> Any:
    kind = tuple if isinstance(stated, tuple) else list  # JPU does not take a list
    if isinstance(index, list | tuple):
        return kind(maps[number] for number in index)
    if stated is None or isinstance(stated, int):
        return maps[-1 if index is None else index]
    if len(stated) < len(maps) and all(channels in new_of for channels in stated):
        return kind(new_of[channels] for channels in stated)
    return kind(maps)


def _set_region_heads(settings: Settings, last: int, stage4: int) -> None:
    """Set the input of region heads without a neck (C4, DC5): the last map, or stage 4."""
    for extractor in _each(settings, f"{ROI_HEAD}.bbox_roi_extractor"):
        settings.set(f"{extractor}.out_channels", last)
    channels = stage4 if settings.get(HEAD) is not None else last
    for part in ("bbox_head", "mask_head"):
        for head in _each(settings, f"{ROI_HEAD}.{part}"):
            settings.set(f"{head}.{KEY}", channels)


def _maps_after(neck: Mapping[str, Any], maps: Sequence[int]) -> list[int]:
    """Return the channels of each map that a neck returns; [] if it cannot run without memory."""
    try:
        # This imports the class now: only the neck itself may be built on the meta device.
        MODELS.get(neck["type"])
        with torch.device("meta"), torch.no_grad():
            inputs = [
                torch.empty(1, channels, SIDE >> number, SIDE >> number)
                for number, channels in enumerate(maps)
            ]
            return [output.shape[1] for output in MODELS.build(neck).eval()(tuple(inputs))]
    except Exception:  # check_fit reports what does not fit
        return []


def _each(settings: Settings, dotted: str) -> Iterator[str]:
    """Yield the key of a config or, if it is a list, of each of its members."""
    node = settings.get(dotted)
    if isinstance(node, list | tuple):
        yield from (f"{dotted}.{index}" for index in range(len(node)))
    elif node is not None:
        yield dotted
