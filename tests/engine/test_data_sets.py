"""The data of validation and test is looked at before the first step."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS

from bag_of_transfer.engine.data.class_names import classes_of
from bag_of_transfer.engine.data.data_sets import LookAtSplits, build_dataset
from bag_of_transfer.engine.errors import UserError


@DATASETS.register_module(force=True)
class ListedImages:
    """A split whose file names its classes, one a line."""

    def __init__(self, ann_file: str, data_root: str = "") -> None:
        self.metainfo = {"classes": tuple(Path(data_root, ann_file).read_text().split())}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "val.txt").write_text("cat\ndog\n")
    (tmp_path / "other.txt").write_text("cat\ndoge\n")
    return tmp_path


def look(root: Path, val: str | None, test: str | None, **evaluator: Any) -> LookAtSplits:
    """Come to the first step of a run that was trained on cats and dogs."""

    def split(name: str | None) -> dict[str, Any] | None:
        return dict(dataset=cfg_of(root, name)) if name else None

    cfg = Config(
        dict(
            classes=("cat", "dog"),
            default_scope="mmengine",
            val_dataloader=split(val),
            test_dataloader=split(test),
            test_evaluator=evaluator or None,
        )
    )
    loop = None
    if val:
        dataset = DATASETS.build(cfg_of(root, val))
        loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset))
    hook = LookAtSplits()
    hook.before_train(SimpleNamespace(cfg=cfg, val_loop=loop))
    return hook


def cfg_of(root: Path, name: str) -> dict[str, Any]:
    return dict(type="ListedImages", data_root=str(root), ann_file=name)


@pytest.mark.parametrize(("val", "test"), [("val.txt", None), (None, "val.txt"), (None, None)])
def test_splits_of_the_same_classes_pass(root: Path, val: str | None, test: str | None) -> None:
    look(root, val, test)


@pytest.mark.parametrize(
    ("val", "test", "split"), [("other.txt", None, "val"), ("val.txt", "other.txt", "test")]
)
def test_other_classes_than_in_training_are_refused(
    root: Path, val: str, test: str | None, split: str
) -> None:
    with pytest.raises(UserError, match=rf"{split} split has other classes .*: dog against doge"):
        look(root, val, test)


def test_training_needs_no_test_split(root: Path) -> None:
    assert look(root, "val.txt", "not_there_yet.txt").test_set is None


def test_the_test_split_is_kept_until_training_begins(root: Path) -> None:
    hook = look(root, None, "val.txt")
    assert classes_of(hook.test_set) == ("cat", "dog")
    hook.before_train_epoch(SimpleNamespace())
    assert hook.test_set is None


def test_a_test_split_that_is_there_and_cannot_be_read_is_refused(root: Path) -> None:
    (root / "broken.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(
        UserError, match=r"cannot be built \(UnicodeDecodeError: .*broken\.txt: mend"
    ):
        look(root, "val.txt", "broken.txt")
    look(root, "val.txt", "broken.txt", type="X", format_only=True)  # a server judges


def test_a_data_set_without_class_names_is_refused() -> None:
    for metainfo in ({}, {"classes": None}, {"classes": ()}, {"classes": "cat"}):
        with pytest.raises(UserError, match="SimpleNamespace names no classes"):
            classes_of(SimpleNamespace(metainfo=metainfo))


def test_an_unknown_type_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match=r"cannot be built \(KeyError: .*NoSuch"):
        build_dataset(dict(type="NoSuch"), "mmengine")
