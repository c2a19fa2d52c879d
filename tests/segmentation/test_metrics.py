"""SegMetric against counts by hand, a plain confusion matrix, and mmseg's own metric."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.registry import METRICS
from mmseg.models import BaseSegmentor
from PIL import Image

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.segmentation import SegMetric
from bag_of_transfer.segmentation.metrics import count_confusion, count_pixels, scores

NAMES = ("sky", "road", "car")


def sample(predicted: torch.Tensor, labels: torch.Tensor, name: str = "a/1.jpg", **more) -> dict:
    return {
        "pred_sem_seg": {"data": predicted[None]},
        "gt_sem_seg": {"data": labels[None]},
        "img_path": name,
        **more,
    }


def random_maps(num_images: int, num_classes: int) -> list[dict]:
    rng = torch.Generator().manual_seed(0)
    outputs = []
    for i in range(num_images):
        shape = (33 + i, 47 - i)
        labels = torch.randint(0, num_classes, shape, generator=rng)
        guess = torch.randint(0, num_classes, shape, generator=rng)
        right = torch.rand(shape, generator=rng) < 0.6
        labels[torch.rand(shape, generator=rng) < 0.1] = 255
        predicted = torch.where(right & (labels != 255), labels, guess)
        outputs.append(sample(predicted, labels.to(torch.uint8), f"{i}.png"))
    return outputs


def evaluated(metric: SegMetric, names: tuple[str, ...], samples: list[dict]) -> dict:
    metric.dataset_meta = {"classes": names}
    metric.process({}, samples[:2])
    metric.process({}, samples[2:])
    return metric.evaluate(len(samples))


def counts_of(predicted: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    confusion, _ = count_confusion(predicted, labels, 3)
    return count_pixels(confusion)


def test_a_map_counted_by_hand() -> None:
    labels = torch.tensor([[0, 0, 1], [1, 2, 255]])
    predicted = torch.tensor([[0, 1, 1], [1, 0, 2]])  # right: 1 of 2, 2 of 2, 0 of 1
    counts = counts_of(predicted, labels)
    assert counts.tolist() == [[1, 2, 0], [2, 3, 0], [2, 2, 1]]
    means, iou = scores(counts)
    # IoU: 1 / (2 + 2 - 1), 2 / (3 + 2 - 2), 0 / (0 + 1 - 0)
    assert iou == pytest.approx([100 / 3, 200 / 3, 0])
    assert means["mIoU"] == pytest.approx(100 / 3)
    assert means["pixAcc"] == pytest.approx(60)  # 3 of 5
    assert means["mAcc"] == pytest.approx(50)  # 1/2, 1, 0


def test_a_class_that_is_nowhere_is_left_out_of_the_mean() -> None:
    same = torch.tensor([[0, 1]])
    means, iou = scores(counts_of(same, same))
    assert means == {"pixAcc": 100, "mIoU": 100, "mAcc": 100}
    assert np.isnan(iou[2])


def test_a_class_that_is_only_predicted_lowers_miou_but_not_macc() -> None:
    means, iou = scores(counts_of(torch.tensor([[0, 2]]), torch.tensor([[0, 0]])))
    assert iou[0] == 50
    assert iou[2] == 0
    assert means["mIoU"] == 25
    assert means["mAcc"] == 50


def test_agrees_with_a_plain_confusion_matrix() -> None:
    samples = random_maps(5, 4)
    names = ("a", "b", "c", "d")
    metric = SegMetric()
    result = evaluated(metric, names, samples)
    matrix = np.zeros((4, 4))
    for one in samples:
        labels, predicted = one["gt_sem_seg"]["data"][0], one["pred_sem_seg"]["data"][0]
        for label, guess in zip(labels.ravel().tolist(), predicted.ravel().tolist(), strict=True):
            if label != 255:
                matrix[label, guess] += 1
    right = np.diag(matrix)
    iou = 100 * right / (matrix.sum(0) + matrix.sum(1) - right)
    assert result == pytest.approx(
        {
            "pixAcc": 100 * right.sum() / matrix.sum(),
            "mIoU": iou.mean(),
            "mAcc": (100 * right / matrix.sum(1)).mean(),
        }
    )
    assert metric.per_class == pytest.approx(dict(zip(names, iou, strict=True)))


def test_agrees_with_mmsegs_metric() -> None:
    from mmseg.evaluation import IoUMetric

    samples = random_maps(6, 7)
    names = tuple("abcdefghi")  # two classes are nowhere
    ours = evaluated(SegMetric(), names, samples)
    theirs = evaluated(IoUMetric(prefix="m"), names, samples)
    assert theirs["m/mIoU"] > 10  # they compare something
    for our_name, name in {"pixAcc": "aAcc", "mIoU": "mIoU", "mAcc": "mAcc"}.items():
        assert ours[our_name] == pytest.approx(theirs[f"m/{name}"], abs=0.006)  # two digits


def test_a_binary_segmenter_of_one_logit_is_judged(tmp_path: Path) -> None:
    logits = torch.randn(1, 1, 20, 30, generator=torch.Generator().manual_seed(0))
    segmenter = SimpleNamespace(decode_head=SimpleNamespace(threshold=0.3), align_corners=False)
    (found,) = BaseSegmentor.postprocess_result(segmenter, logits)  # as floats
    labels = torch.randint(0, 2, (20, 30), generator=torch.Generator().manual_seed(1))
    expected = counts_of((logits[0, 0].sigmoid() > 0.3).long(), labels)[:, :2]
    metric = SegMetric(output_dir=str(tmp_path))
    metrics = evaluated(
        metric, ("ground", "crack"), [sample(found.pred_sem_seg.data[0], labels, "1.png")]
    )
    assert metrics == scores(expected)[0]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "1.png")), found.pred_sem_seg.data[0])


def test_an_image_without_a_mask_is_refused() -> None:
    image = sample(torch.zeros(2, 2, dtype=torch.long), torch.zeros(2, 2))
    del image["gt_sem_seg"]
    with pytest.raises(UserError, match=r"no mask to judge by: a/1\.jpg"):
        evaluated(SegMetric(), NAMES, [image])


def test_values_are_percent_under_the_contracts_names() -> None:
    metric = METRICS.build({"type": "SegMetric"})
    perfect = torch.randint(0, 3, (33, 47), generator=torch.Generator().manual_seed(0))
    result = evaluated(metric, NAMES, [sample(perfect, perfect)])
    assert result == {"pixAcc": 100, "mIoU": 100, "mAcc": 100}
    assert metric.per_class == {"sky": 100, "road": 100, "car": 100}


def test_per_class_lacks_classes_that_are_nowhere() -> None:
    metric = SegMetric()
    evaluated(metric, NAMES, [sample(torch.tensor([[0, 1]]), torch.tensor([[0, 0]]))])
    assert metric.per_class == {"sky": 50, "road": 0}


def test_a_second_evaluation_starts_from_nothing() -> None:
    metric, labels = SegMetric(), torch.tensor([[0, 1, 2]])
    assert evaluated(metric, NAMES, [sample(2 - labels, labels)])["mIoU"] == pytest.approx(100 / 3)
    assert evaluated(metric, NAMES, [sample(labels, labels)])["mIoU"] == 100


def test_counts_stay_exact_beyond_what_float32_can_count() -> None:
    counts = torch.tensor([[2**24 + 1, 1], [2**24 + 1, 1], [2**24 + 1, 2]])
    means, _ = scores(counts)
    assert means["pixAcc"] == pytest.approx(100 * (2**24 + 2) / (2**24 + 3), rel=1e-12)


@pytest.mark.parametrize("label", [3, 254, -1])
def test_labels_that_are_no_class_are_refused(label: int) -> None:
    sound = sample(torch.tensor([[0, 1]]), torch.tensor([[0, 1]]), "a/1.jpg")
    wrong = sample(torch.tensor([[0, 1]]), torch.tensor([[0, label]]), "a/2.jpg")
    expected = f"label {label} in the ground truth, but there are 3 classes: SegMetric, image 2"
    with pytest.raises(UserError, match=expected):
        evaluated(SegMetric(), NAMES, [sound, wrong, sound])


def test_any_label_may_stand_for_pixels_without_one() -> None:
    labels = torch.tensor([[0, 0, 1, 2]])
    assert count_confusion(labels, labels, 3, ignore_index=0)[0].diagonal().tolist() == [0, 1, 1]


def test_counting_waits_for_no_value_on_the_device() -> None:
    """Tensors of the device "meta" have no values: whoever asks for one gets an error."""
    maps = torch.zeros(33, 47, dtype=torch.uint8, device="meta")
    confusion, stray = count_confusion(maps, maps, 3)
    assert count_pixels(confusion).shape == (3, 3)
    assert stray.shape == ()
    with pytest.raises(RuntimeError, match="meta"):
        stray.item()


def test_processes_drop_images_that_fill_up_their_share() -> None:
    """mmengine gives each process equally many, and cuts what it collected to the true number."""
    labels = torch.tensor([[0, 1, 2]])
    metric = SegMetric()
    right, wrong = sample(labels, labels), sample(2 - labels, labels)
    metric.dataset_meta = {"classes": NAMES}
    metric.process({}, [right, wrong])
    assert metric.evaluate(1)["mIoU"] == 100


def test_images_without_any_label_are_refused() -> None:
    with pytest.raises(UserError, match="no pixel has a label"):
        evaluated(SegMetric(), NAMES, [sample(torch.zeros(2, 2).long(), torch.full((2, 2), 255))])


@pytest.mark.parametrize("reduce_zero_label", [False, True])
def test_predictions_are_written_with_the_data_sets_own_numbers(
    tmp_path: Path, reduce_zero_label: bool
) -> None:
    folder = tmp_path / "new" / "masks"
    samples = random_maps(3, 3)
    for one in samples:
        one["reduce_zero_label"] = reduce_zero_label
    evaluated(SegMetric(output_dir=str(folder)), NAMES, samples)
    assert sorted(path.name for path in folder.iterdir()) == ["0.png", "1.png", "2.png"]
    for i, one in enumerate(samples):
        written = Image.open(folder / f"{i}.png")
        assert written.mode == "L"
        expected = one["pred_sem_seg"]["data"][0].numpy() + int(reduce_zero_label)
        np.testing.assert_array_equal(np.array(written), expected)


def test_two_images_of_one_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    same = torch.tensor([[0, 1, 2]])
    samples = [sample(same, same, "a/1.jpg"), sample(same, same, "b/1.jpg")]
    with pytest.raises(UserError, match="two images would give one mask file"):
        evaluated(SegMetric(output_dir=str(tmp_path)), NAMES, samples)


def test_images_of_one_name_in_two_folders_keep_theirs(tmp_path: Path) -> None:
    same = torch.tensor([[0, 1, 2]])
    samples = [sample(same, same, f"data/{name}.jpg") for name in ("a/1", "b/1", "2")]
    npz = tmp_path / "p.npz"
    metric = SegMetric(output_dir=str(tmp_path / "masks"), per_image_file=str(npz))
    metric.dataset_meta = {"classes": NAMES, "img_dir": "data"}
    metric.process({}, samples)
    metric.evaluate(len(samples))
    paths = (tmp_path / "masks").rglob("*.png")
    written = {path.relative_to(tmp_path / "masks").as_posix() for path in paths}
    assert written == {"a/1.png", "b/1.png", "2.png"}
    with np.load(npz) as arrays:
        assert arrays["image_ids"].tolist() == ["a/1", "b/1", "2"]
