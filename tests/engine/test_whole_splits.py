"""Splits are stated whole or not at all; a training needs no validation."""

import pytest
from mmengine.config import Config

from bag_of_transfer.engine.data.splits import PARTS, check_splits
from bag_of_transfer.engine.errors import UserError


def config(*without: str) -> Config:
    names = [part for parts in PARTS.values() for part in parts if part not in without]
    return Config({name: {"a": 1} for name in names})


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_split_may_be_absent_or_none(split: str) -> None:
    absent = config(*PARTS[split])
    none = config()
    none.update(dict.fromkeys(PARTS[split]))
    for cfg in (absent, none):
        line = check_splits(cfg)
        assert (line is not None) == (split == "val")
    assert check_splits(config()) is None


@pytest.mark.parametrize("part", [part for parts in PARTS.values() for part in parts])
def test_a_split_stated_in_part_is_refused_with_the_missing_part(part: str) -> None:
    with pytest.raises(UserError, match=rf"^the \w+ split has no {part}: "):
        check_splits(config(part))


def test_a_config_that_trains_nothing_is_refused() -> None:
    with pytest.raises(UserError, match=r"^the train split has no train_dataloader"):
        check_splits(config(*PARTS["train"]))
