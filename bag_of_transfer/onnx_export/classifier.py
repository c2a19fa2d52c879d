"""A classifier from an image to its probabilities.

Letters: B batch, C channels, H W pixels, K classes.
"""

from typing import Any

import torch
from torch import Tensor, nn

from bag_of_transfer.onnx_export.kinds import (
    Answer,
    Difference,
    Exported,
    Kind,
    Output,
    largest,
    prepare,
)
from bag_of_transfer.prediction.network import Trained

__all__ = ["KIND", "Classifier"]

PROBABILITY = 1e-4


class Classifier(Exported):
    """A trained classifier and its softmax."""

    def forward(self, image: Tensor) -> Tensor:
        """Return the probabilities B K of images B C H W."""
        logits: Tensor = self.network.logits(self.preparation(image))
        return logits.softmax(1)


def _build(trained: Trained) -> nn.Module:
    return Classifier(trained.network, prepare(trained))


def _answer(outputs: Any) -> Answer:
    return {"probabilities": torch.stack([one["scores"] for one in outputs]).numpy()}


def _compare(ours: Answer, theirs: Answer) -> list[Difference]:
    found = largest(ours["probabilities"] - theirs["probabilities"])
    return [Difference("probabilities", found, PROBABILITY)]


KIND = Kind(
    {"probabilities": Output({0: "batch"}, "float32 batch x classes, 0 to 1, their sum is 1")},
    _build,
    None,
    _answer,
    _compare,
)
