"""Distillation: learn from a teacher's logits as well as from the labels.

Source: arXiv:1812.01187, sec. 5.3, after Hinton et al., arXiv:1503.02531.
Letters: B batch, C channels, H W pixels, K classes, T temperature.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Teacher", "distillation_loss"]


def distillation_loss(
    student_logits: Float[Tensor, "B K"],
    teacher_logits: Float[Tensor, "B K"],
    temperature: float,
) -> Float[Tensor, ""]:
    """Return how far the student's softened distribution is from the teacher's.

    ``T^2 KL(softmax(teacher / T) || softmax(student / T))``, averaged over the batch.  The paper
    writes the cross-entropy in place of KL.  They differ by the teacher's entropy, which the
    student can't change, so the gradient is the same; but 0 now means that both agree, while
    T^2 times the entropy (2763 for T = 20 and K = 1000) would hide the progress.

    Args:
        student_logits: Logits of the network that is trained.
        teacher_logits: The teacher's logits of the same images and classes.
        temperature: T, above 0.  The paper takes 20.  T^2 keeps the gradient's size as T grows.

    Raises:
        ValueError: If ``temperature`` is not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"distillation's temperature must be above 0, got {temperature}")
    student = (student_logits.float() / temperature).log_softmax(1)
    teacher = (teacher_logits.float() / temperature).log_softmax(1)
    return temperature**2 * F.kl_div(student, teacher, reduction="batchmean", log_target=True)


class Teacher:
    """A trained network that looks at the student's images and is never changed.

    It is not an ``nn.Module``: so it adds no parameter, buffer or checkpoint entry to the student.
    It moves to the device of the images by itself.
    """

    def __init__(
        self,
        network: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        student_mean: Sequence[float],
        student_std: Sequence[float],
    ) -> None:
        """Freeze ``network`` and compute how to turn the student's inputs into its own.

        Args:
            network: Takes B C H W, normalised by its own mean and std; returns logits B K.
            mean: The teacher's mean per channel (RGB, 0 to 255), as in ``(x - mean) / std``.
            std: The teacher's scale per channel.
            student_mean: The mean by which the student's images are normalised.
            student_std: The scale by which they are normalised.
        """
        self.network = network.eval().requires_grad_(False)
        teacher, student = torch.tensor([mean, std]), torch.tensor([student_mean, student_std])
        # (x_s std_s + mean_s - mean_t) / std_t; affine, so right for a mixed image as well.
        self.scale = (student[1] / teacher[1])[:, None, None]
        self.shift = ((student[0] - teacher[0]) / teacher[1])[:, None, None]

    @torch.no_grad()
    def __call__(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Return the teacher's logits for images normalised as the student's are."""
        if self.scale.device != images.device:
            self.network.to(images.device)
            self.scale, self.shift = self.scale.to(images.device), self.shift.to(images.device)
        return self.network(images * self.scale + self.shift)

    def __deepcopy__(self, memo: object) -> "Teacher":
        """Return itself: an averaged copy of the student (EMA) needs no second teacher."""
        return self
