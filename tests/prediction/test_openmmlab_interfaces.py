"""mmdet's and mmseg's own interfaces in Python on configs and checkpoints of this toolkit."""

from pathlib import Path

import numpy as np
import pytest
from mmdet.apis import DetInferencer, inference_detector, init_detector
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.apis import MMSegInferencer, inference_model, init_model

from tests.prediction.tiny_networks import CONFIGS

HEADS = {
    "det": "roi_head=dict(bbox_head=dict(num_classes=3))",
    "seg": "decode_head=dict(num_classes=4), auxiliary_head=dict(num_classes=4)",
}


@pytest.fixture(params=["det", "seg"])
def task(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def config(task: str, tmp_path: Path) -> Path:
    """Return a config that states its numbers of classes, as a resolved one does."""
    path = tmp_path / "stated.py"
    path.write_text(f"_base_ = {str(CONFIGS[task])!r}\nmodel = dict({HEADS[task]})\n")
    return path


@pytest.mark.filterwarnings("ignore")
def test_they_give_what_the_predictor_gives(task, config, checkpoints, predictors, photos) -> None:
    photo = str(photos / "wide.png")
    with DefaultScope.overwrite_default_scope(f"mm{task}"):
        if task == "det":
            network = init_detector(str(config), str(checkpoints[task]), "random", "cpu")
            found = inference_detector(network, photo).pred_instances.scores.numpy()
        else:
            network = init_model(str(config), str(checkpoints[task]), device="cpu")
            found = inference_model(network, photo).pred_sem_seg.data[0].numpy()
    (ours,) = predictors[task](photo)
    assert np.allclose(found, ours.scores if task == "det" else ours.mask, rtol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_their_inferencers_work_as_the_docs_say(task, config, checkpoints, predictors, photos):
    photo = str(photos / "wide.png")
    cfg = Config.fromfile(config)
    cfg.test_dataloader.dataset.pipeline[0] = dict(type="LoadImageFromFile")
    cfg.visualizer = dict(type=f"{task.capitalize()}LocalVisualizer")
    kind = DetInferencer if task == "det" else MMSegInferencer
    palette = {"palette": "random"} if task == "det" else {}  # else it reads the test split
    found = kind(cfg, str(checkpoints[task]), device="cpu", **palette)(photo)["predictions"]
    (ours,) = predictors[task](photo)
    if task == "det":
        assert np.allclose(found[0]["scores"], ours.scores)
    else:
        assert np.array_equal(found, ours.mask)
