"""Label smoothing: sums, conversions, and the logits that it leads to."""

import math

import pytest
import torch
import torch.nn.functional as F

from bag_of_transfer.classification.targets import FORMS, smooth_one_hot, soft_cross_entropy


@pytest.mark.parametrize(
    ("form", "on", "off"),
    # paper: 1 - 0.3 and 0.3 / 3; uniform: 0.3 / 4 everywhere plus 0.7
    [("paper", 0.7, 0.1), ("uniform", 0.775, 0.075)],
)
def test_values_of_four_classes(form: str, on: float, off: float) -> None:
    targets = smooth_one_hot(torch.tensor([2, 0]), 4, eps=0.3, form=form)
    expected = torch.tensor([[off, off, on, off], [on, off, off, off]])
    torch.testing.assert_close(targets, expected)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("num_classes", "eps"), [(2, 0.5), (5, 0.1), (1000, 0.99)])
def test_rows_sum_to_one(form: str, num_classes: int, eps: float) -> None:
    targets = smooth_one_hot(torch.tensor([0, num_classes - 1]), num_classes, eps, form)
    torch.testing.assert_close(targets.sum(1), torch.ones(2))
    assert targets.min() > 0


def test_form_paper_agrees_with_torch_once_eps_is_converted() -> None:
    logits, labels = torch.randn(4, 10), torch.randint(10, (4,))
    ours = soft_cross_entropy(logits, smooth_one_hot(labels, 10, eps=0.09, form="paper"))
    theirs = F.cross_entropy(logits, labels, label_smoothing=0.1)  # 0.1 * 9 / 10 = 0.09
    torch.testing.assert_close(ours, theirs)


def test_form_uniform_is_torchs() -> None:
    logits, labels = torch.randn(4, 7), torch.randint(7, (4,))
    ours = soft_cross_entropy(logits, smooth_one_hot(labels, 7, eps=0.2, form="uniform"))
    torch.testing.assert_close(ours, F.cross_entropy(logits, labels, label_smoothing=0.2))


def test_without_smoothing_it_is_the_usual_cross_entropy() -> None:
    logits, labels = torch.randn(5, 3), torch.randint(3, (5,))
    ours = soft_cross_entropy(logits, smooth_one_hot(labels, 3, eps=0.0))
    torch.testing.assert_close(ours, F.cross_entropy(logits, labels))


@pytest.mark.parametrize(("num_classes", "eps"), [(10, 0.1), (3, 0.3)])
def test_best_gap_between_the_true_logit_and_the_others(num_classes: int, eps: float) -> None:
    """arXiv:1812.01187, sec. 5.2, found by minimising instead of by the formula's derivation."""
    targets = smooth_one_hot(torch.tensor([1]), num_classes, eps, form="paper").double()
    torch.manual_seed(0)
    logits = torch.randn(1, num_classes, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [logits], max_iter=500, tolerance_grad=1e-9, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        # Not soft_cross_entropy: its float32 would end the search early.
        loss = -(targets * logits.log_softmax(1)).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    others = torch.cat([logits[0, :1], logits[0, 2:]])
    gap = math.log((num_classes - 1) * (1 - eps) / eps)
    torch.testing.assert_close(
        logits[0, 1] - others, torch.full_like(others, gap), atol=1e-3, rtol=0
    )


def test_loss_of_bf16_logits_is_computed_in_float32() -> None:
    logits = torch.tensor([[12.0, 0.0]], dtype=torch.bfloat16)
    loss = soft_cross_entropy(logits, torch.tensor([[1.0, 0.0]]))
    assert loss.dtype == torch.float32
    # log(1 + e^-12) = 6.1e-6, which bf16 would round away
    torch.testing.assert_close(loss.item(), math.log1p(math.exp(-12)), rtol=0.02, atol=0)


@pytest.mark.parametrize(
    ("num_classes", "eps", "form", "word"),
    [
        (3, 1.0, "paper", "eps"),
        (3, -0.1, "paper", "eps"),
        (3, 0.1, "soft", "form"),
        (1, 0.1, "paper", "two"),
    ],
)
def test_bad_settings_are_refused(num_classes: int, eps: float, form: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        smooth_one_hot(torch.tensor([0]), num_classes, eps, form)
