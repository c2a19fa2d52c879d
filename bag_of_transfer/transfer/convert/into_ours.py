"""Convert other libraries' weights; every tensor is used or listed as left out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bag_of_transfer.engine.arguments import AUTO, check_choice, check_count
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.backbone_card import Card
from bag_of_transfer.transfer.card_writing import check_target, write_with_card
from bag_of_transfer.transfer.convert.converted_card import (
    OTHERS,
    build_network,
    card_fields,
    images_line,
)
from bag_of_transfer.transfer.convert.feature_check import check_same_features
from bag_of_transfer.transfer.convert.input_channels import (
    adapt_first_convolution,
    adapt_images,
)
from bag_of_transfer.transfer.convert.sources import Source, choose_prefix, open_source
from bag_of_transfer.transfer.convert.timm_network import convert_timm
from bag_of_transfer.transfer.layouts.layout import Layout, Refusal
from bag_of_transfer.transfer.layouts.recognise import prefixes_of, recognise
from bag_of_transfer.transfer.layouts.table import LAYOUTS, is_of_classifier, layout_named
from bag_of_transfer.transfer.layouts.timm import TIMM
from bag_of_transfer.transfer.mismatch import compare
from bag_of_transfer.transfer.network_shapes import is_counter, shapes_of
from bag_of_transfer.transfer.timm_networks import architecture_of

__all__ = ["Converted", "convert_weights"]

UNNAMED = ("counters ", "of another network")  # reasons with too many tensors to list by name


@dataclass(frozen=True)
class Converted:
    """The card that was written, and lines to print that account for every tensor."""

    card: Card
    lines: list[str]


def convert_weights(
    src: str,
    out: str | Path,
    layout: str = AUTO,
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
        layout: ``auto``, or the name of a layout (``transfer/layouts/table.py``).
        timm_name: Write a TimmNetwork of this name.  Not needed if ``src`` is the name of a model
            that is not a ResNet.
        key: Dotted key of the dict of weights in a checkpoint that holds several.
        prefix: The beginning of the network's names in a file that holds several networks.
        in_channels: Number of channels of the images; for other numbers than three see
            ``input_channels``.
        force: Replace ``out`` if it exists.

    Raises:
        UserError: If no layout has this name, if ``src`` cannot be read, if it holds several
            networks and neither ``key`` nor ``prefix`` chooses one, if it is neither a ResNet that
            we have nor the network of that name, if it lacks tensors, or if the result computes
            other features than its source.  Then nothing is written.
        RefusedError: If ``out`` or its card exists and ``force`` is not given.
    """
    out = Path(out)
    check_target(out, force)
    check_count(in_channels, "--in-channels")
    check_choice(layout, (AUTO, *(known.name for known in LAYOUTS)), "--layout")
    stated = layout_named(layout)
    source = open_source(src, TIMM if timm_name and stated is None else stated, key)
    if timm_name or (source.layout is TIMM and recognise(source.tensors) is None):
        name = _timm_name(source, stated, timm_name)
        return Converted(*convert_timm(source, out, name, prefix, in_channels))
    return _convert_resnet(source, out, stated, prefix, in_channels)


def _convert_resnet(
    source: Source, out: Path, stated: Layout | None, prefix: str | None, in_channels: int
) -> Converted:
    prefix = choose_prefix(prefixes_of(source.tensors), prefix, source.where)
    layout = _layout_of(source, stated, prefix)
    _refuse_flat_names(source, layout)
    inside, left_out = _sort(source.tensors, prefix, layout)
    tensors = _converted(inside, layout, source.where)
    fields = card_fields(source, layout, tensors)
    ours = build_network(fields)
    _check_complete(ours, tensors, source.where)
    read = (
        f"read: {len(source.tensors)} tensors in the layout of {layout.name}, from {source.where}"
    )
    lines = [read, *source.lines(prefix), *_account(inside, left_out, tensors)]
    lines.append(_check_features(source, layout, inside, fields, ours))
    first = next(name for name in ("stem.0.weight", "conv1.weight") if name in tensors)
    order = fields["channel_order"]
    tensors[first] = adapt_first_convolution(tensors[first], in_channels, order)
    fields = adapt_images(fields, in_channels)
    lines.append(images_line(fields))
    return Converted(write_with_card(out, tensors, fields), lines)


# ---- which layout ----


def _timm_name(source: Source, layout: Layout | None, stated: str) -> str:
    is_named = source.network is not None  # SRC is the name of a model
    if layout not in (None, TIMM):
        what = "the tensors of timm's networks must have timm's names"
        raise UserError(what, f"--layout {layout.name}", "leave --layout out")
    if is_named and stated and architecture_of(stated) != architecture_of(source.where):
        raise UserError(
            f"SRC is {source.where}", f"--timm-name {stated}", "give only one of the two"
        )
    return source.where if is_named else stated


def _layout_of(source: Source, stated: Layout | None, prefix: str) -> Layout:
    guess = recognise(source.tensors, prefix)
    if guess is None:
        *most, last = (layout.library for layout in LAYOUTS)
        raise UserError(
            f"the file holds no ResNet, its first tensor is {next(iter(source.tensors), 'none')}",
            source.where,
            f"give weights of a ResNet of {', '.join(most)} or {last}, or the name of a network of "
            "timm by --timm-name NAME",
        )
    guessed = source.layout or guess.layout
    is_plain = f"{prefix}conv1.weight" in source.tensors and guessed.plain_names
    if stated is not None:
        if stated is not guessed and not (is_plain and stated.plain_names):
            raise UserError(
                f"the names are those of {guessed.name}, not of {stated.name}",
                source.where,
                f"leave --layout out, or give --layout {guessed.name}",
            )
        return stated
    if guessed.unclear is not None and is_plain and "type" not in source.fields:
        return _by_head(source, guessed.unclear)
    return guessed


def _by_head(source: Source, unclear: Refusal) -> Layout:
    for layout in LAYOUTS:
        if layout.head in source.tensors:
            return layout
    raise UserError(unclear.what, source.where, unclear.mend)


def _refuse_flat_names(source: Source, layout: Layout) -> None:
    refusal = layout.flat_names
    if refusal is not None and not any("." in name for name in source.tensors):
        raise UserError(refusal.what, source.where, refusal.mend)


# ---- the tensors ----


def _sort(
    tensors: Mapping[str, Tensor], prefix: str, layout: Layout
) -> tuple[dict[str, Tensor], dict[str, list[str]]]:
    """Return the network's tensors without prefix, and the names of all others by reason."""
    inside: dict[str, Tensor] = {}
    left_out: dict[str, list[str]] = {}
    prefixes = prefixes_of(tensors)
    for name, tensor in tensors.items():
        inner = name.removeprefix(prefix) if name.startswith(prefix) else ""
        owners = [begin for begin in prefixes if name.startswith(begin)]
        owner = max(owners, key=len, default=prefix)
        if owner != prefix:
            reason = f"of another network, {owner or 'without prefix'}"
            left_out.setdefault(reason, []).append(name)
        elif is_counter(name):
            left_out.setdefault("counters num_batches_tracked", []).append(name)
        elif re.fullmatch(layout.extra, inner):
            left_out.setdefault(f"not in {layout.library}'s network", []).append(name)
        elif is_of_classifier(inner or name):
            left_out.setdefault("of the classifier", []).append(name)
        elif re.match(layout.network, inner):
            inside[inner] = tensor
        else:
            left_out.setdefault("outside of the backbone", []).append(name)
    return inside, left_out


def _converted(inside: Mapping[str, Tensor], layout: Layout, where: str) -> dict[str, Tensor]:
    try:
        renamed = layout.to_ours(inside)
    except ValueError as error:
        raise UserError(f"{error} in the layout of {layout.name}", where, OTHERS) from error
    converted = {}
    for name, tensor in renamed.items():
        # isfinite does not take 8-bit floats, so they become float32 first.
        values = tensor.detach().to(torch.float32) if tensor.is_floating_point() else None
        if values is None or not values.isfinite().all():
            content = str(tensor.dtype) if values is None else "NaN or infinity"
            raise UserError(f"{name} holds {content}", where, "use another file of weights")
        converted[name] = values.contiguous().clone()
    return converted


def _check_complete(ours: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    comparison = compare(shapes_of(ours.state_dict()), shapes_of(tensors))
    if not comparison.fits:
        raise UserError(str(comparison), where, f"give the whole file; {OTHERS}")


# ---- lines to print ----


def _account(
    inside: Mapping[str, Tensor], left_out: Mapping[str, list[str]], tensors: Mapping[str, Tensor]
) -> list[str]:
    lines = [f"used: {len(inside)}"]
    added = len(tensors) - len(inside)
    if added:
        lines[0] += f"; {added} running statistics added, as the file has only scale and shift"
    for reason, names in left_out.items():
        named = "" if reason.startswith(UNNAMED) else ", ".join(names)
        lines.append(f"left out: {len(names)} {reason}{named and ': '}{named}")
    return lines


def _check_features(
    source: Source,
    layout: Layout,
    inside: Mapping[str, Tensor],
    fields: Mapping[str, Any],
    ours: nn.Module,
) -> str:
    theirs = source.network or _source_like(layout, inside, fields)
    if theirs is None:
        return f"not checked by a forward pass: no implementation of {layout.name} is installed"

    def convert(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return layout.to_ours({n: t for n, t in state.items() if re.match(layout.network, n)})

    check_same_features(ours, theirs, convert, source.where)
    kind = f"{type(theirs).__module__.partition('.')[0]}'s {type(theirs).__name__}"
    return f"checked: the same features as {kind} in 4 stages, with these weights and random ones"


def _source_like(
    layout: Layout, inside: Mapping[str, Tensor], fields: Mapping[str, Any]
) -> nn.Module | None:
    """Return the library's network with the file's tensors; None if it cannot be built."""
    theirs = layout.network_like(fields)
    if theirs is not None:
        theirs.load_state_dict(layout.for_network(inside))
    return theirs
