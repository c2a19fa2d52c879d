"""Other libraries' weights into a backbone file: every tensor is used or listed as left out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.backbone_card import Card
from bag_of_transfer.transfer.card_writing import check_target, write_with_card
from bag_of_transfer.transfer.convert.converted_card import (
    OTHERS,
    build_network,
    card_fields,
    tell_images,
)
from bag_of_transfer.transfer.convert.feature_check import check_same_features
from bag_of_transfer.transfer.convert.input_channels import (
    adapt_first_convolution,
    adapt_images,
    check_in_channels,
)
from bag_of_transfer.transfer.convert.model_zoos import build_like
from bag_of_transfer.transfer.convert.sources import Source, choose_prefix, open_source
from bag_of_transfer.transfer.convert.timm_network import convert_timm
from bag_of_transfer.transfer.layouts.recognise import prefixes_of, recognise
from bag_of_transfer.transfer.layouts.renaming import TO_OURS, timm_names_of_gluon
from bag_of_transfer.transfer.mismatch import compare
from bag_of_transfer.transfer.network_shapes import is_counter, shapes_of
from bag_of_transfer.transfer.timm_networks import architecture_of

__all__ = ["LAYOUTS", "Converted", "convert_weights"]

LAYOUTS = ("auto", *TO_OURS)
NETWORK = re.compile(r"(stem|conv1|bn1|layer\d+|res\d|res_conv1)[._]")
CLASSIFIER = re.compile(
    r"((module|model)\.)?(stem\.)?(fc|linear|head\.fc|head\.layers\.\w+)\.|(fc1000|pred)_"
)
# What Detectron's files hold beside weights, and a bias that detectron2's network lacks.
CAFFE_EXTRA = re.compile(r".*_momentum$|conv1_b$|stem\.conv1\.bias$|(lr|weight_order)$")
UNNAMED = ("counters ", "of another network")  # too many to be listed by name
PLAIN = ("timm", "torchvision", "mmpretrain", "mmdet", "caffe")


@dataclass(frozen=True)
class Converted:
    """The card that was written, and lines that tell what became of every tensor."""

    card: Card
    lines: list[str]


def convert_weights(
    src: str,
    out: str | Path,
    layout: str = "auto",
    *,
    timm_name: str = "",
    key: str | None = None,
    prefix: str | None = None,
    in_channels: int = 3,
    force: bool = False,
) -> Converted:
    """Write another library's ResNet, or another network of timm, as a backbone file with its card.

    Args:
        src: A file of weights, or the name of a model of timm or torchvision.
        out: ``OUT.safetensors``; the card becomes ``OUT.json``.
        layout: One of ``LAYOUTS``.
        timm_name: Make a TimmNetwork of this name; where ``src`` is a model's name and no ResNet,
            that name is enough.
        key: Dotted key of the dict of weights in a checkpoint that holds several.
        prefix: What the names of the network begin with in a file that holds several networks.
        in_channels: Of the images; other than three by timm's rule, see ``input_channels``.
        force: Replace ``out`` if it exists.

    Raises:
        UserError: If ``src`` cannot be read, holds several networks and neither ``key`` nor
            ``prefix`` says which, is neither a ResNet of ours nor the network of that name, lacks
            tensors, or computes other features than its source.  Nothing is written then.
        RefusedError: If ``out`` or its card exists and ``force`` is not given.
    """
    out = Path(out)
    check_target(out, force)
    check_in_channels(in_channels)
    source = open_source(src, "timm" if timm_name and layout == "auto" else layout, key)
    if timm_name or (source.layout == "timm" and recognise(source.tensors) is None):
        name = _timm_name(source, layout, timm_name)
        return Converted(*convert_timm(source, out, name, prefix, in_channels))
    prefix = choose_prefix(prefixes_of(source.tensors), prefix, source.where)
    layout = _layout_of(source, layout, prefix)
    if layout == "gluon":
        _refuse_flat_names(source)
    inside, left_out = _sort(source.tensors, prefix)
    tensors = _converted(inside, layout, source.where)
    fields = card_fields(source, layout, tensors)
    ours = build_network(fields)
    _check_complete(ours, tensors, source.where)
    read = f"read: {len(source.tensors)} tensors in the layout of {layout}, from {source.where}"
    lines = [read, *source.lines(prefix), *_account(inside, left_out, tensors)]
    lines.append(_check_features(source, layout, inside, fields, ours))
    first = next(name for name in ("stem.0.weight", "conv1.weight") if name in tensors)
    order = fields["channel_order"]
    tensors[first] = adapt_first_convolution(tensors[first], in_channels, order)
    fields = adapt_images(fields, in_channels)
    lines.append(tell_images(fields))
    return Converted(write_with_card(out, tensors, fields), lines)


# ---- which layout ----


def _timm_name(source: Source, layout: str, stated: str) -> str:
    is_named = source.network is not None  # then the name is where it is from
    if layout not in ("auto", "timm"):
        raise UserError(
            "networks of timm have timm's names", f"--layout {layout}", "leave --layout out"
        )
    if is_named and stated and architecture_of(stated) != architecture_of(source.where):
        raise UserError(f"SRC is {source.where}", f"--timm-name {stated}", "leave one of both out")
    return source.where if is_named else stated


def _layout_of(source: Source, stated: str, prefix: str) -> str:
    guess = recognise(source.tensors, prefix)
    if guess is None:
        raise UserError(
            f"no ResNet is in the file, first is {next(iter(source.tensors), 'nothing')}",
            source.where,
            "give weights of a ResNet of timm, torchvision, mmpretrain, mmdet, GluonCV or "
            "detectron2, or name timm's network, --timm-name NAME",
        )
    found = source.layout or guess.layout.name
    # 7x7 stems are named alike in five layouts.
    is_plain = f"{prefix}conv1.weight" in source.tensors and found in PLAIN
    if stated != "auto":
        if stated != found and not (is_plain and stated in PLAIN):
            raise UserError(
                f"the names are those of {found}, not of {stated}",
                source.where,
                f"leave --layout out, or say --layout {found}",
            )
        return stated
    if found == "mmdet" and is_plain and "type" not in source.fields:
        return _without_classifier(source)
    return found


def _without_classifier(source: Source) -> str:
    if "head.fc.weight" in source.tensors:
        return "mmpretrain"
    raise UserError(
        "the names don't tell whether this is style 'pytorch' (RGB) or 'caffe' (BGR, std 1)",
        source.where,
        "say --layout mmdet for pytorch, or --layout caffe",
    )


def _refuse_flat_names(source: Source) -> None:
    if not any("." in name for name in source.tensors):
        raise UserError(
            "the names are flat, as MXNet's export and save_params write them",
            source.where,
            "load the file with GluonCV and write it again with save_parameters",
        )


# ---- the tensors ----


def _sort(
    tensors: Mapping[str, Tensor], prefix: str
) -> tuple[dict[str, Tensor], dict[str, list[str]]]:
    """Part what belongs to the network (without its prefix) from what is left out, by reason."""
    inside: dict[str, Tensor] = {}
    left_out: dict[str, list[str]] = {}
    prefixes = prefixes_of(tensors)
    for name, tensor in tensors.items():
        own = name.removeprefix(prefix) if name.startswith(prefix) else ""
        owner = max((one for one in prefixes if name.startswith(one)), key=len, default=prefix)
        if owner != prefix:
            reason = f"of another network, {owner or 'without prefix'}"
            left_out.setdefault(reason, []).append(name)
        elif is_counter(name):
            left_out.setdefault("counters num_batches_tracked", []).append(name)
        elif CAFFE_EXTRA.match(own):
            left_out.setdefault("no part of detectron2's network", []).append(name)
        elif CLASSIFIER.match(own or name):
            left_out.setdefault("of the classifier", []).append(name)
        elif NETWORK.match(own):
            inside[own] = tensor
        else:
            left_out.setdefault("outside of the backbone", []).append(name)
    return inside, left_out


def _converted(inside: Mapping[str, Tensor], layout: str, where: str) -> dict[str, Tensor]:
    try:
        renamed = TO_OURS[layout](inside)
    except ValueError as error:
        raise UserError(f"{error} in the layout of {layout}", where, OTHERS) from error
    converted = {}
    for name, tensor in renamed.items():
        # first to float32: isfinite does not know floats of 8 bits
        values = tensor.detach().to(torch.float32) if tensor.is_floating_point() else None
        if values is None or not values.isfinite().all():
            told = str(tensor.dtype) if values is None else "NaN or infinity"
            raise UserError(f"{name} holds {told}", where, "take another file of weights")
        converted[name] = values.contiguous().clone()
    return converted


def _check_complete(ours: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    comparison = compare(shapes_of(ours.state_dict()), shapes_of(tensors))
    if not comparison.fits:
        raise UserError(str(comparison), where, f"give the whole file; {OTHERS}")


# ---- what is told ----


def _account(
    inside: Mapping[str, Tensor], left_out: Mapping[str, list[str]], tensors: Mapping[str, Tensor]
) -> list[str]:
    lines = [f"used: {len(inside)}"]
    added = len(tensors) - len(inside)
    if added:
        lines[0] += f"; {added} running statistics added, the file has scale and shift only"
    for reason, names in left_out.items():
        named = "" if reason.startswith(UNNAMED) else ", ".join(names)
        lines.append(f"left out: {len(names)} {reason}{named and ': '}{named}")
    return lines


def _check_features(
    source: Source,
    layout: str,
    inside: Mapping[str, Tensor],
    fields: Mapping[str, Any],
    ours: nn.Module,
) -> str:
    theirs = source.network or _source_like(layout, inside, fields)
    if theirs is None:
        return f"not checked by a forward pass: no implementation of {layout} at hand"

    def convert(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        rename = TO_OURS["timm" if layout == "gluon" else layout]
        return rename({name: state[name] for name in state if NETWORK.match(name)})

    check_same_features(ours, theirs, convert, source.where)
    kind = f"{type(theirs).__module__.partition('.')[0]}'s {type(theirs).__name__}"
    return f"checked: the same features as {kind} in 4 stages, with these weights and random ones"


def _source_like(
    layout: str, inside: Mapping[str, Tensor], fields: Mapping[str, Any]
) -> nn.Module | None:
    """Build the library's own network and load the file's tensors under their own names."""
    if layout not in ("timm", "torchvision", "gluon"):
        return None
    theirs = build_like("torchvision" if layout == "torchvision" else "timm", fields)
    if theirs is not None:
        names = timm_names_of_gluon(inside) if layout == "gluon" else dict(inside)
        theirs.load_state_dict(names)
    return theirs
