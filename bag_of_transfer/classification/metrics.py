"""Top-1 and top-5 accuracy in percent."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS
from torch import Tensor

from bag_of_transfer.engine.loop.details import Details, share
from bag_of_transfer.engine.run_files import MAX_CONFUSED

__all__ = ["TopK", "answers_of", "image_details", "ranks_of_true_class"]


def ranks_of_true_class(
    logits: Float[Tensor, "B K"], labels: Int[Tensor, " B"]
) -> Int[Tensor, " B"]:
    """Return how many other classes score at least as high: 0 is a hit, K - 1 is last.

    A tie counts against the network, and so do NaN: neither is an answer.
    """
    true = logits.gather(1, labels[:, None])
    return logits.shape[1] - 1 - (logits < true).sum(1)


def answers_of(
    logits: Float[Tensor, "B K"], labels: Int[Tensor, " B"], ranks: Int[Tensor, " B"]
) -> Int[Tensor, " B"]:
    """Return the class that each image is taken for: the true one if and only if its rank is 0."""
    others = logits.scatter(1, labels[:, None], float("-inf"))
    return torch.where(ranks == 0, labels, others.argmax(1))


def image_details(
    labels: Int[Tensor, " N"],
    answers: Int[Tensor, " N"],
    probabilities: Float[Tensor, " N"],
    classes: Sequence[str],
) -> Details:
    """Return the details of a classifier of K classes on N images.

    Args:
        labels: The true classes, in [0, K).
        answers: The classes that the images are taken for.
        probabilities: Those of the true classes, from 0 to 1.
        classes: The names; a network may have more classes, which are called by their labels.
    """
    size = max(len(classes), *(int(part.max()) + 1 for part in (labels, answers)))
    classes = [*classes, *(f"class {label}" for label in range(len(classes), size))]
    hits = labels[labels == answers]
    counts, answered, right = (
        np.bincount(of.numpy(), minlength=size) for of in (labels, answers, hits)
    )
    confusion = np.zeros((0, 0), dtype=np.int64)
    if size <= MAX_CONFUSED:
        pairs = (labels * size + answers).numpy()
        confusion = np.bincount(pairs, minlength=size**2).reshape(size, size)
    return Details(
        measure="top-1",
        counted="images",
        classes=classes,
        figures=share(right, counts),
        counts=counts,
        precision=share(right, answered),
        recall=share(right, counts),
        confusion=confusion,
        image_measure="probability of the true class",
        image_figures=100 * probabilities.numpy(),
    )


@METRICS.register_module()
class TopK(BaseMetric):
    """``top1`` and ``top5``: percent of images whose true class is among the best 1 or 5.

    With five classes or fewer ``top5`` is 100, as the best five are all of them.

    Attributes:
        per_class: After ``evaluate``, on the main process: class name to its top-1 in percent;
            classes without an image in the set are left out.
        details: What was found and confused, likewise.
    """

    names = ("top1", "top5")
    per_class: dict[str, float]
    details: Details | None = None

    def __init__(self, collect_device: str = "cpu", collect_dir: str | None = None) -> None:
        super().__init__(collect_device, prefix="any", collect_dir=collect_dir)
        self.prefix = None  # plain names; set here because mmengine warns of prefix=None
        self.per_class = {}

    def process(
        self, data_batch: Mapping[str, Any], data_samples: Sequence[Mapping[str, Tensor]]
    ) -> None:
        """Store label, rank, answer and probability of the truth of each image.

        ``data_samples`` come from ImageClassifier.
        """
        logits = torch.stack([sample["logits"] for sample in data_samples]).cpu()
        labels = data_batch["labels"].cpu()
        ranks = ranks_of_true_class(logits, labels)
        answers = answers_of(logits, labels, ranks)
        probabilities = logits.softmax(1).gather(1, labels[:, None])[:, 0]
        # One entry per image: mmengine counts them to drop those a distributed sampler added.
        parts = (labels, ranks, answers, probabilities)
        self.results.extend(zip(*(part.tolist() for part in parts), strict=True))

    def compute_metrics(self, results: Sequence[tuple[int, int, int, float]]) -> dict[str, float]:
        """Return the averages over all images."""
        columns = torch.tensor(results, dtype=torch.float64).reshape(-1, 4)
        labels, ranks, answers = columns[:, :3].long().unbind(1)
        hits = (ranks == 0).double()
        classes = (self.dataset_meta or {}).get("classes", ())
        self.per_class = {
            name: 100 * hits[labels == label].mean().item()
            for label, name in enumerate(classes)
            if (labels == label).any()
        }
        self.details = image_details(labels, answers, columns[:, 3], classes)
        return {"top1": 100 * hits.mean().item(), "top5": 100 * (ranks < 5).double().mean().item()}
