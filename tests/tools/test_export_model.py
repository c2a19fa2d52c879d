"""tools/export_model.py: a file for onnxruntime that answers as the network does, or no file."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from bag_of_transfer import Predictor
from bag_of_transfer.classification.classifier import LinearHead
from bag_of_transfer.engine.file_hash import sha256_of
from bag_of_transfer.onnx_export.classifier import Classifier
from tests.prediction.tiny_networks import CLASSES, CONFIGS, ROOT

OUTPUTS = {
    "cls": ["probabilities"],
    "det": ["boxes", "scores", "labels", "images"],
    "seg": ["labels", "logits"],
}


@pytest.fixture(scope="module")
def exported(
    tool: Callable[..., int],
    world: Path,
    checkpoints: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("exported")

    class Files(dict[str, Path]):
        def __missing__(self, task: str) -> Path:
            self[task] = folder / f"{task}.onnx"
            call = (CONFIGS[task], checkpoints[task], self[task], "--num-images", 1)
            assert tool("export_model", *call, "--data-root", world) == 0
            return self[task]

    return Files()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(3).integers(0, 256, (65, 97, 3)).astype(np.uint8)
    pixels[10:40, 10:40] = (200, 30, 90)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.mark.parametrize("task", ["cls", "det", pytest.param("seg", marks=pytest.mark.slow)])
def test_the_file_says_what_it_is(task: str, exported, checkpoints) -> None:
    session = onnxruntime.InferenceSession(exported[task])
    (image,) = session.get_inputs()
    channels = ["batch", 3, "height", "width"]
    assert (image.name, image.type, image.shape) == ("image", "tensor(uint8)", channels)
    assert [output.name for output in session.get_outputs()] == OUTPUTS[task]
    said = session.get_modelmeta().custom_metadata_map
    assert said["task"] == task
    assert json.loads(said["classes"]) == list(CLASSES[task])
    assert said["checkpoint_sha256"] == sha256_of(checkpoints[task])
    assert re.fullmatch("[0-9a-f]{64}", said["config_sha256"])
    assert "uint8 batch x channels x height x width, RGB, 0 to 255" in said["input"]
    assert [name.partition(":")[0] for name in said["outputs"].split("; ")] == OUTPUTS[task]
    assert json.loads(said["pipeline"])
    assert list(exported[task].parent.glob(".*")) == []


@pytest.mark.slow
def test_a_mask_is_that_of_predict(exported, checkpoints, photo: Path) -> None:
    image = np.asarray(Image.open(photo)).transpose(2, 0, 1)[None]
    session = onnxruntime.InferenceSession(exported["seg"])
    labels, logits = session.run(None, {"image": np.repeat(image, 2, axis=0)})
    (result,) = Predictor(CONFIGS["seg"], checkpoints["seg"], "cpu")(photo)
    assert labels.shape == (2, 65, 97)
    assert logits.shape == (2, 4, 65, 97)
    assert (labels == result.mask).mean() > 0.999


def test_probabilities_are_those_of_predict(exported, checkpoints, photo: Path) -> None:
    image = np.asarray(Image.open(photo).resize((32, 32), Image.Resampling.BILINEAR))
    session = onnxruntime.InferenceSession(exported["cls"])
    (found,) = session.run(None, {"image": image.transpose(2, 0, 1)[None]})
    (result,) = Predictor(CONFIGS["cls"], checkpoints["cls"], "cpu")(photo)
    np.testing.assert_allclose(found[0], result.scores, atol=1e-5)


def test_the_example_in_the_docs_finds_the_boxes_of_predict(
    exported, checkpoints, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs/export.md").read_text()
    (example,) = re.findall(r"```python\n(.+?)```", page, flags=re.DOTALL)
    for there, here in (("detector.onnx", exported["det"]), ("photo.jpg", photo)):
        assert example.count(there) == 1
        example = example.replace(there, str(here))
    names: dict[str, Any] = {}
    exec(example, names)
    (result,) = Predictor(CONFIGS["det"], checkpoints["det"], "cpu")(photo)
    assert len(result.scores) > 5
    np.testing.assert_allclose(names["boxes"], result.boxes_xyxy, atol=0.01)
    np.testing.assert_allclose(names["scores"], result.scores, atol=1e-4)
    assert names["labels"].tolist() == result.labels.tolist()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("there.onnx",), 3, "the file exists"),
        (("model.pt",), 2, "not the name of an ONNX file"),
        (("new.onnx", "--size", "64"), 2, "'64' is no size"),
        (
            ("new.onnx", "--num-images", "0"),
            2,
            "0 is not a valid number: --num-images: give a whole number, 1 or more",
        ),
        (("new.onnx", "--images", "nowhere"), 2, "no such file or folder"),
        (("new.onnx", "--data-root", "nowhere"), 2, "with --images PATH"),
    ],
)
def test_a_wrong_call_writes_nothing(
    tool, checkpoints, tmp_path: Path, capsys, words: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / "there.onnx").write_text("kept")
    call = ("export_model", CONFIGS["cls"], checkpoints["cls"], *words)
    assert exit_code(tool, *call) == code
    assert said in capsys.readouterr().err.splitlines()[0]
    assert [path.name for path in tmp_path.glob("*onnx*")] == ["there.onnx"]
    assert (tmp_path / "there.onnx").read_text() == "kept"


def exit_code(tool: Callable[..., int], *call: str | Path) -> Any:
    """Return the exit code, also that of argparse, which exits by itself."""
    try:
        return tool(*call)
    except SystemExit as ended:
        return ended.code


def test_a_missing_package_is_named(tool, checkpoints, monkeypatch, capsys) -> None:
    monkeypatch.setattr("tool_export_model.PACKAGES", ("onnx", "onnx-of-nobody"))
    assert tool("export_model", CONFIGS["cls"], checkpoints["cls"], "new.onnx") == 2
    assert "pip install onnx-of-nobody" in capsys.readouterr().err.splitlines()[0]


def with_bessel(self: LinearHead, feature: torch.Tensor) -> torch.Tensor:
    return self.fc(torch.special.bessel_j0(feature.mean((2, 3))))


def with_constant_size(self: LinearHead, feature: torch.Tensor) -> torch.Tensor:
    batch, channels, height, width = feature.shape
    return self.fc(feature.reshape(batch, channels, int(height) * int(width)).mean(2))


def test_an_unknown_operator_is_named(tool, checkpoints, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(LinearHead, "forward", with_bessel)
    assert tool("export_model", CONFIGS["cls"], checkpoints["cls"], "new.onnx") == 2
    line = capsys.readouterr().err.splitlines()[0]
    assert "the operator aten.special_bessel_j0 can't be written as ONNX, opset 17" in line
    assert list(tmp_path.glob("*onnx*")) == []


def test_a_network_for_one_size_is_exported_for_that_size(
    tool, checkpoints, photo: Path, monkeypatch, capfd
) -> None:
    monkeypatch.setattr(LinearHead, "forward", with_constant_size)
    call = (
        "export_model",
        CONFIGS["cls"],
        checkpoints["cls"],
        "new.onnx",
        "--images",
        photo.parent,
    )
    assert tool(*call) == 2
    line = capfd.readouterr().err.splitlines()[0]  # onnxruntime writes none before it
    assert line.startswith("error: the exported network is right for images of the data's size")
    assert "name that size, --size HxW" in line
    assert list(photo.parent.glob("*onnx*")) == []
    assert tool(*call, "--size", "65x97") == 0
    said = capfd.readouterr().out
    assert "equal to torch, 1 image of 65 x 97: probabilities" in said
    assert "new.onnx: opset 17, " in said
    session = onnxruntime.InferenceSession("new.onnx")
    assert session.get_inputs()[0].shape == ["batch", 3, 65, 97]
    assert "batch x channels x 65 x 97" in session.get_modelmeta().custom_metadata_map["input"]


def test_a_file_with_other_answers_is_not_written(
    tool, checkpoints, tmp_path, monkeypatch, capsys
) -> None:
    own = Classifier.forward
    monkeypatch.setattr(Classifier, "forward", lambda self, image: own(self, image) + 0.001)
    (tmp_path / "old.onnx").write_text("kept")
    call = ("export_model", CONFIGS["cls"], checkpoints["cls"], "old.onnx", "--force")
    assert tool(*call, "--num-images", 2) == 1
    line = capsys.readouterr().err.splitlines()[0]
    assert re.search(r"answers are not torch's .*probabilities 0.001 \(allowed 0.0001\)", line)
    assert "nothing was written" in line
    assert [path.read_text() for path in tmp_path.glob("*onnx*")] == ["kept"]
