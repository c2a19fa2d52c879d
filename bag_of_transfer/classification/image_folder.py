"""Images in one folder per class: ``root/<class>/<image>``."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from mmengine.registry import DATASETS
from PIL import Image
from torch.utils.data import Dataset

from bag_of_transfer.classification.colours import COLOURS, ColourStep, colour_steps, draw_colours
from bag_of_transfer.classification.transforms import (
    Transform,
    build_pipeline,
    planes,
    takes_tensors,
)
from bag_of_transfer.engine.data.file_names import refuse_undecodable
from bag_of_transfer.engine.data.image_files import (
    files_below,
    folders_in,
    has_image_suffix,
    warn_of_passed_over,
)
from bag_of_transfer.engine.data.image_reader import PixelReader
from bag_of_transfer.engine.data.image_scan import find_unreadable, leave_out
from bag_of_transfer.engine.data.name_list import nearest, refuse_variants, unique_or_refuse
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.log_file import warn
from bag_of_transfer.engine.quantities import counted, few

__all__ = ["ImageFolder", "as_input", "class_folders", "read_input"]

NUM_NAMED = 5  # of many classes or images


def class_folders(root: Path) -> tuple[str, ...]:
    """Return the class names: the folders in ``root``, sorted, without hidden ones.

    Raises:
        UserError: If ``root`` is missing or has no such folder, or a name is not UTF-8.
    """
    layout = "put images into ROOT/<class name>/"
    if not root.is_dir():
        raise UserError(
            "the data folder is missing", root, f"check data_root and --data-root; {layout}"
        )
    folders = folders_in(root)
    refuse_undecodable(folders, "a class")
    classes = tuple(sorted(p.name for p in folders))
    if not classes:
        raise UserError("the data folder has no class folders", root, layout)
    return classes


def read_input(
    path: str | Path, reader: PixelReader, pipeline: Transform
) -> Image.Image | torch.Tensor:
    """Read an image as a pipeline takes it; see :func:`as_input`.

    Raises:
        UserError: If the file can't be read.
    """
    return as_input(reader(path), pipeline)


def as_input(pixels: np.ndarray, pipeline: Transform) -> Image.Image | torch.Tensor:
    """Return pixels as a pipeline takes them: as a tensor C H W, or as Pillow's image.

    Four channels are always a tensor: Pillow would multiply the colours of RGBA by their alpha and
    divide again at each resizing.

    Args:
        pixels: H x W for one channel, or H x W x C.
        pipeline: What :func:`build_pipeline` gives.
    """
    if pixels.shape[2:] != (4,) and not takes_tensors(pipeline):
        return Image.fromarray(pixels)
    return torch.from_numpy(pixels.reshape(*pixels.shape[:2], -1)).permute(2, 0, 1)


@DATASETS.register_module()
class ImageFolder(Dataset):
    """Yields ``dict(inputs=uint8 tensor C H W, labels=int)``; checks all files when built.

    Args:
        root: Folder with one folder per class.  Images in deeper folders count, hidden files
            don't; for suffixes see ``bag_of_transfer/engine/data/image_files.py``.
        pipeline: Transforms, see :mod:`bag_of_transfer.classification.transforms`.
        classes: Names in the order of the labels; read from the folders when None.
        classes_from: Take the classes from this folder (the training set's), not from ``root``.
        max_unreadable: Number of images that may be impossible to decode: they are left out.  If
            there are more, that is an error.
        channels: 1: the transforms get grey images; 3: RGB; 4: RGBA as stored.
        keep_mb: Megabytes of decoded images that each process keeps in memory.
        colours_on_device: Draw what HSVScale and PCANoise need, and let the preprocessor apply it:
            an item also has ``colours``, see :mod:`bag_of_transfer.classification.colours`.

    Attributes:
        metainfo: ``dict(classes=(...))``.

    Raises:
        UserError: If a folder is missing or empty, the classes are not the expected ones, one is
            stated twice or two differ in case only, a class has no image, or too many images can't
            be read.
    """

    follows_in_channels: ClassVar[bool] = True  # its channels are set to the backbone's

    def __init__(
        self,
        root: str,
        pipeline: Sequence[Mapping[str, Any] | Transform],
        classes: Sequence[str] | None = None,
        classes_from: str | None = None,
        max_unreadable: int = 10,
        channels: int = 3,
        keep_mb: float = 0,
        colours_on_device: bool = False,
    ) -> None:
        self._reader = PixelReader(channels, keep_mb=keep_mb)
        self.root = Path(root).expanduser()
        present = class_folders(self.root)
        names = tuple(classes) if classes is not None else _read_classes(classes_from or root)
        unique_or_refuse(names, "class names", "classes")
        _check_same(self.root, present, names)
        self.metainfo = {"classes": names}
        self.transform = build_pipeline(pipeline)
        self._colours: Sequence[ColourStep] = ()
        if colours_on_device:
            self.transform, self._colours = colour_steps(self.transform)
        files, labels = self._readable(names, max_unreadable)
        # Arrays, not lists: loader workers would copy a million objects when counting references.
        self._files = np.array([os.fsencode(path) for path in files])
        self.labels = np.array(labels)

    def full_init(self) -> None:
        """Do nothing: mmengine's Runner calls it, but the constructor has read everything."""

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._files)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Read, augment and label one image.

        Raises:
            UserError: If the file was damaged after the check.
        """
        image = read_input(self.path(index), self._reader, self.transform)
        item = {"inputs": planes(self.transform(image)), "labels": int(self.labels[index])}
        return {**item, COLOURS: draw_colours(self._colours)} if self._colours else item

    def get_data_info(self, index: int) -> dict[str, Any]:
        """Return ``img_path`` and ``gt_label`` of image ``index``, as data sets of mmengine do."""
        path = os.fsdecode(self._files[index].item())
        return {"img_path": path, "gt_label": int(self.labels[index])}

    def get_subset_(self, indices: Sequence[int]) -> None:
        """Keep only these images, in place, as data sets of mmengine do."""
        self._files, self.labels = self._files[list(indices)], self.labels[list(indices)]

    def path(self, index: int) -> Path:
        """Return the file of image ``index``."""
        return Path(os.fsdecode(self._files[index].item()))

    def _readable(
        self, names: tuple[str, ...], max_unreadable: int
    ) -> tuple[list[Path], list[int]]:
        files = [list(files_below(self.root / name)) for name in names]
        warn_of_passed_over((path for paths in files for path in paths), self.root)
        _warn_of_loose(self.root)
        per_class = [[path for path in paths if has_image_suffix(path.name)] for paths in files]
        _check_not_empty(self.root, names, per_class, "no image")
        images = [path for paths in per_class for path in paths]
        bad = leave_out(find_unreadable(images), len(images), max_unreadable, self.root)
        good = [[path for path in paths if path not in bad] for paths in per_class]
        _check_not_empty(self.root, names, good, "no readable image")
        labels = [label for label, paths in enumerate(good) for _ in paths]
        return [path for paths in good for path in paths], labels


def _read_classes(folder: str) -> tuple[str, ...]:
    source = Path(folder).expanduser()
    names = class_folders(source)
    refuse_variants({name: source / name for name in names})
    return names


def _warn_of_loose(root: Path) -> None:
    loose = [path.name for path in root.iterdir() if has_image_suffix(path.name)]
    loose = sorted(name for name in loose if not (root / name).is_dir())
    if loose:
        images = counted(len(loose), "image")
        warn(f"{root}: {images} in no class folder, not used: {few(loose, NUM_NAMED)}")


def _check_not_empty(
    root: Path, names: Sequence[str], per_class: Sequence[Sequence[Path]], what: str
) -> None:
    empty = [name for name, paths in zip(names, per_class, strict=True) if not paths]
    if empty:
        mend = "put images there (.jpg, .png, ...) or remove the folder"
        raise UserError(f"{what} in class {few(empty, NUM_NAMED)}", root, mend)


def _check_same(root: Path, present: Sequence[str], names: Sequence[str]) -> None:
    for name in sorted(set(present) - set(names)):
        close = nearest(name, names)
        mend = f"did you mean {close}?" if close else f"the classes are {few(names, NUM_NAMED)}"
        raise UserError(f"unknown class {name}", root, mend)
    missing = sorted(set(names) - set(present))
    if missing:
        here = few(present, NUM_NAMED)
        mend = f"every split needs a folder with images of each class; here are {here}"
        raise UserError(f"no folder for class {few(missing, NUM_NAMED)}", root, mend)
