"""Names of a ResNet's tensors in other libraries, built from ours by their documentation."""

import re

from torch import Tensor, nn

STEM = {  # our number: mmpretrain's and timm's names
    0: ("stem.0.conv", "conv1.0"),
    1: ("stem.0.bn", "conv1.1"),
    3: ("stem.1.conv", "conv1.3"),
    4: ("stem.1.bn", "conv1.4"),
    6: ("stem.2.conv", "conv1.6"),
    7: ("stem.2.bn", "bn1"),
}


def state(network: nn.Module) -> dict[str, Tensor]:
    items = network.state_dict().items()
    return {name: tensor for name, tensor in items if not name.endswith("num_batches_tracked")}


def with_stem(ours: dict[str, Tensor], library: int) -> dict[str, Tensor]:
    def rename(name: str) -> str:
        part = re.match(r"stem\.(\d)\.(\w+)$", name)
        return f"{STEM[int(part[1])][library]}.{part[2]}" if part else name

    return {rename(name): tensor for name, tensor in ours.items()}


def mmpretrain_d(ours: dict[str, Tensor], unpooled: tuple[str, ...]) -> dict[str, Tensor]:
    """Rename tensors to ResNetV1d's: shortcuts of stride 1 have no pool, nor its number."""
    out = {}
    for name, tensor in with_stem(ours, 0).items():
        part = re.match(r"(layer\d)\.0\.downsample\.(\d)\.(\w+)$", name)
        if part and part[1] in unpooled:
            name = f"{part[1]}.0.downsample.{int(part[2]) - 1}.{part[3]}"
        out[name] = tensor
    return out


def gluon_name(name: str, tensor: Tensor) -> str:
    if tensor.ndim == 1:  # a batch norm's
        name = name.replace(".weight", ".gamma").replace(".bias", ".beta")
    return name


def detectron2_name(name: str) -> str:
    name = re.sub(r"^(conv1|bn1)\.", r"stem.\1.", name)
    name = re.sub(r"^layer(\d)", lambda m: f"res{int(m[1]) + 1}", name)
    name = name.replace("downsample.0", "shortcut").replace("downsample.1", "shortcut.norm")
    return re.sub(r"bn(\d)", r"conv\1.norm", name)


def blob_name(name: str) -> str:
    """Return Detectron's blob name, ``res2_0_branch2a_bn_s``; norms have scale and shift only."""
    name = detectron2_name(name).removeprefix("stem.")
    name = name.replace("conv1.norm.", "res.conv1.bn.") if name.startswith("conv1.norm") else name
    for number, letter in ((1, "a"), (2, "b"), (3, "c")):
        name = re.sub(rf"(res\d\.\d+)\.conv{number}", rf"\1.branch2{letter}", name)
    name = name.replace("shortcut", "branch1").replace("norm", "bn")
    name = re.sub(r"bn\.weight$", "bn.s", name)
    return re.sub(r"\.weight$", ".w", re.sub(r"\.bias$", ".b", name)).replace(".", "_")
