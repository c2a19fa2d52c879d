"""torchvision's ResNets: the same names and networks as our ResNet-B."""

from torch import nn

from backbones.undrawn import WithoutDrawing
from bag_of_transfer.transfer.layouts.layout import Fields, Layout, Target, computes_b
from bag_of_transfer.transfer.layouts.renaming import same_names

__all__ = ["MODEL_NAMES", "TORCHVISION"]

MODEL_NAMES = tuple(f"resnet{depth}" for depth in (18, 34, 50, 101, 152))


def _model_name(fields: Fields) -> str:
    return f"resnet{fields['depth']}"


def _expresses(fields: Fields) -> bool:
    widths = [fields[f"{part}_channels"] for part in ("in", "stem", "base")]
    return computes_b(fields) and widths == [3, 64, 64] and _model_name(fields) in MODEL_NAMES


def _network_like(fields: Fields) -> nn.Module | None:
    from torchvision import models  # not above: recognising names must not wait for this import

    if not _expresses(fields):
        return None
    with WithoutDrawing():
        network: nn.Module = models.get_model(_model_name(fields), weights=None)
    network.fc = nn.Identity()
    return network


def _how_to_load(fields: Fields) -> str:
    return f"torchvision.models.{_model_name(fields)}() with fc = torch.nn.Identity(), strictly"


TORCHVISION = Layout(
    name="torchvision",
    library="torchvision",
    signature=r"^fc\.",
    differs="the classifier fc beside the backbone",
    network_like=_network_like,
    target=Target(
        same_names,
        _expresses,
        "torchvision has only ResNet-B of some depths, with 3 input channels, stem 64, base 64",
        _how_to_load,
    ),
)
