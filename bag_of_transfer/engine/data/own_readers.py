"""Let mmdet's and mmsegmentation's own configs read files with the readers of this toolkit.

mmcv reads with OpenCV, which fills the missing part of a cut file with grey, and turns some
pictures in another way than the scan does; mmseg's loader cuts labels off at 8 bits.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from mmengine.config import Config, ConfigDict

from bag_of_transfer.engine.config_nodes import bare_type
from bag_of_transfer.engine.data import image_reader, mask_reader
from bag_of_transfer.engine.data.own_metrics import add_import, other_arguments, put_in_place
from bag_of_transfer.engine.data.splits import READING
from bag_of_transfer.engine.tasks import default_scope

__all__ = ["LOCAL", "read_with_ours"]

# Arguments that name the files of this machine.
LOCAL = (None, {"backend": "local"}, {"backend": "disk"})


class _Ours(NamedTuple):
    type: str
    module: str
    libraries: tuple[str, ...]  # libraries whose transform of that name it replaces
    same: dict[str, tuple[Any, ...]]  # values with which ours does the same
    kept: frozenset[str]  # arguments that ours takes, too


OURS = {
    "LoadImageFromFile": _Ours(
        image_reader.ReadImage.__name__,
        image_reader.__name__,
        ("mmengine", "mmcv", "mmdet", "mmseg"),
        {
            "color_type": ("color",),
            "imdecode_backend": ("cv2",),
            "ignore_empty": (False,),
            "backend_args": LOCAL,
            "file_client_args": LOCAL,
        },
        frozenset({"to_float32"}),
    ),
    "LoadAnnotations": _Ours(  # mmseg's only: mmdet's reads boxes
        mask_reader.ReadMask.__name__,
        mask_reader.__name__,
        ("mmseg",),
        {"imdecode_backend": ("pillow",), "backend_args": LOCAL},
        frozenset({"reduce_zero_label"}),
    ),
}


def read_with_ours(cfg: Config) -> list[str]:
    """Replace mmcv's reader of images and mmseg's reader of masks where ours read the same files.

    A reader with other arguments than the defaults, or of files that are not on this machine,
    stays as it is.

    Args:
        cfg: Any config; changed.

    Returns:
        Lines to print: what was replaced, and what was not, with the reason.
    """
    lines: dict[str, None] = {}
    scope = default_scope(cfg)
    steps = [step for part in READING for step in _transforms(cfg.get(part))]
    blocked = {"LoadAnnotations": _takes_bytes_only([step for step, _ in steps])}
    for step, is_remote in steps:
        name = bare_type(step)
        ours = OURS.get(name)
        if ours is None or _library_of(step, scope) not in ours.libraries:
            continue
        others = other_arguments(step, ours.kept, ours.same)
        reason = "its files are elsewhere" if is_remote else others
        reason = reason or blocked.get(name, "")
        if reason:
            lines[f"reader: {name} stays as it is: {reason}"] = None
            continue
        lines[f"reader: {name} -> {ours.type}"] = None
        put_in_place(step, ours.type, ours.kept)
        add_import(cfg, ours.module)
    return list(lines)


def _transforms(node: Any, is_remote: bool = False) -> Iterator[tuple[ConfigDict, bool]]:
    """Yield each dict with a type, and whether the data set around it is at a web address."""
    if isinstance(node, dict):
        is_remote = is_remote or "://" in f"{node.get('data_root')} {node.get('data_prefix')}"
        if "type" in node:
            yield node, is_remote
    children = node.values() if isinstance(node, dict) else node
    if isinstance(node, dict | list | tuple):
        for child in children:
            yield from _transforms(child, is_remote)


def _takes_bytes_only(steps: list[ConfigDict]) -> str:
    """Return which transform fails on masks of more than 8 bits, or "" if none does."""
    for step in steps:
        if bare_type(step) == "RandomRotFlip":  # it blends labels of neighbours
            return "RandomRotFlip takes masks of 8 bits only"
        if step.get("backend") == "pillow":
            return "backend='pillow' takes masks of 8 bits only (PillowResize takes all)"
    return ""


def _library_of(step: ConfigDict, scope: str) -> str:
    kind = step["type"]
    dotted = f"{kind.__module__}.{kind.__name__}" if isinstance(kind, type) else str(kind)
    return dotted.partition(".")[0] if "." in dotted else step.get("_scope_", scope)
