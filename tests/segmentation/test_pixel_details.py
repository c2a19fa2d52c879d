"""What a segmenter's classes found and confused, against counting with NumPy."""

from pathlib import Path

import numpy as np
import pytest
import torch

from bag_of_transfer.engine.loop.details import describe, worst_images
from bag_of_transfer.segmentation.metrics import SegMetric

NAMES = ("sky", "road", "tree", "never")


def samples(count: int) -> list[dict]:
    rng = np.random.default_rng(0)
    made = []
    for number in range(count):
        labels = rng.integers(0, 3, (31 + number, 43))
        predicted = np.where(rng.random(labels.shape) < 0.5, labels, rng.integers(0, 3))
        labels[rng.random(labels.shape) < 0.1] = 255
        made.append(
            {
                "pred_sem_seg": {"data": torch.from_numpy(predicted)[None]},
                "gt_sem_seg": {"data": torch.from_numpy(labels.astype(np.uint8))[None]},
                "img_path": f"{number}.png",
            }
        )
    return made


def counted(items: list[dict]) -> np.ndarray:
    total = np.zeros((4, 4), dtype=int)
    for item in items:
        labels, predicted = (item[k]["data"][0].numpy() for k in ("gt_sem_seg", "pred_sem_seg"))
        kept = labels != 255
        pairs = 4 * labels[kept].astype(int) + predicted[kept]
        total += np.bincount(pairs, minlength=16).reshape(4, 4)
    return total


@pytest.mark.parametrize("per_image", [False, True])
@pytest.mark.parametrize("repeated", [0, 1])
def test_confusion_counts_every_image_once(per_image: bool, repeated: int, tmp_path: Path) -> None:
    items = samples(5)
    file = str(tmp_path / "p.npz") if per_image else None
    metric = SegMetric(per_image_file=file)
    metric.dataset_meta = {"classes": NAMES}
    for item in items:
        metric.process({}, [item])
    size = len(items) - repeated  # a sampler repeats an image so that all processes have as many
    means = metric.evaluate(size)
    details, expected = metric.details, counted(items[:size])
    assert details is not None
    assert details.confusion.tolist() == expected.tolist()
    right, labelled = expected.diagonal()[:3], expected.sum(axis=1)[:3]
    assert details.precision[:3] == pytest.approx(100 * right / expected.sum(axis=0)[:3])
    assert details.recall[:3] == pytest.approx(100 * right / labelled)
    assert np.nanmean(details.figures) == pytest.approx(means["mIoU"])
    assert details.figures[0] == metric.per_class["sky"]
    assert np.isnan(details.figures[3])
    assert len(details.image_figures) == size
    record = describe(details, split="val", metrics=means)
    assert record["num_never_found"] == 0
    assert record["classes"][3] == dict(
        name="never", figure=None, count=0, precision=None, recall=None
    )


@pytest.mark.parametrize("rank", range(4))
def test_with_fewer_images_than_processes_each_image_counts_once(
    rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    items, collected = samples(3), []
    place = "bag_of_transfer.segmentation.metrics"
    monkeypatch.setattr(f"{place}.get_dist_info", lambda: (rank, 4))
    monkeypatch.setattr(
        f"{place}.BaseMetric.evaluate", lambda self, size: collected.extend(self.results)
    )
    metric = SegMetric()
    metric.dataset_meta = {"classes": NAMES}
    metric.process({}, [items[rank % 3]])  # as a sampler fills up the last round
    metric.evaluate(3)
    ((_, _, _, confusion),) = collected
    expected = counted(items[rank : rank + 1])  # nothing in the last process
    assert confusion.tolist() == expected.tolist()


def test_the_worst_image_comes_first_and_a_second_evaluation_starts_anew() -> None:
    items = samples(3)
    items[1]["pred_sem_seg"]["data"] = torch.full_like(items[1]["pred_sem_seg"]["data"], 2)
    metric = SegMetric()
    metric.dataset_meta = {"classes": NAMES}
    for _ in range(2):
        metric.process({}, items)
        metric.evaluate(3)
        assert metric.details is not None
        assert metric.details.confusion.tolist() == counted(items).tolist()
    assert worst_images(metric.details)[0][0] == 1
    assert len(worst_images(metric.details)) == 3
