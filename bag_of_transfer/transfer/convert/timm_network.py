"""Convert weights of timm's other networks: MobileNet, Inception-V3 and others."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from backbones import TimmNetwork
from backbones.undrawn import WithoutDrawing
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.backbone_card import TIMM, Card
from bag_of_transfer.transfer.card_writing import write_with_card
from bag_of_transfer.transfer.convert.converted_card import UNKNOWN, images_line
from bag_of_transfer.transfer.convert.feature_check import fill, maps_of, same_map
from bag_of_transfer.transfer.convert.input_channels import adapt_first_convolution, adapt_images
from bag_of_transfer.transfer.convert.model_zoos import on_255
from bag_of_transfer.transfer.convert.sources import Source, choose_prefix
from bag_of_transfer.transfer.network_shapes import is_counter, shapes_of
from bag_of_transfer.transfer.timm_networks import architecture_of, network_on_meta

__all__ = ["convert_timm"]

# The sides are odd and unequal, and large enough for Inception-V3, which pads little.
IMAGE_PX = (97, 131)
# A second classifier, which Inception-V3's files hold and timm's network lacks.
AUXILIARY = "AuxLogits."


def convert_timm(
    source: Source, out: Path, name: str, prefix: str | None = None, in_channels: int = 3
) -> tuple[Card, list[str]]:
    """Write a network of timm, cut after its last map, as a backbone file with its card.

    Args:
        source: The source, with tensors under timm's names.
        out: ``OUT.safetensors``.
        name: A name of ``timm.list_models()``, with or without a tag.
        prefix: The beginning of the network's names in a file that holds several networks.
        in_channels: Number of channels of the images; timm's rule applies to others than three.

    Returns:
        The card, and lines to print that account for every tensor.

    Raises:
        UserError: If timm does not know the network or it has no maps, if tensors are missing, of
            another shape or foreign to it, or if it computes other maps than timm's whole network.
    """
    architecture, where = architecture_of(name), source.where
    network_on_meta(name, {}, where)  # raises an error if the name is wrong
    with WithoutDrawing():
        ours, theirs = TimmNetwork(architecture), source.network or _create(name)
    prefix = choose_prefix(_prefixes(source.tensors, theirs), prefix, where)
    file = {
        name.removeprefix(prefix): tensor
        for name, tensor in source.tensors.items()
        if not is_counter(name) and name.startswith(prefix)
    }
    names = _names(ours, file)
    _check_names(ours, theirs, names, file, where)
    tensors = {key: file[inner].detach().to(torch.float32).clone() for key, inner in names.items()}
    broken = [names[key] for key, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise UserError(f"{broken[0]} holds NaN or infinity", where, "use another file of weights")
    _check_maps(ours, theirs, names, file, where)
    for key in _first_convolutions(theirs, names, where) if in_channels != 3 else ():
        tensors[key] = adapt_first_convolution(tensors[key], in_channels)
    left_out = sorted(file.keys() - set(names.values()))
    lines = [
        f"read: {len(file)} tensors of {name}, from {where}; used: {len(tensors)}",
        *source.lines(prefix),
        f"left out: {len(left_out)} after the last map: {', '.join(left_out)}",
        f"checked: the same maps as timm's {type(theirs).__name__} in {len(ours.strides)} stages, "
        "with these weights and random ones",
    ]
    fields = adapt_images(_fields(source, theirs, architecture), in_channels)
    if in_channels != 3:
        fields["options"] = {"in_chans": in_channels}
    lines.append(images_line(fields))
    return write_with_card(out, tensors, fields), lines


def _first_convolutions(theirs: Any, names: Mapping[str, str], where: str) -> list[str]:
    named = theirs.pretrained_cfg.get("first_conv") or ()
    first = {f"{name}.weight" for name in ([named] if isinstance(named, str) else named)}
    keys = [key for key, inner in names.items() if inner in first]
    if not keys or len(keys) < len(first):
        what = "timm does not say which convolution of the network reads the image"
        raise UserError(what, where, "leave --in-channels out, or choose another network")
    return keys


def _create(name: str) -> nn.Module:
    network: nn.Module = import_module("timm").create_model(name)
    return network.eval()


def _prefixes(names: Iterable[str], theirs: nn.Module) -> list[str]:
    found, wanted = set(names), list(shapes_of(theirs.state_dict()))
    first = wanted[0]
    begins = {n.removesuffix(first) for n in found if n == first or n.endswith(f".{first}")}
    # A block may have a tensor of that name, too, but not most of the network's.
    return sorted(b for b in begins if 2 * sum(b + n in found for n in wanted) > len(wanted))


def _names(ours: nn.Module, file: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the file's names by ours; in a cut network ``stages.0`` is called ``stages_0``."""
    pairs = {}
    for name in shapes_of(ours.state_dict()):
        inner = name.removeprefix("network.")
        pairs[name] = inner if inner in file else inner.replace("_", ".", 1)
    return pairs


def _check_names(
    ours: nn.Module,
    theirs: nn.Module,
    names: Mapping[str, str],
    file: Mapping[str, Tensor],
    where: str,
) -> None:
    state, known = ours.state_dict(), theirs.state_dict().keys()
    wrong = [
        inner
        for name, inner in names.items()
        if inner not in file or file[inner].shape != state[name].shape
    ]
    foreign = [k for k in file if k not in known and not k.startswith(AUXILIARY)]
    for kind, keys in (("missing or of another shape", wrong), ("foreign to it", foreign)):
        if keys:
            raise UserError(
                f"{len(keys)} tensors are {kind}, first {keys[0]}",
                where,
                "give the whole file of this network, under timm's names",
            )


def _check_maps(
    ours: TimmNetwork,
    theirs: nn.Module,
    names: Mapping[str, str],
    file: Mapping[str, Tensor],
    where: str,
) -> None:
    """Check the maps against timm's whole network; afterwards both have random weights."""
    images = torch.rand(1, 3, *IMAGE_PX, generator=torch.Generator().manual_seed(1)) - 0.5
    for state in (file, fill(theirs.state_dict())):
        # A classifier for other classes does not fit, which does not matter here.
        shared = {k: v for k, v in theirs.state_dict().items() if k in state}
        theirs.load_state_dict(
            {k: state[k] for k, v in shared.items() if v.shape == state[k].shape}, strict=False
        )
        ours.load_state_dict({name: state[k] for name, k in names.items()}, strict=False)
        if not _same_maps(ours, theirs, images):
            raise UserError(
                f"{ours.name}, cut into stages, does not compute the maps of timm's whole network "
                "for an image of any size",
                where,
                "choose a network of convolutions only",
            )


def _same_maps(ours: TimmNetwork, theirs: nn.Module, images: Tensor) -> bool:
    try:
        with torch.no_grad():
            maps = ours.eval()(images)
        modules = [level["module"] for level in ours.network.feature_info.get_dicts()]
        expected = maps_of(theirs, modules[len(modules) - len(ours.strides) :], images)
    except (RuntimeError, AssertionError):  # the network does not take images of any size
        return False
    pairs = zip(maps, expected, ours.out_channels, strict=True)
    return all(same_map(a, b) and a.shape[1] == channels for a, b, channels in pairs)


def _fields(source: Source, theirs: Any, architecture: str) -> dict[str, Any]:
    config = theirs.pretrained_cfg
    return {
        "type": TIMM,
        "variant": architecture,
        "in_channels": 3,
        **dict.fromkeys(("depth", "stem_channels", "base_channels")),
        "options": {},
        "value_range": [0, 255],
        "channel_order": "RGB",
        "mean": on_255(config["mean"]),
        "std": on_255(config["std"]),
        **UNKNOWN,
        **source.fields,
    }
