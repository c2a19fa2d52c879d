"""Images in one folder per class: ``root/<class>/<image>``."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.registry import DATASETS
from PIL import Image, ImageOps
from torch.utils.data import Dataset
from torchvision.datasets.folder import is_image_file

from classification.transforms import Transform, build_pipeline
from engine.errors import UserError
from engine.image_scan import leave_out_unreadable, read_error
from engine.name_list import nearest, refuse_variants

__all__ = ["ImageFolder", "class_folders", "read_rgb"]

# What Pillow's decoders raise.
UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def class_folders(root: Path) -> tuple[str, ...]:
    """Name the classes: the folders in ``root``, sorted, hidden ones aside.

    Raises:
        UserError: If ``root`` is missing or has no such folder.
    """
    layout = "images belong into ROOT/<class name>/"
    if not root.is_dir():
        raise UserError("the data folder is missing", root, f"check --data-root; {layout}")
    names = (p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    classes = tuple(sorted(names))
    if not classes:
        raise UserError("the data folder has no class folders", root, layout)
    return classes


def read_rgb(path: str | Path) -> Image.Image:
    """Read a picture of any kind as upright 8-bit RGB.

    Grey and CMYK are converted, alpha is dropped, 16 bits become 8, and the camera's rotation
    note (EXIF) is followed.

    Raises:
        UserError: If the file can't be read, has pixels beyond 16 bits, or so many that Pillow
            takes it for an attack (179 million).
    """
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            return upright if upright.mode == "RGB" else _to_rgb(upright)
    except UNREADABLE as error:
        why = read_error(Path(path), error)
        raise UserError(f"the image can't be read ({why})", path, "mend or remove it") from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        # Pillow would clip at 255, which makes nearly every 16-bit picture white.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F") and not _fits_8_bits(np.asarray(image)):
        raise ValueError("32-bit pixels beyond 0 to 255")
    if "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow warns about the direct way
    return image.convert("RGB")


def _fits_8_bits(pixels: np.ndarray) -> bool:
    return bool(np.all((pixels >= 0) & (pixels <= 255)))


@DATASETS.register_module()
class ImageFolder(Dataset):
    """Yields ``dict(inputs=uint8 tensor C H W, labels=int)``; checks all files when made.

    Args:
        root: Folder with one folder per class.  Suffixes are torchvision's, in either case;
            deeper folders count as well; hidden files don't.
        pipeline: Transforms, see :mod:`classification.transforms`.
        classes: Names in the order of the labels; read from the folders when None.
        classes_from: Take the classes from this folder (the training set's), not from ``root``.
        max_unreadable: So many images that can't be decoded are left out; more are an error.

    Attributes:
        metainfo: ``dict(classes=(...))``.

    Raises:
        UserError: If a folder is missing or empty, has other classes than it should or two that
            differ in case only, a class has no image, or too many images can't be read.
    """

    def __init__(
        self,
        root: str,
        pipeline: Sequence[Mapping[str, Any] | Transform],
        classes: Sequence[str] | None = None,
        classes_from: str | None = None,
        max_unreadable: int = 10,
    ) -> None:
        self.root = Path(root).expanduser()
        found = class_folders(self.root)
        names = tuple(classes) if classes is not None else _read_classes(classes_from or root)
        _check_same(self.root, found, names)
        self.metainfo = {"classes": names}
        self.transform = build_pipeline(pipeline)
        files, labels = self._readable(names, max_unreadable)
        # Arrays, not lists: loader workers would copy a million objects when counting references.
        self._files = np.array([os.fsencode(path) for path in files])
        self.labels = np.array(labels)

    def full_init(self) -> None:
        """Do nothing: mmengine's Runner calls it, all is done already."""

    def __len__(self) -> int:
        """Count the images."""
        return len(self._files)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Read, augment and label one image.

        Raises:
            UserError: If the file went bad since the check.
        """
        image = read_rgb(os.fsdecode(self._files[index].item()))
        return {"inputs": self.transform(image), "labels": int(self.labels[index])}

    def path(self, index: int) -> Path:
        """Tell which file image ``index`` is."""
        return Path(os.fsdecode(self._files[index].item()))

    def _readable(
        self, names: tuple[str, ...], max_unreadable: int
    ) -> tuple[list[Path], list[int]]:
        per_class = [sorted(_images_below(self.root / name)) for name in names]
        _check_not_empty(self.root, names, per_class, "no image")
        every = [path for paths in per_class for path in paths]
        bad = leave_out_unreadable(every, max_unreadable, self.root)
        good = [[path for path in paths if path not in bad] for paths in per_class]
        _check_not_empty(self.root, names, good, "no readable image")
        labels = [label for label, paths in enumerate(good) for _ in paths]
        return [path for paths in good for path in paths], labels


def _read_classes(folder: str) -> tuple[str, ...]:
    source = Path(folder).expanduser()
    names = class_folders(source)
    refuse_variants({name: source / name for name in names})
    return names


def _images_below(folder: Path) -> Iterator[Path]:
    for here, _, names in os.walk(folder, followlinks=True):
        for name in names:
            # Hidden: macOS leaves a ._photo.jpg that is no picture beside each photo.jpg.
            if is_image_file(name) and not name.startswith("."):
                yield Path(here, name)


def _check_not_empty(
    root: Path, names: Sequence[str], per_class: Sequence[Sequence[Path]], what: str
) -> None:
    empty = [name for name, paths in zip(names, per_class, strict=True) if not paths]
    if empty:
        more = f" and {len(empty) - 5} more" if len(empty) > 5 else ""
        mend = "put images there (.jpg, .png, ...) or remove the folder"
        raise UserError(f"{what} in class {', '.join(empty[:5])}{more}", root, mend)


def _check_same(root: Path, found: Sequence[str], names: Sequence[str]) -> None:
    for name in sorted(set(found) - set(names)):
        close = nearest(name, names)
        mend = f"did you mean {close}?" if close else f"the classes are {_few(names)}"
        raise UserError(f"unknown class {name}", root, mend)
    missing = sorted(set(names) - set(found))
    if missing:
        mend = f"both sets need the same class folders; here are {_few(found)}"
        raise UserError(f"no folder for class {_few(missing)}", root, mend)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
