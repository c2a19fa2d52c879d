"""Top-1 and top-5 by counting."""

import pytest
import torch

from bag_of_transfer.classification import TopK
from bag_of_transfer.classification.metrics import ranks_of_true_class


def evaluate(logits: torch.Tensor, labels: torch.Tensor, classes: tuple[str, ...]) -> tuple:
    metric = TopK()
    metric.dataset_meta = {"classes": classes}
    for start in range(0, len(labels), 3):  # batches of three, the last one shorter
        part = slice(start, start + 3)
        metric.process({"labels": labels[part]}, [{"logits": row} for row in logits[part]])
    return metric.evaluate(len(labels)), metric.per_class


def test_percentages_by_hand() -> None:
    # Class k scores 10 - k, so the true class of label k has rank k.
    logits = torch.arange(10.0, 0.0, -1.0).expand(4, 10)
    metrics, per_class = evaluate(logits, torch.tensor([0, 4, 5, 9]), tuple("abcdefghij"))
    assert metrics == {"top1": 25.0, "top5": 50.0}
    assert per_class == {"a": 100.0, "e": 0.0, "f": 0.0, "j": 0.0}


def test_agrees_with_torchs_topk_whatever_the_batches() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(50, 12), torch.randint(12, (50,))
    metrics, per_class = evaluate(logits, labels, tuple("abcdefghijkl"))
    best = logits.topk(5).indices
    top5 = (best == labels[:, None]).any(1).double().mean().item() * 100
    assert metrics["top5"] == pytest.approx(top5)
    assert metrics["top1"] == pytest.approx((best[:, 0] == labels).double().mean().item() * 100)
    counts = torch.bincount(labels, minlength=12).tolist()
    mean = sum(counts[i] * per_class[c] for i, c in enumerate("abcdefghijkl") if counts[i]) / 50
    assert mean == pytest.approx(metrics["top1"])


def test_top5_of_few_classes_is_100() -> None:
    metrics, _ = evaluate(torch.eye(3), torch.tensor([1, 2, 0]), ("a", "b", "c"))
    assert metrics == {"top1": 0.0, "top5": 100.0}


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_an_answer_that_tells_nothing_is_wrong(value: float) -> None:
    ranks = ranks_of_true_class(torch.full((2, 7), value), torch.tensor([0, 6]))
    assert ranks.tolist() == [6, 6]


def test_what_a_sampler_added_at_the_end_does_not_count() -> None:
    metric = TopK()
    metric.dataset_meta = {"classes": ("a", "b")}
    logits = [{"logits": torch.tensor([1.0, 0.0])}] * 4
    metric.process({"labels": torch.tensor([0, 0, 1, 1])}, logits)
    assert metric.evaluate(3)["top1"] == pytest.approx(200 / 3)


def test_details_count_what_each_class_is_taken_for() -> None:
    torch.manual_seed(1)
    logits, labels = torch.randn(60, 4), torch.randint(3, (60,))
    logits[0] = 0.5  # a tie: no answer, and so not the true class
    metric = TopK()
    metric.dataset_meta = {"classes": ("a", "b", "c", "d")}
    metric.process({"labels": labels}, [{"logits": row} for row in logits])
    metrics = metric.evaluate(60)
    details = metric.details
    assert details is not None
    assert details.confusion.sum(axis=1).tolist() == torch.bincount(labels, minlength=4).tolist()
    assert details.confusion.diagonal().sum() / 60 == pytest.approx(metrics["top1"] / 100)
    answers = logits.argmax(1)[1:]
    expected = torch.bincount(4 * labels[1:] + answers, minlength=16).reshape(4, 4)
    assert (details.confusion - expected.numpy()).sum() == 1
    assert details.confusion[labels[0], labels[0]] == expected[labels[0], labels[0]]
    recall = {name: value for name, value in zip("abc", details.recall, strict=False)}
    assert recall == pytest.approx(metric.per_class)
    truth = logits.softmax(1)[torch.arange(60), labels]
    assert details.image_figures == pytest.approx(100 * truth.double().numpy(), rel=1e-5)


def test_a_network_with_more_classes_than_names_has_details() -> None:
    metric = TopK()
    metric.process({"labels": torch.tensor([0, 1])}, [{"logits": torch.eye(3)[2]}] * 2)
    metric.evaluate(2)
    assert metric.details is not None
    assert list(metric.details.classes) == ["class 0", "class 1", "class 2"]
