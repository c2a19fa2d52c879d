"""Our backbone files into other libraries' layouts, for their own classes to load strictly."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backbones.blocks import VARIANTS
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.backbone_card import TIMM, read_card
from bag_of_transfer.transfer.card_writing import check_target, write_with_card
from bag_of_transfer.transfer.convert.converted_card import build_network, tell_images
from bag_of_transfer.transfer.convert.feature_check import check_same_features
from bag_of_transfer.transfer.convert.into_ours import Converted
from bag_of_transfer.transfer.convert.model_zoos import build_like, timm_name
from bag_of_transfer.transfer.layouts.renaming import FROM_OURS, TO_OURS
from bag_of_transfer.transfer.mismatch import BackboneMismatchError, compare, mend_for
from bag_of_transfer.transfer.network_shapes import shapes_of
from bag_of_transfer.transfer.tensor_file import read_tensors

__all__ = ["TARGETS", "convert_back"]

TARGETS = tuple(FROM_OURS)
# mmpretrain/models/backbones/resnet.py: class and arguments, by our variant.
MMPRETRAIN = {
    "A": ("ResNet", ", style='caffe'"),
    "B": ("ResNet", ""),
    "C": ("ResNetV1c", ""),
    "D": ("ResNetV1d", ""),
}

MMPRETRAIN_DEPTHS = (18, 34, 50, 101, 152)
HAS = {
    "timm": "timm has ResNet-B with stem 64, ResNet-C and ResNet-D",
    "mmpretrain": f"mmpretrain has the depths {', '.join(map(str, MMPRETRAIN_DEPTHS))}",
    "torchvision": "torchvision has ResNet-B of its depths only, 3 channels in, stem 64, base 64",
}


def convert_back(src: str | Path, out: str | Path, to: str, *, force: bool = False) -> Converted:
    """Write a backbone file of ours under the names of another library.

    The classifier is not in the file, nor are batch norms' counters, which strict loading
    supplies.  The card beside it says ``layout`` as well.

    Args:
        src: A backbone file with its card.
        out: ``OUT.safetensors``; the card becomes ``OUT.json``.
        to: One of ``TARGETS``.
        force: Replace ``out`` if it exists.

    Raises:
        UserError: If ``src`` is no backbone file, or the library has no such network.
        BackboneMismatchError: If the file's tensors are not those that its card tells.
        RefusedError: If ``out`` or its card exists and ``force`` is not given.
    """
    out = Path(out)
    check_target(out, force)
    card, file = read_card(src), read_tensors(src)
    if card.type == TIMM:
        raise UserError(
            f"a {card.title} has no other layout", src, "its names are timm's behind 'network.'"
        )
    fields: dict[str, Any] = card.to_dict()
    ours = build_network(fields)
    comparison = compare(shapes_of(ours.state_dict()), shapes_of(file.tensors))
    if not comparison.fits:
        raise BackboneMismatchError(
            str(comparison), src, mend_for(shapes_of(ours.state_dict()), file)
        )
    tensors = FROM_OURS[to](file.tensors)
    again = TO_OURS[to](tensors)
    assert all(again.get(name) is tensor for name, tensor in file.tensors.items())
    theirs = None if to == "mmpretrain" else build_like(to, fields)
    lines = [f"renamed: {len(tensors)} tensors to the layout of {to}"]
    if theirs is not None:
        theirs.load_state_dict(tensors)
        check_same_features(ours, theirs, TO_OURS[to], src)
        lines.append(f"checked: {to}'s network loads them strictly, same features in 4 stages")
    else:
        _check_expressible(to, fields, src)
        lines.append(f"not checked by a forward pass: no implementation of {to} at hand")
    lines += [f"load: {_how_to_load(to, fields)}", tell_images(fields)]
    return Converted(write_with_card(out, tensors, fields, layout=to), lines)


def _check_expressible(to: str, fields: Mapping[str, Any], src: str | Path) -> None:
    plain = fields["variant"] == "B" or (fields["variant"] == "A" and fields["depth"] < 50)
    can = {
        "timm": fields["variant"] in "CD" or (plain and fields["stem_channels"] == 64),
        "mmpretrain": fields["depth"] in MMPRETRAIN_DEPTHS,
        "torchvision": False,  # always installed: else it would have been built
    }
    if can[to]:
        return  # only the package is missing
    network = f"{fields['type']}-{fields['depth']}"
    widths = ", ".join(f"{n} {fields[f'{n}_channels']}" for n in ("in", "stem", "base"))
    raise UserError(
        f"{to} cannot express a {network} ({widths}); {HAS[to]}", src, "choose another --to"
    )


def _how_to_load(to: str, fields: Mapping[str, Any]) -> str:
    depth = fields["depth"]
    if to == "torchvision":
        return f"torchvision.models.resnet{depth}() with fc = torch.nn.Identity(), strictly"
    if to == "timm":
        name = timm_name(fields)
        more = "" if fields["in_channels"] == 3 else f", in_chans={fields['in_channels']}"
        network = f"timm.create_model('{name}', num_classes=0{more})"
        called = network if name else "timm's class ResNet"
        return f"{called}, strictly"
    kind, more = MMPRETRAIN[VARIANTS[fields["type"]].letter]
    names = ("in_channels", "stem_channels", "base_channels")
    widths = "".join(f", {n}={fields[n]}" for n in names if (n, fields[n]) != ("in_channels", 3))
    return f"mmpretrain.models.{kind}(depth={depth}{widths}{more}), strictly"
