"""Models by name: timm and torchvision build them, only the download is replaced."""

import sys
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torchvision
from torch import nn

from backbones.blocks import DEPTHS
from backbones.undrawn import WithoutDrawing
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.convert import model_zoos
from bag_of_transfer.transfer.convert.feature_check import fill
from bag_of_transfer.transfer.convert.into_ours import convert_weights

timm = pytest.importorskip("timm")
SLOW = pytest.mark.slow
TIMM_D = [f"resnet{depth}d" for depth in DEPTHS]


def trained(network: nn.Module) -> nn.Module:
    network.load_state_dict(fill(network.state_dict(), seed=5))
    return network


@pytest.fixture(autouse=True)
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace both libraries' downloads by random weights; collect the names asked for."""
    asked: list[str] = []
    build_timm, build_torchvision = timm.create_model, torchvision.models.get_model

    def create_model(name: str, pretrained: bool = False) -> nn.Module:
        assert pretrained
        asked.append(f"timm {name}")
        widths = {"channels": (8, 16, 32, 64)} if "resnet" in name else {}  # for speed
        with WithoutDrawing():
            network = build_timm(name, **widths)
        return trained(network)

    def get_model(name: str, weights: Any) -> nn.Module:
        if weights is None:  # to compare with
            return build_torchvision(name)
        asked.append(f"torchvision {name} {weights.name}")
        with WithoutDrawing():
            network = build_torchvision(name)
        return trained(network)

    monkeypatch.setattr(timm, "create_model", create_model)
    monkeypatch.setattr(torchvision.models, "get_model", get_model)
    monkeypatch.setattr(model_zoos, "hub_in_reach", lambda: True)
    return asked


def convert(tmp_path: Path, name: str, layout: str = "auto") -> Any:
    # Computes the features of both, and refuses if they differ: see test_feature_check.py.
    done = convert_weights(name, tmp_path / "o.safetensors", layout)
    library = "torchvision" if done.card.source.startswith("torchvision") else "timm"
    told = f"checked: the same features as {library}'s ResNet in 4 stages"
    assert any(line.startswith(told) for line in done.lines)
    return done.card


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("resnet18d", "resnet152d") else [SLOW])
        for name in TIMM_D
    ],
)
def test_resnet_d_of_timm(tmp_path: Path, name: str) -> None:
    assert len(TIMM_D) >= 5
    card = convert(tmp_path, name)
    depth = int(name[6:-1])
    assert (card.type, card.depth) == ("ResNetD", depth)
    assert (card.stem_channels, card.base_channels) == (64, 8)
    # depth counts the stem once and the classifier; 3 in the stem, 4 shortcuts; 5 tensors each
    assert card.num_tensors == 5 * (depth - 2 + 3 + 4)


@pytest.mark.filterwarnings("ignore:Mapping deprecated model name")
@pytest.mark.parametrize(
    ("name", "kind", "stem", "dataset"),
    [
        pytest.param("resnet50.tv_in1k", "ResNetB", 64, "ImageNet-1K", marks=SLOW),
        pytest.param("resnet50c.gluon_in1k", "ResNetC", 64, "ImageNet-1K", marks=SLOW),
        ("resnet50s.gluon_in1k", "ResNetC", 128, "ImageNet-1K"),
        ("resnet50d.gluon_in1k", "ResNetD", 64, "ImageNet-1K"),
        ("gluon_resnet50_v1d", "ResNetD", 64, "ImageNet-1K"),
    ],
)
def test_resnet_50_of_timm(
    tmp_path: Path, downloads: list[str], name: str, kind: str, stem: int, dataset: str
) -> None:
    card = convert(tmp_path, name)
    assert downloads == [f"timm {name}"]
    assert (card.type, card.depth, card.stem_channels, card.dataset) == (kind, 50, stem, dataset)
    assert card.mean == pytest.approx([123.675, 116.28, 103.53])
    assert card.std == pytest.approx([58.395, 57.12, 57.375])
    assert card.metrics == {}  # timm states none
    assert card.source.startswith(("timm resnet50", "timm gluon"))


def test_mean_and_std_are_the_models_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = timm.create_model

    def create_model(name: str, pretrained: bool) -> nn.Module:
        network = build(name, pretrained=pretrained)
        network.pretrained_cfg = {
            **network.pretrained_cfg,
            "mean": (0.5, 0.4, 0.3),
            "std": [0.2] * 3,
        }
        return network

    monkeypatch.setattr(timm, "create_model", create_model)
    card = convert(tmp_path, "resnet18d")
    assert card.mean == pytest.approx([127.5, 102.0, 76.5])
    assert card.std == pytest.approx([51.0] * 3)


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        pytest.param("resnet34", marks=SLOW),
        "resnet50",
        pytest.param("resnet101", marks=SLOW),
        pytest.param("resnet152", marks=SLOW),
    ],
)
def test_torchvision_takes_the_papers_weights_and_their_published_figures(
    tmp_path: Path, downloads: list[str], name: str
) -> None:
    card = convert(tmp_path, name)
    assert downloads == [f"torchvision {name} IMAGENET1K_V1"]
    assert f"{card.type}-{card.depth}" == f"ResNetB-{name[6:]}"
    entry = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
    stated = entry.meta["_metrics"]["ImageNet-1K"]
    assert card.metrics == {"top1": stated["acc@1"], "top5": stated["acc@5"]}
    assert card.mean == pytest.approx([123.675, 116.28, 103.53])


def test_a_name_of_both_is_torchvisions_unless_timm_is_said(
    tmp_path: Path, downloads: list[str]
) -> None:
    convert_weights("resnet18.IMAGENET1K_V1", tmp_path / "a.safetensors")
    convert_weights("resnet18", tmp_path / "b.safetensors", "timm")
    assert downloads == ["torchvision resnet18 IMAGENET1K_V1", "timm resnet18"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnetaa50d", "all tensors fit, but stage 1 computes other features"),  # pools otherwise
        ("seresnet50", "tensors are left over"),
        ("resnext50_32x4d", "of another shape"),
        ("resnet10t", "blocks are not those of a supported depth"),
        ("resnet51d", "neither a file nor a model of timm.*check the spelling; similar names are "),
        ("resnet50d.nope", r"neither a file nor a model of timm.*resnet50d\.a"),
        ("resnetblur18", "timm has no weights for the model"),
    ],
)
def test_relatives_and_unknown_names_are_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        convert_weights(name, tmp_path / "o.safetensors")
    assert not list(tmp_path.iterdir())


def test_near_names_are_offered_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="similar names are resnet") as caught:
        convert_weights("resnet181", tmp_path / "o.safetensors")
    offered = str(caught.value).partition("similar names are ")[2].split(", ")
    assert len(offered) == len(set(offered)) == 3


@pytest.mark.parametrize(
    ("name", "layout", "message"),
    [
        ("resnet50.IMAGENET1K_V9", "auto", r"model of torchvision.*resnet50\.IMAGENET1K_V2"),
        ("resnet50d", "torchvision", "model of torchvision.*similar names are resnet50"),
        ("resnet50d", "mmdet", "mmdet has no models to fetch by name"),
        ("weights/resnet50d.gluon_in1k", "auto", "no such file of weights"),
        ("resnet50d.pth", "auto", "no such file of weights"),
        ("resnet50d.safetensors", "auto", "no such file of weights"),
    ],
)
def test_other_names_that_lead_nowhere(
    tmp_path: Path, name: str, layout: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        convert_weights(name, tmp_path / "o.safetensors", layout)


@pytest.mark.parametrize(
    ("name", "module", "function", "address"),
    [
        ("resnet18", torchvision.models, "get_model", r"https://\S+/resnet18-f37072fd\.pth"),
        ("resnet50d.gluon_in1k", timm, "create_model", r"https://\S+v1d-818a1b1b\.pth"),
    ],
)
def test_without_network_the_user_is_told_what_to_fetch(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    module: Any,
    function: str,
    address: str,
) -> None:
    def no_network(*args: Any, **kwargs: Any) -> nn.Module:
        raise URLError("[Errno -2] Name or service not known")

    monkeypatch.setattr(module, function, no_network)
    message = rf"cannot fetch the weights \(URLError .*elsewhere \({address}\).*--layout"
    with pytest.raises(UserError, match=message):
        convert_weights(name, tmp_path / "o.safetensors")
    assert not list(tmp_path.iterdir())


def test_without_timm_the_user_is_told_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UserError, match="pip install timm"):
        convert_weights("resnet18d", tmp_path / "o.safetensors")


def test_the_hub_is_not_asked_again_and_again_without_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nowhere(*args: Any) -> list[Any]:
        raise OSError("Name or service not known")

    monkeypatch.undo()
    monkeypatch.setattr("urllib.request.getproxies", dict)
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    for lookup, reach in ((nowhere, False), (lambda *args: [], True)):
        monkeypatch.setattr("socket.getaddrinfo", lookup)
        assert model_zoos.hub_in_reach() is reach
