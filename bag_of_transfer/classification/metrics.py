"""Top-1 and top-5 accuracy in percent."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS
from torch import Tensor

__all__ = ["TopK", "ranks_of_true_class"]


def ranks_of_true_class(
    logits: Float[Tensor, "B K"], labels: Int[Tensor, " B"]
) -> Int[Tensor, " B"]:
    """Return how many other classes score at least as high: 0 is a hit, K - 1 is last.

    A tie counts against the network, and so do NaN: neither is an answer.
    """
    true = logits.gather(1, labels[:, None])
    return logits.shape[1] - 1 - (logits < true).sum(1)


@METRICS.register_module()
class TopK(BaseMetric):
    """``top1`` and ``top5``: percent of images whose true class is among the best 1 or 5.

    With five classes or fewer ``top5`` is 100, as the best five are all of them.

    Attributes:
        per_class: After ``evaluate``, on the main process: class name to its top-1 in percent;
            classes without an image in the set are left out.
    """

    names = ("top1", "top5")
    per_class: dict[str, float]

    def __init__(self, collect_device: str = "cpu", collect_dir: str | None = None) -> None:
        super().__init__(collect_device, prefix="any", collect_dir=collect_dir)
        self.prefix = None  # plain names; set here because mmengine warns of prefix=None
        self.per_class = {}

    def process(
        self, data_batch: Mapping[str, Any], data_samples: Sequence[Mapping[str, Tensor]]
    ) -> None:
        """Store label and rank of each image; ``data_samples`` come from ImageClassifier."""
        logits = torch.stack([sample["logits"] for sample in data_samples]).cpu()
        labels = data_batch["labels"].cpu()
        ranks = ranks_of_true_class(logits, labels)
        # One entry per image: mmengine counts them to drop those a distributed sampler added.
        self.results.extend(zip(labels.tolist(), ranks.tolist(), strict=True))

    def compute_metrics(self, results: Sequence[tuple[int, int]]) -> dict[str, float]:
        """Return the averages over all images."""
        labels, ranks = torch.tensor(results).reshape(-1, 2).unbind(1)
        hits = (ranks == 0).double()
        classes = (self.dataset_meta or {}).get("classes", ())
        self.per_class = {
            name: 100 * hits[labels == label].mean().item()
            for label, name in enumerate(classes)
            if (labels == label).any()
        }
        return {"top1": 100 * hits.mean().item(), "top5": 100 * (ranks < 5).double().mean().item()}
