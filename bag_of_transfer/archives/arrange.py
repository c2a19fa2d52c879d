"""Move unpacked files into the layouts that the configs read, within one file system.

The layouts, below DATA_ROOT/NAME:

- ``imagenet/{train,val}/<wnid>/*.JPEG``
- ``places365/{train,val}/<class>/*.jpg``; ``/b/bakery/shop`` is the class ``bakery-shop``
- ``voc/VOCdevkit/{VOC2007,VOC2012}``, ``coco/{annotations,train2017,val2017}`` and
  ``ade20k/{images,annotations}/{training,validation}``: as unpacked
- ``oxford-pets/{trainval,test}/<breed>/*.jpg``, and the same images in VOC's layout, see
  :func:`arrange_pets`
"""

import os
import shutil
from pathlib import Path

__all__ = ["arrange_imagenet", "arrange_pets", "arrange_places365", "leave_as_unpacked"]


def leave_as_unpacked(root: Path) -> None:
    """Do nothing: the archives already have the layout."""


def arrange_imagenet(root: Path) -> None:
    """Sort ``val/ILSVRC2012_val_00000001.JPEG`` and so on into ``val/<wnid>/``.

    Line i of the development kit's ground truth is the number of image i's class; its
    ``meta.mat`` lists the WordNet id of each number.
    """
    kit, val = root / "devkit", root / "val"
    wnids = _wnids(kit / "meta.mat")
    truth = (kit / "ILSVRC2012_validation_ground_truth.txt").read_text(encoding="ascii").split()
    class_of = {
        f"ILSVRC2012_val_{number:08}.JPEG": wnids[int(label)]
        for number, label in enumerate(truth, start=1)
    }
    _sort_into_classes(val, class_of)
    shutil.rmtree(kit)


def _wnids(meta: Path) -> dict[int, str]:
    import scipy.io  # here: the catalogue is read for the help of a tool, too

    synsets = scipy.io.loadmat(meta, squeeze_me=True)["synsets"]
    numbers = (int(number) for number in synsets["ILSVRC2012_ID"])
    return dict(zip(numbers, (str(wnid) for wnid in synsets["WNID"]), strict=True))


def _sort_into_classes(folder: Path, class_of: dict[str, str]) -> None:
    files = os.listdir(folder)
    for name in set(class_of.values()):
        (folder / name).mkdir()
    for file in files:
        os.rename(folder / file, folder / class_of[file] / file)


def arrange_places365(root: Path) -> None:
    """Make one folder per class of the tree ``train/a/airfield`` and of the flat ``val``."""
    lists, train, val = root / "filelist", root / "train", root / "val"
    lines = (lists / "categories_places365.txt").read_text(encoding="ascii").splitlines()
    paths = {int(number): path for path, number in (line.split() for line in lines)}
    tree = root / "train-tree"
    os.rename(train, tree)
    train.mkdir()
    # The deepest first: a class may lie in the folder of another.
    for path in sorted(paths.values(), key=lambda path: -path.count("/")):
        os.rename(tree / path.strip("/"), train / _places_class(path))
    shutil.rmtree(tree)  # the folders of the first letters
    lines = (lists / "places365_val.txt").read_text(encoding="ascii").splitlines()
    labels = dict(line.split() for line in lines)
    _sort_into_classes(
        val, {name: _places_class(paths[int(label)]) for name, label in labels.items()}
    )
    shutil.rmtree(lists)


def _places_class(path: str) -> str:
    """Return ``bakery-shop`` for ``/b/bakery/shop``: each class is one folder."""
    _, *names = path.strip("/").split("/")
    return "-".join(names)


def arrange_pets(root: Path) -> None:
    """Arrange the Pets twice: as class folders, and in VOC's layout.

    ``{trainval,test}/<breed>/`` hold hard links to the images in ``JPEGImages/`` (copies where the
    file system has no links). ``SegmentationClass/`` holds the official trimaps: 1 pet,
    2 background, 3 either of them. ``Annotations/`` holds the boxes of heads, which exist for
    nearly all images of trainval and none of test: ``ImageSets/Main/trainval.txt`` names those.
    """
    official = root / "annotations"
    os.rename(official / "trimaps", root / "SegmentationClass")
    os.rename(official / "xmls", root / "Annotations")
    boxed = {Path(name).stem for name in os.listdir(root / "Annotations")}
    for split in ("trainval", "test"):
        lines = (official / f"{split}.txt").read_text(encoding="ascii").splitlines()
        names = [line.split()[0] for line in lines if line and not line.startswith("#")]
        _write_list(root / f"ImageSets/Segmentation/{split}.txt", names)
        for name in names:
            folder = root / split / name.rpartition("_")[0]
            folder.mkdir(parents=True, exist_ok=True)
            _link(root / f"JPEGImages/{name}.jpg", folder / f"{name}.jpg")
        if split == "trainval":
            _write_list(root / "ImageSets/Main/trainval.txt", [n for n in names if n in boxed])
    shutil.rmtree(official)
    for file in (root / "JPEGImages").glob("*.mat"):  # the archive holds three by mistake
        file.unlink()


def _write_list(path: Path, names: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in names), encoding="ascii")


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except PermissionError:  # FAT and some network file systems have no hard links
        shutil.copyfile(source, target)
