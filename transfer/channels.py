"""Channels that necks and heads of detectors and segmenters must expect from a backbone."""

from collections.abc import Iterator, Sequence
from typing import Any

from transfer.settings import Settings

__all__ = ["derive_channels"]


def derive_channels(settings: Settings, stages: Sequence[int]) -> None:
    """Set every ``in_channels`` that depends on the backbone.

    Args:
        settings: Config with ``model.backbone`` set already.
        stages: C at the end of each stage of the network, also of those that the backbone's
            ``num_stages`` or ``out_indices`` leave out.

    Raises:
        UserError: If the user set another number.
    """
    num_stages = settings.get("model.backbone.num_stages", len(stages))
    maps = [stages[i] for i in settings.get("model.backbone.out_indices", range(num_stages))]
    if settings.get("model.neck") is not None:
        neck = next(_each(settings, "model.neck"))
        settings.set(f"{neck}.in_channels", _like(settings.get(f"{neck}.in_channels"), maps))
        return
    _segmenter(settings, maps)
    _detector(settings, maps[-1], stages[-1])


def _segmenter(settings: Settings, maps: list[int]) -> None:
    for part in ("model.decode_head", "model.auxiliary_head"):
        for head in _each(settings, part):
            index = settings.get(f"{head}.in_index", -1)
            wanted = maps[index] if isinstance(index, int) else [maps[one] for one in index]
            settings.set(f"{head}.in_channels", wanted)


def _detector(settings: Settings, last: int, stage4: int) -> None:
    """Without a neck (C4, DC5, one-stage) the heads read the backbone's last map."""
    for head in _each(settings, "model.rpn_head"):
        settings.set(f"{head}.in_channels", last)
    if settings.get("model.bbox_head.in_channels") is not None:
        settings.set("model.bbox_head.in_channels", last)
    for extractor in _each(settings, "model.roi_head.bbox_roi_extractor"):
        settings.set(f"{extractor}.out_channels", last)
    behind = stage4 if settings.get("model.roi_head.shared_head") is not None else last
    for part in ("bbox_head", "mask_head"):
        for head in _each(settings, f"model.roi_head.{part}"):
            settings.set(f"{head}.in_channels", behind)


def _each(settings: Settings, dotted: str) -> Iterator[str]:
    """Name the config itself, or the members if it is a list."""
    node = settings.get(dotted)
    if isinstance(node, list | tuple):
        yield from (f"{dotted}.{index}" for index in range(len(node)))
    elif node is not None:
        yield dotted


def _like(stated: Any, maps: Sequence[int]) -> int | list[int]:
    return maps[-1] if isinstance(stated, int) else list(maps)
