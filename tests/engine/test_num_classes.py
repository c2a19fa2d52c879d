"""The number of classes comes from the data."""

import pytest
from mmengine.config import Config

from bag_of_transfer.engine.config.num_classes import fill_num_classes
from bag_of_transfer.engine.errors import UserError


def test_every_open_num_classes_is_filled_lists_included():
    cfg = Config(dict(model=dict(head=dict(num_classes=None), aux=[dict(num_classes=None)])))
    fill_num_classes(cfg, ("cat", "dog", "emu"))
    assert cfg.model.head.num_classes == cfg.model.aux[0].num_classes == 3


def test_a_stated_number_that_disagrees_is_an_error_naming_the_key():
    cfg = Config(dict(model=dict(roi_head=dict(bbox_head=dict(num_classes=80)))))
    with pytest.raises(UserError, match=r"80 classes.*3.*model\.roi_head\.bbox_head\.num_classes"):
        fill_num_classes(cfg, ("cat", "dog", "emu"))


def test_heads_for_things_count_the_things_of_a_panoptic_data_set() -> None:
    heads = dict(bbox_head=dict(num_classes=2), fusion_head=dict(num_things_classes=2))
    fill_num_classes(Config(dict(model=heads)), ("ball", "box", "ground"))
    with pytest.raises(UserError, match="has 2 classes, the training data 3"):
        fill_num_classes(Config(dict(model=dict(bbox_head=dict(num_classes=2)))), ("a", "b", "c"))
