"""mmsegmentation's own data set: its masks are compared with its classes before training."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmseg.datasets import ADE20KDataset
from PIL import Image

import bag_of_transfer.segmentation  # noqa: F401  registers the check
from bag_of_transfer.engine.data.data_sets import build_dataset
from bag_of_transfer.engine.errors import UserError

THREE = ("ground", "ball", "box")


def build(folder: Path, values: list[int], classes: Any = THREE, **kwargs: Any) -> Any:
    """Write two images whose masks hold ``values``; the second mask holds the first value only."""
    for name, held in (("a", values), ("b", values[:1])):
        for part in ("img", "ann"):
            (folder / part).mkdir(exist_ok=True)
        mask = np.resize(np.array(held), (8, 8))
        kind = np.uint8 if mask.max() < 256 else np.uint16
        Image.fromarray(mask.astype(kind)).save(folder / f"ann/{name}.png")
        Image.new("RGB", (8, 8)).save(folder / f"img/{name}.jpg")
    cfg = dict(
        type="BaseSegDataset",
        data_root=str(folder),
        data_prefix=dict(img_path="img", seg_map_path="ann"),
        metainfo=dict(classes=classes) if classes else None,
        serialize_data=False,
    )
    return build_dataset({**cfg, **kwargs}, "mmseg")


def test_a_class_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"more than once \(1, first: box\): BaseSegDataset: meta"):
        build(tmp_path, [0, 1, 2], ("box", "ball", "box"))


@pytest.mark.parametrize(
    ("values", "options"),
    [([0, 1, 2, 255], {}), ([0, 1, 2, 3, 255], {"reduce_zero_label": True})],
)
def test_sound_masks_pass(tmp_path: Path, values: list[int], options: dict) -> None:
    assert len(build(tmp_path, values, **options)) == 2


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([0, 1, 3], {}, "mask value 3 is not a label of 3 classes"),
        ([1, 2, 4], {"reduce_zero_label": True}, "mask value 4 is not a label of 3 classes"),
        ([0, 1, 290], {}, "mask value 290 is not a label of 3 classes"),
        ([0, 1], {"classes": ("ground",)}, "mask value 1 is not a label of 1 classes"),
        ([0, 1], {"classes": None}, "BaseSegDataset names no classes"),
        ([255], {}, "every pixel of every mask is ignored"),
        ([0], {"reduce_zero_label": True}, "every pixel of every mask is ignored"),
        ([0], {"seg_map_suffix": ".bmp"}, "there are no masks"),
    ],
)
def test_masks_that_do_not_fit_the_classes_are_refused(
    tmp_path: Path, values: list[int], options: dict, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        build(tmp_path, values, **options)


def test_classes_chosen_out_of_a_known_data_set_are_followed(tmp_path: Path) -> None:
    chosen = dict(type="ADE20KDataset", reduce_zero_label=True, classes=("sky", "wall"))
    assert len(build(tmp_path, [0, 1, 3, 150], **chosen)) == 2
    with pytest.raises(UserError, match=r"cannot be built \(ValueError: .*not a subset"):
        build(tmp_path, [0, 1], **{**chosen, "classes": ("sky", "wal")})
    with pytest.raises(UserError, match="mask value 151 is not a label of 2 classes"):
        build(tmp_path, [0, 1, 151], **chosen)
    assert ADE20KDataset.METAINFO["classes"][2] == "sky"
