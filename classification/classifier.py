"""Backbone, pool, linear: the network that pretraining trains, and its loss with all tricks.

Source: arXiv:1812.01187, sec. 5 (training refinements).
Letters: B batch, C channels, H W pixels, K classes.
"""

import random
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from mmengine.model import BaseModel, BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn

from classification.distillation import Teacher, distillation_loss
from classification.mixing import draw_lambda, epochs_left, mixup, reversed_order
from classification.targets import smooth_one_hot, soft_cross_entropy
from classification.teachers import load_teacher
from engine.errors import UserError

__all__ = ["ImageClassifier", "LinearHead"]


@MODELS.register_module()
class LinearHead(BaseModule):
    """Average over the map, then one linear layer."""

    def __init__(
        self, num_classes: int, in_channels: int, init_cfg: dict[str, Any] | None = None
    ) -> None:
        """Draw the weights as the paper does: Xavier, bias 0 (arXiv:1812.01187, sec. 2.1)."""
        super().__init__(init_cfg)
        self.fc = nn.Linear(in_channels, num_classes)
        nn.init.xavier_uniform_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, feature: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Turn the last stage's map into logits."""
        return self.fc(feature.mean((2, 3)))


@MODELS.register_module()
class ImageClassifier(BaseModel):
    """A classifier whose tricks are settings, each off when None.

    Args:
        backbone: Config of the network; needs ``out_channels`` and ``out_indices``.
        head: Config with ``num_classes``; ``in_channels`` follows from the backbone.
        data_preprocessor: Config with ``mean`` and ``std``.
        label_smoothing: ``dict(eps=0.1, form="paper")``, see :func:`smooth_one_hot`.
        mixup: ``dict(alpha=0.2, off_epochs=0)``: Beta(alpha, alpha); none of it in the last
            ``off_epochs`` epochs, see :func:`epochs_left`.
        distillation: ``dict(teacher=..., temperature=20, hard_weight=0.5, soft_weight=0.5)``,
            see :func:`load_teacher` and :func:`distillation_loss`; the weights are those of the
            loss against the labels and of the loss against the teacher.
        init_cfg: As in mmengine.

    Attributes:
        label_smoothing, mixup, distillation: The settings with the defaults filled in, or None.

    Raises:
        UserError: If nobody has said how many classes there are, or a setting is unknown or
            out of its range.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        head: dict[str, Any],
        data_preprocessor: dict[str, Any],
        label_smoothing: Mapping[str, Any] | None = None,
        mixup: Mapping[str, Any] | None = None,
        distillation: Mapping[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        if head.get("num_classes") is None:
            mend = "state it, or train with tools/train_cls.py, which reads it from the data"
            raise UserError("the number of classes is not known", "model.head.num_classes", mend)
        self.num_classes = int(head["num_classes"])
        self.backbone = MODELS.build(backbone)
        in_channels = self.backbone.out_channels[self.backbone.out_indices[-1]]
        self.head = MODELS.build({"in_channels": in_channels, **head})
        self.label_smoothing = _checked(_label_smoothing, label_smoothing)
        self.mixup = _checked(_mixup, mixup)
        self.distillation = _checked(_distillation, distillation)

    def forward(
        self,
        inputs: Float[Tensor, "B C H W"],
        labels: Int[Tensor, " B"] | None = None,
        mode: str = "tensor",
    ) -> Any:
        """Return logits (``tensor``), losses (``loss``) or one dict per image (``predict``).

        Raises:
            ValueError: If ``mode`` is none of these, or ``loss`` is asked for without labels.
        """
        if mode == "tensor":
            return self.logits(inputs)
        if mode == "predict":
            return self.predict(inputs)
        if mode != "loss" or labels is None:
            raise ValueError(f"mode must be tensor, predict, or loss with labels, got {mode!r}")
        return self.loss(inputs, labels)

    def logits(self, inputs: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Run the network on normalised images."""
        return self.head(self.backbone(inputs)[-1])

    def loss(
        self, inputs: Float[Tensor, "B C H W"], labels: Int[Tensor, " B"]
    ) -> dict[str, Tensor]:
        """Apply each trick that is on; a trick that is off hands its arguments through."""
        targets = self._soften(labels)
        inputs, targets = self._mix(inputs, targets)
        logits = self.logits(inputs)
        losses = {"loss": soft_cross_entropy(logits, targets)}
        return self._distil(losses, logits, inputs)

    def predict(self, inputs: Float[Tensor, "B C H W"]) -> list[dict[str, Tensor]]:
        """Return per image its ``logits`` and ``scores`` (softmax), each of length K."""
        logits = self.logits(inputs).float()
        rows = zip(logits, logits.softmax(1), strict=True)
        return [{"logits": row, "scores": scores} for row, scores in rows]

    def init_weights(self) -> None:
        """Draw the weights and fetch the teacher.

        The Runner calls this before training and never before testing: a wrong teacher stops
        the run before its first step, and a trained student needs none.
        """
        super().init_weights()
        _ = self.teacher

    @cached_property
    def teacher(self) -> Teacher | None:
        """The teacher, loaded when first asked for; None without distillation."""
        if self.distillation is None:
            return None
        own = self.data_preprocessor
        mean, std = own.mean.flatten().tolist(), own.std.flatten().tolist()
        return load_teacher(self.distillation["teacher"], self.num_classes, mean, std)

    def _soften(self, labels: Int[Tensor, " B"]) -> Float[Tensor, "B K"]:
        return smooth_one_hot(labels, self.num_classes, **(self.label_smoothing or {"eps": 0.0}))

    def _mix(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if self.mixup is None or epochs_left() <= self.mixup["off_epochs"]:
            return inputs, targets
        # Seeded from torch's CPU generator: one seed to keep, and no wait for the GPU.
        rng = random.Random(int(torch.randint(2**62, ())))
        lam = draw_lambda(self.mixup["alpha"], rng)
        return mixup(inputs, targets, lam, reversed_order(len(inputs), inputs.device))

    def _distil(
        self, losses: dict[str, Tensor], logits: Tensor, inputs: Tensor
    ) -> dict[str, Tensor]:
        if self.distillation is None or self.teacher is None:
            return losses
        soft = distillation_loss(logits, self.teacher(inputs), self.distillation["temperature"])
        # mmengine trains on the sum of all that is called loss.
        return {
            "loss_hard": self.distillation["hard_weight"] * losses["loss"],
            "loss_soft": self.distillation["soft_weight"] * soft,
        }


def _checked(
    complete: Callable[..., dict[str, Any]], setting: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    if setting is None:
        return None
    try:
        return complete(**setting)
    except (TypeError, ValueError) as error:
        where = f"model.{complete.__name__.removeprefix('_')}={dict(setting)}"
        what = str(error).removeprefix(f"{complete.__name__}() ")
        raise UserError(what, where, "see ImageClassifier in classification/") from error


# The three below give a setting its defaults and try it once, before any training.


def _label_smoothing(eps: float | int = 0.1, form: str = "paper") -> dict[str, Any]:
    eps = float(eps)
    smooth_one_hot(torch.zeros(1, dtype=torch.long), 2, eps, form)
    return {"eps": eps, "form": form}


def _mixup(alpha: float | int = 0.2, off_epochs: int = 0) -> dict[str, Any]:
    alpha = float(alpha)
    draw_lambda(alpha, random.Random(0))
    if off_epochs < 0:
        raise ValueError(f"mixup's off_epochs must be 0 or more, got {off_epochs}")
    return {"alpha": alpha, "off_epochs": off_epochs}


def _distillation(
    teacher: Mapping[str, Any],
    temperature: float | int = 20,  # arXiv:1812.01187, sec. 5.3
    hard_weight: float | int = 0.5,  # GluonCV train_imagenet.py, --hard-weight; the paper's is 1
    soft_weight: float | int = 0.5,  # GluonCV loss.py: 1 - hard_weight; the paper's is 1
) -> dict[str, Any]:
    temperature = float(temperature)
    distillation_loss(torch.zeros(1, 2), torch.zeros(1, 2), temperature)
    if hard_weight < 0 or soft_weight < 0:
        raise ValueError(
            f"distillation's weights must be 0 or more, got {hard_weight} and {soft_weight}"
        )
    weights = {"hard_weight": hard_weight, "soft_weight": soft_weight}
    return {"teacher": dict(teacher), "temperature": temperature, **weights}
