"""The classifier: each trick alone, no effect when off, the teacher separately."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmengine.logging import MessageHub
from mmengine.registry import MODELS

import backbones  # noqa: F401  registers the networks
from bag_of_transfer.classification import ClassificationPreprocessor, ImageClassifier
from bag_of_transfer.engine.errors import UserError

Make = Callable[..., ImageClassifier]
RUN = dict(loop_stage="train", seed=0, iter=0, epoch=0, max_epochs=10)  # what mmengine notes


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(11)
    return torch.randn(6, 3, 33, 21), torch.tensor([0, 1, 2, 2, 1, 0])


@pytest.fixture
def teacher_file(classifier_cfg: dict[str, Any], tmp_path: Path) -> str:
    torch.manual_seed(99)
    path = tmp_path / "teacher.pth"
    state = MODELS.build(classifier_cfg).state_dict()
    torch.save(dict(meta=dict(model_json=json.dumps(classifier_cfg)), state_dict=state), path)
    return str(path)


def test_golden_keys(make_classifier: Make) -> None:
    assert sorted(make_classifier().state_dict()) == [
        "backbone.conv1.bias",
        "backbone.conv1.weight",
        "backbone.conv2.bias",
        "backbone.conv2.weight",
        "head.fc.bias",
        "head.fc.weight",
    ]


def test_head_averages_the_last_map(make_classifier: Make, batch: tuple[torch.Tensor, ...]) -> None:
    model = make_classifier()
    last = model.backbone(batch[0])[-1]
    fc = model.head.fc
    for row, image in zip(model(batch[0]), last, strict=True):
        expected = fc.weight @ image.flatten(1).mean(1) + fc.bias
        torch.testing.assert_close(row, expected)


def test_without_tricks_the_loss_is_cross_entropy(
    make_classifier: Make, batch: tuple[torch.Tensor, ...]
) -> None:
    model = make_classifier()
    losses = model(*batch, mode="loss")
    assert list(losses) == ["loss"]
    torch.testing.assert_close(losses["loss"], F.cross_entropy(model(batch[0]), batch[1]))


def test_label_smoothing_alone(make_classifier: Make, batch: tuple[torch.Tensor, ...]) -> None:
    model = make_classifier(label_smoothing=dict(eps=0.3, form="uniform"))
    expected = F.cross_entropy(model(batch[0]), batch[1], label_smoothing=0.3)
    torch.testing.assert_close(model(*batch, mode="loss")["loss"], expected)


def test_mixup_alone_is_the_weighted_sum_of_two_losses(
    make_classifier: Make, batch: tuple[torch.Tensor, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "bag_of_transfer.classification.classifier.draw_lambda", lambda alpha, rng: 0.7
    )
    model = make_classifier(mixup=dict(alpha=0.2))
    logits = model(0.7 * batch[0] + 0.3 * batch[0].flip(0))
    expected = 0.7 * F.cross_entropy(logits, batch[1]) + 0.3 * F.cross_entropy(
        logits, batch[1].flip(0)
    )
    torch.testing.assert_close(model(*batch, mode="loss")["loss"], expected)


def test_without_a_run_lambda_follows_torchs_seed(
    make_classifier: Make, batch: tuple[torch.Tensor, ...]
) -> None:
    MessageHub.get_instance("test_without_a_run")  # instead of an earlier run's
    model = make_classifier(mixup=dict(alpha=1.0))
    losses = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        losses.append(model(*batch, mode="loss")["loss"].item())
    assert losses[0] == losses[1] != losses[2]


def test_lambda_of_a_run_follows_its_seed_and_iteration_alone(
    make_classifier: Make, batch: tuple[torch.Tensor, ...]
) -> None:
    model = make_classifier(mixup=dict(alpha=1.0))
    losses = []
    for seed, iteration in [(1, 5), (1, 6), (2, 5), (1, 5)]:
        hub = MessageHub.get_instance(f"test_lambda_{len(losses)}")
        hub.update_info_dict({**RUN, "seed": seed, "iter": iteration})
        before = torch.get_rng_state()
        losses.append(model(*batch, mode="loss")["loss"].item())
        assert torch.equal(torch.get_rng_state(), before)
    assert losses[0] == losses[3]
    assert len(set(losses)) == 3


def test_a_loop_of_its_own_after_a_run_mixes_each_batch_by_another_weight(
    make_classifier: Make, batch: tuple[torch.Tensor, ...]
) -> None:
    hub = MessageHub.get_instance("test_after_a_run")
    hub.update_info_dict({**RUN, "epoch": 9})
    hub.pop_info("loop_stage")  # as mmengine does when training is over
    model = make_classifier(mixup=dict(alpha=1.0, off_epochs=2))
    losses = {model(*batch, mode="loss")["loss"].item() for _ in range(4)}
    assert len(losses) == 4


@pytest.mark.parametrize(("epoch", "mixed"), [(6, True), (7, True), (8, False), (9, False)])
def test_mixup_is_off_in_the_last_epochs(
    make_classifier: Make, batch: tuple[torch.Tensor, ...], epoch: int, mixed: bool
) -> None:
    hub = MessageHub.get_instance(f"test_off_epochs_{epoch}")
    hub.update_info_dict({**RUN, "epoch": epoch})
    model = make_classifier(mixup=dict(alpha=1.0, off_epochs=2))
    plain = F.cross_entropy(model(batch[0]), batch[1])
    assert torch.isclose(model(*batch, mode="loss")["loss"], plain).item() is not mixed


def test_distillation_adds_the_two_weighted_losses(
    make_classifier: Make, batch: tuple[torch.Tensor, ...], teacher_file: str
) -> None:
    setting = dict(teacher=dict(checkpoint=teacher_file), temperature=3.0, hard_weight=0.4)
    model = make_classifier(distillation=setting)
    losses = model(*batch, mode="loss")
    logits = model(batch[0])
    assert model.teacher is not None
    soft = model.teacher(batch[0]).div(3).softmax(1)
    entropy = -(soft * soft.log()).sum(1).mean()
    torch.testing.assert_close(losses["loss_hard"], 0.4 * F.cross_entropy(logits, batch[1]))
    expected = 0.5 * 9 * (F.cross_entropy(logits / 3, soft) - entropy)
    torch.testing.assert_close(losses["loss_soft"], expected, rtol=1e-3, atol=1e-4)
    assert losses["loss_soft"] > 0.01
    total, _ = model.parse_losses(losses)
    torch.testing.assert_close(total, losses["loss_hard"] + losses["loss_soft"])


def test_the_teacher_sees_the_mixed_image(
    make_classifier: Make,
    batch: tuple[torch.Tensor, ...],
    teacher_file: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "bag_of_transfer.classification.classifier.draw_lambda", lambda alpha, rng: 0.25
    )
    setting = dict(teacher=dict(checkpoint=teacher_file))
    model = make_classifier(mixup=dict(alpha=0.2), distillation=setting)
    assert model.teacher is not None
    seen: list[torch.Tensor] = []
    model.teacher.network.backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model(*batch, mode="loss")
    torch.testing.assert_close(seen[0], 0.25 * batch[0] + 0.75 * batch[0].flip(0))


def test_the_teacher_is_no_part_of_the_student(
    make_classifier: Make, batch: tuple[torch.Tensor, ...], teacher_file: str
) -> None:
    setting = dict(teacher=dict(checkpoint=teacher_file))
    model, plain = make_classifier(distillation=setting), make_classifier()
    model.init_weights()
    assert model.teacher is not None
    assert model.state_dict().keys() == plain.state_dict().keys()
    assert len(list(model.parameters())) == len(list(plain.parameters()))
    assert copy.deepcopy(model).teacher is model.teacher
    sum(model.train()(*batch, mode="loss").values()).backward()
    assert not model.teacher.network.training
    assert all(p.grad is None for p in model.teacher.network.parameters())
    assert all(p.grad is not None for p in model.parameters())


def test_a_missing_teacher_stops_training_but_not_testing(
    make_classifier: Make, batch: tuple[torch.Tensor, ...]
) -> None:
    model = make_classifier(distillation=dict(teacher=dict(checkpoint="gone.pth")))
    assert len(model(batch[0], mode="predict")) == 6
    with pytest.raises(UserError, match="the teacher's checkpoint does not exist"):
        model.init_weights()


def test_predict_gives_each_image_logits_and_scores(
    make_classifier: Make, batch: tuple[torch.Tensor, ...]
) -> None:
    model = make_classifier(mixup=dict(alpha=0.2), label_smoothing=dict(eps=0.1))
    logits = model(batch[0])
    for row, answer in zip(logits, model(*batch, mode="predict"), strict=True):
        torch.testing.assert_close(answer["logits"], row)
        torch.testing.assert_close(answer["scores"].sum().item(), 1.0)
        assert answer["scores"].argmax() == row.argmax()


@pytest.mark.parametrize(
    ("tricks", "what"),
    [
        (dict(label_smoothing=dict(eps=1.5)), "eps must be in"),
        (dict(label_smoothing=dict(epsilon=0.1)), "unexpected keyword argument 'epsilon'"),
        (dict(mixup=dict(alpha=0)), "alpha must be above 0"),
        (dict(mixup=dict(alpha=0.2, off_epochs=-1)), "off_epochs must be a whole number"),
        (dict(distillation=dict(temperature=20)), "missing .* 'teacher'"),
        (dict(distillation=dict(teacher={}, temperature=0)), "temperature must be above 0"),
        (dict(distillation=dict(teacher={}, hard_weight=-1)), "weights must be 0 or more"),
        (dict(backbone=dict(type="ResNetD", depth=19)), "depth must be one of"),
        (dict(backbone=dict(type="ResNetX")), "ResNetX"),
        (dict(head=dict(type="LinearHead", num_classes=None)), "number of classes is not known"),
    ],
)
def test_bad_settings_stop_the_start(
    make_classifier: Make, tricks: dict[str, Any], what: str
) -> None:
    with pytest.raises(Exception, match=what) as caught:
        make_classifier(**tricks)
    # mmengine's registry wraps what a constructor raises; the tools look behind it.
    error: BaseException | None = caught.value
    while error is not None and not isinstance(error, UserError):
        error = error.__cause__ or error.__context__
    assert isinstance(error, UserError)


def test_defaults_of_the_tricks_are_the_papers(make_classifier: Make) -> None:
    model = make_classifier(label_smoothing={}, mixup={}, distillation=dict(teacher={}))
    assert model.label_smoothing == dict(eps=0.1, form="paper")
    assert model.mixup == dict(alpha=0.2, off_epochs=0)
    weights = dict(hard_weight=0.5, soft_weight=0.5)
    expected = dict(teacher={}, temperature=20.0, **weights, cache=None)
    assert model.distillation == expected


@pytest.mark.parametrize("mode", ["loss", "train"])
def test_a_mode_without_sense_is_refused(
    make_classifier: Make, batch: tuple[torch.Tensor, ...], mode: str
) -> None:
    with pytest.raises(ValueError, match="mode must be"):
        make_classifier()(batch[0], mode=mode)


def test_head_starts_in_xaviers_range_with_zero_bias(make_classifier: Make) -> None:
    fc = make_classifier().head.fc
    bound = (6 / (6 + 3)) ** 0.5  # sqrt(6 / (in + out))
    assert 0.5 * bound < fc.weight.abs().max() <= bound
    assert not fc.bias.any()


# ---- preprocessor ----


def test_preprocessor_normalises_per_channel() -> None:
    preprocessor = ClassificationPreprocessor(mean=[10.0, 20.0, 30.0], std=[1.0, 2.0, 4.0])
    inputs = torch.tensor([12, 12, 12], dtype=torch.uint8)[None, :, None, None].expand(2, 3, 5, 7)
    out = preprocessor({"inputs": inputs, "labels": torch.tensor([1, 0])})
    assert out["inputs"][1, :, 4, 6].tolist() == [2.0, -4.0, -4.5]
    assert out["inputs"].dtype == torch.float32
    assert out["labels"].tolist() == [1, 0]


@pytest.mark.parametrize(
    "inputs",
    [
        [torch.zeros(3, 4, 4, dtype=torch.uint8)],  # no default_collate
        torch.zeros(2, 3, 4, 4),  # scaled to 0..1 already?
        torch.zeros(3, 4, 4, dtype=torch.uint8),
    ],
)
def test_preprocessor_refuses_what_it_would_normalise_wrongly(inputs: Any) -> None:
    preprocessor = ClassificationPreprocessor(mean=[0.0] * 3, std=[1.0] * 3)
    with pytest.raises(ValueError, match="one uint8 tensor B C H W"):
        preprocessor({"inputs": inputs})
