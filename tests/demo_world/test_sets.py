from collections import Counter
from itertools import product

from bag_of_transfer.demo_world.classes import CLASS_NAMES, CLASSES, LOOK_ALIKES
from bag_of_transfer.demo_world.sets import SPLITS, text_files
from bag_of_transfer.demo_world.shapes import OBJECT_SHAPES
from bag_of_transfer.demo_world.textures import TEXTURES


def test_no_single_cue_tells_the_class() -> None:
    assert len(CLASSES) == len(set(CLASSES)) == 12
    assert set(Counter(kind.shape for kind in CLASSES).values()) == {2}
    assert set(Counter(kind.texture for kind in CLASSES).values()) == {3}


def test_look_alikes_are_the_other_pairs() -> None:
    pairs = {(kind.shape, kind.texture) for kind in (*CLASSES, *LOOK_ALIKES)}
    assert pairs == set(product(OBJECT_SHAPES, TEXTURES))
    assert len(CLASSES) + len(LOOK_ALIKES) == 24


def test_names_are_in_the_order_of_sorted_folders() -> None:
    assert list(CLASS_NAMES) == sorted(set(CLASS_NAMES))


def test_splits_have_streams_and_files_of_their_own() -> None:
    assert len({split.stream for split in SPLITS}) == len(SPLITS) == 8
    files = [path for split in SPLITS for path in split.files()] + list(text_files())
    # 3600 pictures; 500 pictures with annotations; 370 with masks; 6 lists; 2 of classes.
    assert len(files) == len(set(files)) == 3600 + 2 * 500 + 2 * 370 + 6 + 2


def test_every_split_shows_every_class() -> None:
    for split in SPLITS:
        first_labels = Counter(index % 12 for index in range(split.num_pictures))
        assert min(first_labels.values()) >= 4
        drawn = [split.draw(index, seed=0).objects[0].label for index in range(12)]
        assert drawn == list(range(12))


def test_pictures_lie_where_loaders_look() -> None:
    by_key = {split.key: split for split in SPLITS}
    names = [
        by_key["classification/val"].image_file(13),
        by_key["detection/test"].image_file(159),
        by_key["detection/test"].truth_file(159),
        by_key["segmentation/train"].image_file(0),
        by_key["segmentation/train"].truth_file(0),
    ]
    assert [str(name) for name in names] == [
        "classification/val/blotched_fish/0001.png",
        "detection/JPEGImages/test_0159.png",
        "detection/Annotations/test_0159.xml",
        "segmentation/JPEGImages/train_0000.png",
        "segmentation/SegmentationClass/train_0000.png",
    ]
    assert by_key["classification/val"].truth_file(13) is None


def test_lists_name_each_picture_once_and_classes_begin_with_background() -> None:
    texts = {str(path): text.splitlines() for path, text in text_files().items()}
    assert len(texts["detection/ImageSets/Main/test.txt"]) == 160
    assert texts["segmentation/ImageSets/Segmentation/val.txt"][-1] == "val_0049"
    assert texts["detection/classes.txt"] == list(CLASS_NAMES)
    assert texts["segmentation/classes.txt"] == ["background", *CLASS_NAMES]
