"""Archives with the official names and structure, and a few files of a few bytes."""

import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.io

from bag_of_transfer.archives.catalogue import DATA_SETS
from bag_of_transfer.archives.records import DataSet

Contents = Mapping[str, bytes]


def tar(contents: Contents) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as made:
        for name, data in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            made.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def zipped(contents: Contents) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in contents.items():
            made.writestr(name, data)
    return packed.getvalue()


def packed_as(name: str, contents: Contents) -> bytes:
    if name.endswith(".zip"):
        return zipped(contents)
    return gzip.compress(tar(contents)) if name.endswith(".gz") else tar(contents)


def lines(*names: object) -> bytes:
    return "".join(f"{name}\n" for name in names).encode()


def voc_files(year: int, lists: Mapping[str, list[str]], masks: bool = False) -> Contents:
    root = f"VOCdevkit/VOC{year}"
    names = sorted({name for listed in lists.values() for name in listed})
    return {
        **{f"{root}/ImageSets/{split}.txt": lines(*listed) for split, listed in lists.items()},
        **{f"{root}/JPEGImages/{name}.jpg": f"image {name}".encode() for name in names},
        **{f"{root}/Annotations/{name}.xml": b"boxes" * 2500 for name in names},  # 12.5 kB:
        # tar fills up to 10 kB, and sizes must differ
        **({f"{root}/SegmentationClass/{n}.png": b"mask" * 5000 for n in names} if masks else {}),
    }


def voc() -> dict[str, Contents]:
    lists = {
        "Main/trainval": ["2012_1", "2012_2"],
        "Segmentation/train": ["2012_1"],
        "Segmentation/val": ["2012_2"],
    }
    return {
        "VOCtrainval_06-Nov-2007.tar": voc_files(2007, {"Main/trainval": ["1", "3", "5"]}),
        "VOCtest_06-Nov-2007.tar": voc_files(2007, {"Main/test": ["2", "4"]}),
        "VOCtrainval_11-May-2012.tar": voc_files(2012, lists, masks=True),
    }


def coco() -> dict[str, Contents]:
    return {
        "annotations_trainval2017.zip": {
            f"annotations/{kind}_{split}2017.json": b"{}" * 5000
            for kind in ("instances", "captions")
            for split in ("train", "val")
        },
        "val2017.zip": {"val2017/000000000139.jpg": b"v"},
        "train2017.zip": {f"train2017/{number:012}.jpg": b"t" * number for number in (9, 25, 30)},
    }


def ade20k() -> dict[str, Contents]:
    root, names = "ADEChallengeData2016", {"training": ["train_1", "train_2"], "validation": ["v"]}
    pairs = [(split, name) for split, listed in names.items() for name in listed]
    return {
        f"{root}.zip": {
            f"{root}/objectInfo150.txt": b"Idx",
            **{f"{root}/images/{split}/ADE_{name}.jpg": b"image" for split, name in pairs},
            **{f"{root}/annotations/{split}/ADE_{name}.png": b"mask" for split, name in pairs},
        }
    }


# Not in the order of the ids' numbers, nor of the words: sorting would give other labels.
WNIDS = {1: "n02119789", 2: "n02100735", 3: "n01440764"}
VAL_LABELS = (3, 1, 2, 1, 3, 2)


def meta_mat() -> bytes:
    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    ids = {**WNIDS, 1001: "n00001740"}  # behind the classes come their parents
    rows = [(number, wnid, "word", int(number > 1000)) for number, wnid in ids.items()]
    packed = io.BytesIO()
    scipy.io.savemat(packed, {"synsets": np.array(rows, dtype=kinds)})
    return packed.getvalue()


def imagenet() -> dict[str, Contents]:
    kit = "ILSVRC2012_devkit_t12"
    classes = {
        wnid: {f"{wnid}_{i}.JPEG": f"{wnid} {i}".encode() for i in range(number)}
        for number, wnid in WNIDS.items()
    }
    truth = {f"{kit}/data/ILSVRC2012_validation_ground_truth.txt": lines(*VAL_LABELS)}
    images = {f"ILSVRC2012_val_{i:08}.JPEG": f"val {i}".encode() for i in range(6, 0, -1)}
    return {
        f"{kit}.tar.gz": {f"{kit}/readme.txt": b"", f"{kit}/data/meta.mat": meta_mat(), **truth},
        "ILSVRC2012_img_val.tar": images,
        "ILSVRC2012_img_train.tar": {f"{wnid}.tar": tar(files) for wnid, files in classes.items()},
    }


CATEGORIES = ("/a/airfield", "/b/bakery", "/b/bakery/shop")  # a class in another's folder


def places365() -> dict[str, Contents]:
    val = [f"Places365_val_{i:08}.jpg" for i in (1, 2, 3)]
    return {
        "filelist_places365-standard.tar": {
            "categories_places365.txt": lines(*(f"{c} {i}" for i, c in enumerate(CATEGORIES))),
            "places365_val.txt": lines(f"{val[0]} 2", f"{val[1]} 0", f"{val[2]} 1"),
        },
        "val_256.tar": {f"val_256/{name}": name.encode() for name in val},
        "train_256_places365standard.tar": {
            f"data_256{category}/{i:08}.jpg": f"{category} {i}".encode()
            for number, category in enumerate(CATEGORIES, start=1)
            for i in range(number)
        },
    }


PETS = {"trainval": ["Abyssinian_1", "american_bulldog_7"], "test": ["american_bulldog_2"]}


def pets() -> dict[str, Contents]:
    names = [name for listed in PETS.values() for name in listed]
    lists = {split: [f"{name} 1 1 1" for name in listed] for split, listed in PETS.items()}
    return {
        "annotations.tar.gz": {
            "annotations/list.txt": lines("#Image CLASS-ID SPECIES BREED ID"),
            **{f"annotations/{split}.txt": lines(*listed) for split, listed in lists.items()},
            **{f"annotations/trimaps/{name}.png": b"trimap" for name in names},
            "annotations/trimaps/._Abyssinian_1.png": b"macOS",
            "annotations/xmls/Abyssinian_1.xml": b"head",
        },
        "images.tar.gz": {
            "images/Abyssinian_100.mat": b"?",
            **{f"images/{name}.jpg": name.encode() for name in names},
        },
    }


MAKERS: dict[str, Callable[[], dict[str, Contents]]] = {
    "imagenet": imagenet,
    "places365": places365,
    "voc": voc,
    "coco": coco,
    "ade20k": ade20k,
    "oxford-pets": pets,
}
COUNTS = {
    "imagenet": dict(zip(("train", "val"), (6, 6), strict=True)),
    "places365": dict(zip(("train", "val"), (6, 3), strict=True)),
    "voc": {
        "VOC07+12 trainval": 5,
        "VOC07 test": 2,
        "VOC12 masks train": 1,
        "VOC12 masks val": 1,
    },
    "coco": {"train2017": 3, "val2017": 1, "annotation files": 2},
    "ade20k": {"training": 2, "validation": 1},
    "oxford-pets": {
        **{"trainval": 2, "test": 1, "masks trainval": 2, "masks test": 1},
        "classes of both": 1,
    },
}
for both in ("imagenet", "places365"):
    COUNTS[both] |= {"classes of train": 3, "classes of both": 3}


def write_archives(name: str, folder: Path) -> DataSet:
    """Write a data set's archives and return its record with their sizes, hashes and counts."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, contents in MAKERS[name]().items():
        (folder / file).write_bytes(packed_as(file, contents))
    return described(DATA_SETS[name], folder, COUNTS[name])


def described(data_set: DataSet, folder: Path, counts: Mapping[str, int]) -> DataSet:
    """Return the record of the archives that are in ``folder``."""
    archives = []
    for archive in data_set.archives:
        data = (folder / archive.name).read_bytes()
        algorithm = (archive.digest or "").partition(":")[0]
        digest = f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
        archives.append(replace(archive, size=len(data), digest=digest))
    return replace(data_set, archives=tuple(archives), counts=counts)


def files_below(root: Path) -> set[str]:
    return {p.relative_to(root).as_posix() for p in root.rglob("*") if not p.is_dir()}
