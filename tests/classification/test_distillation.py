"""The distillation loss, and a teacher that does not change."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bag_of_transfer.classification.distillation import Teacher, distillation_loss


def test_is_zero_when_both_agree_up_to_a_constant() -> None:
    logits = torch.randn(3, 5)
    # T^2 = 400 times the rounding of float32
    assert abs(distillation_loss(logits + 7, logits, 20.0).item()) < 1e-4


def test_value_of_two_classes_by_hand() -> None:
    # T = 2: teacher softmax(2 log 3 / 2, 0) = (3/4, 1/4), student (1/2, 1/2);
    # KL = 3/4 log(3/2) + 1/4 log(1/2) = 0.130812; times T^2 = 4
    teacher = torch.tensor([[2 * torch.tensor(3.0).log(), 0.0]])
    loss = distillation_loss(torch.zeros(1, 2), teacher, 2.0)
    torch.testing.assert_close(loss.item(), 4 * 0.1308120, rtol=1e-5, atol=0)


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
def test_gradient_is_that_of_the_papers_soft_cross_entropy(temperature: float) -> None:
    student, teacher = torch.randn(4, 6, requires_grad=True), torch.randn(4, 6)
    (ours,) = torch.autograd.grad(distillation_loss(student, teacher, temperature), student)
    papers = temperature**2 * F.cross_entropy(
        student / temperature, (teacher / temperature).softmax(1)
    )
    (theirs,) = torch.autograd.grad(papers, student)
    torch.testing.assert_close(ours, theirs)
    assert ours.abs().max() > 1e-3


def test_gradient_keeps_its_size_as_the_temperature_grows() -> None:
    """Hinton et al., sec. 2.1: for high T it tends to (z - v) / K of zero-mean logits."""
    student = torch.randn(1, 4, dtype=torch.float64)
    teacher = torch.randn(1, 4, dtype=torch.float64)
    student = (student - student.mean()).requires_grad_()
    teacher = teacher - teacher.mean()
    (grad,) = torch.autograd.grad(distillation_loss(student, teacher, 500.0), student)
    torch.testing.assert_close(grad, (student - teacher).detach() / 4, rtol=0.02, atol=1e-3)


def test_temperature_must_be_above_zero() -> None:
    with pytest.raises(ValueError, match="temperature must be above 0"):
        distillation_loss(torch.zeros(1, 2), torch.zeros(1, 2), 0.0)


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Conv2d(3, 4, 2), nn.Flatten())


def test_teacher_sees_the_pixels_in_its_own_normalisation(network: nn.Module) -> None:
    pixels = torch.randint(0, 256, (2, 3, 2, 2)).float()
    student_mean, student_std = [123.68, 116.779, 103.939], [58.393, 57.12, 57.375]
    mean, std = [127.0, 120.0, 90.0], [128.0, 60.0, 30.0]
    teacher = Teacher(network, mean, std, student_mean, student_std)

    def normalise(mean: list[float], std: list[float]) -> torch.Tensor:
        return torch.stack([(pixels[:, c] - mean[c]) / std[c] for c in range(3)], 1)

    seen: list[torch.Tensor] = []
    network.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    teacher(normalise(student_mean, student_std))
    torch.testing.assert_close(seen[0], normalise(mean, std))


def test_teacher_neither_learns_nor_moves(network: nn.Module) -> None:
    teacher = Teacher(network.train(), [0.0] * 3, [1.0] * 3, [0.0] * 3, [1.0] * 3)
    before = copy.deepcopy(network.state_dict())
    images = torch.randn(8, 3, 2, 2, requires_grad=True)
    first, second = teacher(images), teacher(images)
    assert not first.requires_grad
    assert torch.equal(first, second)  # no dropout, no batch statistics
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert not any(p.requires_grad for p in network.parameters())


def test_a_copied_student_shares_its_teacher(network: nn.Module) -> None:
    teacher = Teacher(network, [0.0] * 3, [1.0] * 3, [0.0] * 3, [1.0] * 3)
    assert copy.deepcopy({"teacher": teacher})["teacher"] is teacher
