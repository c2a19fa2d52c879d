"""AP can be computed again from what CocoBoxMetric keeps of every image."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bag_of_transfer.detection.datasets import CocoFormat
from bag_of_transfer.detection.metrics import CocoBoxMetric
from bag_of_transfer.ladder.statistics.resampled_boxes import (
    HIT,
    MISS,
    NEITHER,
    BoxMatches,
    detection_metric,
)


def test_the_file_gives_the_metric_again(tmp_path: Path, draw_coco: Callable[..., Path]) -> None:
    root = draw_coco(tmp_path, val=6)
    split = CocoFormat(
        data_root=str(root),
        ann_file="annotations/val.json",
        data_prefix=dict(img="images/"),
        test_mode=True,
        serialize_data=False,  # it calls the garbage collector: slow in a large process
    )
    rng = torch.Generator().manual_seed(0)
    metric = CocoBoxMetric(per_image_file=str(tmp_path / "per_image.npz"))
    metric.dataset_meta = split.metainfo
    for i in range(len(split)):
        info = split.get_data_info(i)
        boxes = torch.tensor([note["bbox"] for note in info["instances"]]).reshape(-1, 4)
        labels = torch.tensor([note["bbox_label"] for note in info["instances"]]).long()
        shifted = boxes + 6 * torch.randn(boxes.shape, generator=rng)
        scores = torch.rand(len(boxes), generator=rng)
        predicted = dict(bboxes=shifted, labels=labels, scores=scores)
        true = dict(bboxes=boxes, labels=labels)
        none = dict(bboxes=boxes[:0], labels=labels[:0])
        sample = dict(img_id=info["img_id"], pred_instances=predicted)
        metric.process(None, [{**sample, "gt_instances": true, "ignored_instances": none}])
    metrics = metric.evaluate(len(split))
    assert 5 < metrics["AP"] < 95

    arrays = np.load(tmp_path / "per_image.npz")
    assert arrays["matched"].shape == arrays["ignored"].shape == (10, len(arrays["image"]))
    assert arrays["classes"].tolist() == list(split.metainfo["classes"])
    matches = [
        BoxMatches(
            *(arrays[name] for name in ("image", "score", "label")),
            np.select([out, hit], [NEITHER, HIT], MISS),
            arrays["num_gt"],
        )
        for hit, out in zip(arrays["matched"], arrays["ignored"], strict=True)
    ]
    for name in ("AP", "AP50", "AP75"):
        again = detection_metric(name, arrays["image_ids"].tolist(), matches)
        assert again.compute(np.ones((1, len(split)), int)) == pytest.approx([metrics[name]])
