"""What ``--tta`` does to a config before the network is built."""

import pytest
from mmengine.config import Config

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.run.evaluation import _augment_at_test_time


def config(**more: object) -> Config:
    whole = {"mode": "whole", "rcnn": {"score_thr": 0.05, "max_per_img": 100}}
    return Config(
        {
            "model": {"type": "Network", "test_cfg": whole},
            "test_dataloader": {"dataset": {"type": "Images", "pipeline": [{"type": "Plain"}]}},
            "tta_model": {"type": "Merge"},
            "tta_pipeline": [{"type": "Views"}],
            **more,
        }
    )


def test_the_network_is_wrapped_and_sees_the_views() -> None:
    cfg = config()
    _augment_at_test_time(cfg)
    assert cfg.model.type == "Merge"
    assert cfg.model.module == config().model  # with its own test_cfg
    assert cfg.test_dataloader.dataset.pipeline == [{"type": "Views"}]


def test_tta_test_cfg_goes_into_the_wrapped_networks() -> None:
    slide = {"mode": "slide", "crop_size": (480, 480), "rcnn": {"score_thr": 0.01}}
    cfg = config(tta_test_cfg=slide)
    _augment_at_test_time(cfg)
    assert cfg.model.module.test_cfg == {
        "mode": "slide",
        "crop_size": (480, 480),
        "rcnn": {"score_thr": 0.01, "max_per_img": 100},
    }
    assert cfg.model.type == "Merge"


@pytest.mark.parametrize("lacking", ["tta_model", "tta_pipeline"])
def test_a_config_without_it_is_refused(lacking: str) -> None:
    cfg = config()
    cfg.pop(lacking)
    with pytest.raises(UserError, match="no test-time augmentation"):
        _augment_at_test_time(cfg)
