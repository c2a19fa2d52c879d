"""The network that pretraining trains (backbone, pool, linear layer), and its loss with all tricks.

Source: arXiv:1812.01187, sec. 5 (training refinements).
Letters: B batch, C channels, H W pixels, K classes.
"""

import random
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from jaxtyping import Float, Int
from mmengine.model import BaseModel, BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn

from bag_of_transfer.classification.distillation import Teacher, distillation_loss
from bag_of_transfer.classification.mixing import (
    draw_lambda,
    epochs_left,
    mixup,
    reversed_order,
    rng_of_step,
)
from bag_of_transfer.classification.settings import TRICKS, complete_setting
from bag_of_transfer.classification.targets import smooth_one_hot, soft_cross_entropy
from bag_of_transfer.classification.teacher_cache import fill_up
from bag_of_transfer.classification.teachers import load_teacher
from bag_of_transfer.engine.errors import UserError

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
        mixup: ``dict(alpha=0.2, off_epochs=0)``: the weight is drawn from Beta(alpha, alpha);
            no mixing in the last ``off_epochs`` epochs, see :func:`epochs_left`.
        distillation: ``dict(teacher=..., temperature=20, hard_weight=0.5, soft_weight=0.5)``,
            see :func:`load_teacher` and :func:`distillation_loss`.  ``hard_weight`` is the weight
            of the loss against the labels, ``soft_weight`` that of the loss against the teacher.
            With ``cache=FOLDER`` the batches bring the teacher's answers along, see
            :mod:`bag_of_transfer.classification.cached_teacher`.
        init_cfg: As in mmengine.

    Attributes:
        label_smoothing, mixup, distillation: The settings with the defaults filled in, or None.

    Raises:
        UserError: If the number of classes is not stated, or the backbone or a trick has an
            unknown setting or one out of its range.
    """

    setting_readers = TRICKS  # which keys a trick's dict may have

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
            mend = (
                "state it, model.head.num_classes=10, or classes; training reads it from the data"
            )
            raise UserError("the number of classes is not known", "model.head.num_classes", mend)
        self.num_classes = int(head["num_classes"])
        self.backbone = _backbone(backbone)
        in_channels = self.backbone.out_channels[self.backbone.out_indices[-1]]
        self.head = MODELS.build({"in_channels": in_channels, **head})
        self.label_smoothing = complete_setting("label_smoothing", label_smoothing)
        self.mixup = complete_setting("mixup", mixup)
        self.distillation = complete_setting("distillation", distillation)

    def forward(
        self,
        inputs: Float[Tensor, "B C H W"],
        labels: Int[Tensor, " B"] | None = None,
        mode: str = "tensor",
        answers: Mapping[str, Tensor] | None = None,
    ) -> Any:
        """Return logits (``tensor``), losses (``loss``) or one dict per image (``predict``).

        ``answers`` are a teacher's, from a cache: ``classes`` (B k) and ``log_probs`` (B L).

        Raises:
            ValueError: If ``mode`` is none of these, or ``loss`` is asked for without labels.
        """
        if mode == "tensor":
            return self.logits(inputs)
        if mode == "predict":
            return self.predict(inputs)
        if mode != "loss" or labels is None:
            raise ValueError(f"mode must be tensor, predict, or loss with labels, got {mode!r}")
        return self.loss(inputs, labels, answers)

    def logits(self, inputs: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Run the network on normalised images."""
        return self.head(self.backbone(inputs)[-1])

    def loss(
        self,
        inputs: Float[Tensor, "B C H W"],
        labels: Int[Tensor, " B"],
        answers: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Return the loss with each trick that is on; one that is off changes nothing."""
        targets = self.soften(labels)
        inputs, targets = self.mix(inputs, targets)
        logits = self.logits(inputs)
        losses = {"loss": soft_cross_entropy(logits, targets)}
        return self._distil(losses, logits, inputs, answers)

    def predict(self, inputs: Float[Tensor, "B C H W"]) -> list[dict[str, Tensor]]:
        """Return per image its ``logits`` and ``scores`` (softmax), each of length K."""
        logits = self.logits(inputs).float()
        rows = zip(logits, logits.softmax(1), strict=True)
        return [{"logits": row, "scores": scores} for row, scores in rows]

    def init_weights(self) -> None:
        """Draw the weights and load the teacher.

        The Runner calls this before training and never before testing: a wrong teacher stops
        the run before its first step, and a trained student needs no teacher.
        """
        super().init_weights()
        _ = self.teacher

    @cached_property
    def teacher(self) -> Teacher | None:
        """Return the teacher, loaded when first used; None without one or with a cache."""
        if self.distillation is None or self.distillation["cache"]:
            return None
        images = self.data_preprocessor
        mean, std = images.mean.flatten().tolist(), images.std.flatten().tolist()
        return load_teacher(self.distillation["teacher"], self.num_classes, mean, std)

    def soften(self, labels: Int[Tensor, " B"]) -> Float[Tensor, "B K"]:
        """Return the targets that the loss compares with: one-hot, or smoothed."""
        return smooth_one_hot(labels, self.num_classes, **(self.label_smoothing or {"eps": 0.0}))

    def mix(
        self, inputs: Tensor, targets: Tensor, rng: random.Random | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return images and targets mixed, or as they are while mixup is off.

        Args:
            inputs: Images.
            targets: One-hot or smoothed rows.
            rng: Source of the weight; None: that of the step, see :func:`rng_of_step`.
        """
        if self.mixup is None or epochs_left() <= self.mixup["off_epochs"]:
            return inputs, targets
        lam = draw_lambda(self.mixup["alpha"], rng or rng_of_step())
        return mixup(inputs, targets, lam, reversed_order(len(inputs), inputs.device))

    def _distil(
        self,
        losses: dict[str, Tensor],
        logits: Tensor,
        inputs: Tensor,
        answers: Mapping[str, Tensor] | None,
    ) -> dict[str, Tensor]:
        if self.distillation is None:
            return losses
        if answers is not None:
            taught = fill_up(answers["classes"], answers["log_probs"], self.num_classes)
        elif self.teacher is not None:
            taught = self.teacher(inputs)
        else:
            mend = "train with tools/train_cls.py, which opens the cache"
            raise UserError("the batch holds no answers of a teacher", "model.distillation", mend)
        soft = distillation_loss(logits, taught, self.distillation["temperature"])
        # mmengine trains on the sum of all entries whose name contains "loss".
        return {
            "loss_hard": self.distillation["hard_weight"] * losses["loss"],
            "loss_soft": self.distillation["soft_weight"] * soft,
        }


def _backbone(backbone: Mapping[str, Any]) -> Any:
    try:
        return MODELS.build(backbone)
    except (KeyError, TypeError, ValueError) as error:  # an unknown type, argument or value
        mend = "see the docstring of backbones.resnet.ResNet"
        raise UserError(f"the backbone can't be built: {error}", "model.backbone", mend) from error
