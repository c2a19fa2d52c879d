"""Write a config for a folder of own data: about ten lines on a shipped config."""

import os
from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config

from bag_of_transfer.engine.config.knob_size import image_size_of
from bag_of_transfer.engine.data.layouts import Layout
from bag_of_transfer.engine.data.split_names import SPLITS
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.quantities import counted
from bag_of_transfer.engine.tasks import find_task
from bag_of_transfer.own_data.look import Looked

__all__ = ["config_text", "seen"]

MOST_NAMES = 20  # more are read from the data
STEP_PX = 32  # the stride of the backbones
MIN_STEPS = 8  # of an epoch


def seen(layout: Layout, looked: Looked) -> str:
    """Return in a line what a folder holds."""
    names = ", ".join(looked.classes[:MOST_NAMES]) + ", ..." * (len(looked.classes) > MOST_NAMES)
    return (
        f"{layout.title}: {looked.num_images} images to train on, "
        f"{counted(len(looked.classes), 'class', 'classes')} "
        f"({names}), median {looked.width} x {looked.height} px"
    )


def config_text(
    folder: Path, out: Path, base: Path, layout: Layout, looked: Looked, cfg: Config
) -> str:
    """Return the text of a config.

    Args:
        folder: The folder of the data.
        out: Where the config will be.
        base: The shipped config.
        layout: The layout of the folder.
        looked: What it holds.
        cfg: The shipped config as it is read.

    Raises:
        UserError: If a name holds what mmengine replaces in configs.
    """
    body = "\n".join(_lines(folder, out, base, looked, cfg))
    if "{{" in body:
        mend = "rename it: mmengine replaces what stands between such brackets in a config"
        raise UserError("a name of a folder or a class holds {{", folder, mend)
    size = f"{looked.num_images} images, {len(looked.classes)} classes"
    header = f"Own data: {layout.title}, {size}, median {looked.width} x {looked.height} px."
    return f'"""{header}\n\nWritten by tools/new_config.py.\n"""\n\n{body}\n'


def _lines(folder: Path, out: Path, base: Path, looked: Looked, cfg: Config) -> Iterator[str]:
    yield f"_base_ = [{_from(out, base)!r}]"
    options = looked.datasets["train"]
    if "root" not in options:
        yield f"data_root = {str(folder.resolve())!r}"
    if "classes" not in options and len(looked.classes) > MOST_NAMES:
        yield f"# {len(looked.classes)} classes, read from the data"
    elif "classes" not in options:
        yield f"classes = {looked.classes!r}"
    yield from _datasets(looked, cfg)
    size = _image_size(cfg, looked)
    yield f"image_size = {size!r}"
    yield from _anchors(cfg, size)
    yield f"batch_size = {_batch_size(cfg.train_dataloader.batch_size, looked.num_images)}"
    if not looked.has_val:
        yield "held_out = dict(fraction=0.2, seed=0)  # there is no val split"
    if looked.lacks_test:
        yield "test_dataloader = test_cfg = test_evaluator = None  # there is no test split"


def _datasets(looked: Looked, cfg: Config) -> Iterator[str]:
    """Yield what the data sets need, in one line if it is the same for all splits."""
    splits = [split for split in SPLITS if cfg.get(f"{split}_dataloader")]
    stated = {split: options for split, options in looked.datasets.items() if split in splits}
    if looked.lacks_test:
        stated.pop("test", None)
    texts = {
        split: f"dict({', '.join(f'{key}={value!r}' for key, value in options.items())})"
        for split, options in stated.items()
        if options
    }
    if len(texts) > 1 and len({*texts.values()}) == 1:
        yield f"data = {texts['train']}"
        texts = dict.fromkeys(texts, "data")
    yield from (f"{split}_dataloader = dict(dataset={text})" for split, text in texts.items())


def _from(out: Path, base: Path) -> str:
    """Return the path of the base from the config, if both lie in this repository."""
    root, place = base.parents[2], out.resolve().parent
    return os.path.relpath(base, place) if place.is_relative_to(root) else str(base)


def _image_size(cfg: Config, looked: Looked) -> int | tuple[int, int]:
    """Return the base's size, or the images' where they are smaller: larger ones show no more."""
    most = image_size_of(cfg)
    sides = sorted((looked.width, looked.height), reverse=True)
    long, short = (-(-side // STEP_PX) * STEP_PX for side in sides)
    task = find_task(cfg)
    if task is not None and task.image_size == "resize":
        return min(most[0], long), min(most[1], short)
    return min(*most, short)


def _anchors(cfg: Config, size: int | tuple[int, int]) -> Iterator[str]:
    """Yield a line where a detector gets smaller images than its base: with smaller anchors."""
    head = cfg.model.get("rpn_head")
    if head is None or isinstance(size, int):
        return
    share = max(size) / max(image_size_of(cfg))
    scales = [float(f"{max(scale * share, 1):.2g}") for scale in head.anchor_generator.scales]
    if share < 1:
        anchors = f"rpn_head=dict(anchor_generator=dict(scales={sorted({*scales})}))"
        yield f"model = dict({anchors})  # anchors as much smaller as the images"


def _batch_size(most: int, num_images: int) -> int:
    """Return the base's size, or a smaller power of two that leaves some steps to an epoch."""
    batch = most
    while batch > 2 and batch * MIN_STEPS > num_images:
        batch = 1 << ((batch - 1).bit_length() - 1)
    return batch
