"""Convert our backbone files to other libraries' layouts, which their classes load strictly."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bag_of_transfer.engine.arguments import check_choice
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.backbone_card import TIMM, read_card
from bag_of_transfer.transfer.card_writing import check_target, write_with_card
from bag_of_transfer.transfer.convert.converted_card import build_network, images_line
from bag_of_transfer.transfer.convert.feature_check import check_same_features
from bag_of_transfer.transfer.convert.into_ours import Converted
from bag_of_transfer.transfer.layouts.layout import Target
from bag_of_transfer.transfer.layouts.table import LAYOUTS
from bag_of_transfer.transfer.mismatch import BackboneMismatchError, compare, mend_for
from bag_of_transfer.transfer.network_shapes import shapes_of
from bag_of_transfer.transfer.norms import PLAIN, norm_words
from bag_of_transfer.transfer.tensor_file import read_tensors

__all__ = ["TARGETS", "convert_back"]

TARGETS = {layout.name: layout for layout in LAYOUTS if layout.target is not None}


def convert_back(src: str | Path, out: str | Path, to: str, *, force: bool = False) -> Converted:
    """Write a backbone file of ours under the names of another library.

    The new file holds neither a classifier nor the counters of batch norms, which strict loading
    adds.  The card beside it also has ``layout``.

    Args:
        src: A backbone file with its card.
        out: ``OUT.safetensors``; the card becomes ``OUT.json``.
        to: One of ``TARGETS``.
        force: Replace ``out`` if it exists.

    Raises:
        UserError: If ``src`` is not a backbone file, ``to`` none of ``TARGETS``, or the library has
            no such network.
        BackboneMismatchError: If the file's tensors do not fit the network of its card.
        RefusedError: If ``out`` or its card exists and ``force`` is not given.
    """
    out = Path(out)
    check_choice(to, TARGETS, "--to")
    check_target(out, force)
    card, file = read_card(src), read_tensors(src)
    if card.type == TIMM:
        raise UserError(
            f"a {card.title} has no other layout",
            src,
            "its names without 'network.' are those of timm",
        )
    if card.norm is not None:
        what = f"{to}'s {card.title} has other norms than {norm_words(card.norm)}"
        raise UserError(what, src, f"give a file whose norms are {norm_words(PLAIN)}")
    fields: dict[str, Any] = card.to_dict()
    ours = build_network(fields)
    comparison = compare(shapes_of(ours.state_dict()), shapes_of(file.tensors))
    if not comparison.fits:
        raise BackboneMismatchError(
            str(comparison), src, mend_for(shapes_of(ours.state_dict()), file)
        )
    layout = TARGETS[to]
    assert layout.target is not None
    tensors = layout.target.from_ours(file.tensors)
    again = layout.to_ours(tensors)
    assert all(again.get(name) is tensor for name, tensor in file.tensors.items())
    lines = [f"renamed: {len(tensors)} tensors to the layout of {to}"]
    theirs = layout.network_like(fields)
    if theirs is not None:
        theirs.load_state_dict(tensors)
        check_same_features(ours, theirs, layout.to_ours, src)
        lines.append(f"checked: {to}'s network loads them strictly, same features in 4 stages")
    elif layout.target.expresses(fields):
        lines.append(f"not checked by a forward pass: no implementation of {to} is installed")
    else:
        raise _inexpressible(layout.target, to, fields, src)
    lines += [f"load: {layout.target.how_to_load(fields)}", images_line(fields)]
    return Converted(write_with_card(out, tensors, fields, layout=to), lines)


def _inexpressible(
    target: Target, to: str, fields: Mapping[str, Any], src: str | Path
) -> UserError:
    network = f"{fields['type']}-{fields['depth']}"
    widths = ", ".join(f"{n} {fields[f'{n}_channels']}" for n in ("in", "stem", "base"))
    return UserError(
        f"{to} has no {network} ({widths}); {target.range}", src, "choose another --to"
    )
