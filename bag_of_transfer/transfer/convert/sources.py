"""Where weights to convert come from: a file of any of the known formats, or a model's name.

Files are read as weights only; none runs code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.records import sha256_of
from bag_of_transfer.transfer.backbone_card import card_path, read_card
from bag_of_transfer.transfer.convert.model_zoos import fetch
from bag_of_transfer.transfer.layouts.layout import Layout
from bag_of_transfer.transfer.tensor_file import read_tensors

__all__ = ["Source", "choose_prefix", "open_source"]

# Of the card; what a card beside the source says is kept.
KEPT = "type mean std channel_order tricks dataset metrics seed epochs source".split()


@dataclass(frozen=True)
class Source:
    """Tensors to convert and what is known of them.

    Args:
        where: File or model name.
        tensors: By the source's names.
        layout: Of a model's library; None if the names must tell.
        fields: Of the card, as far as the source states them.
        author: Who trained the network, if the file says so.
        network: The source's implementation with its weights, where it is installed.
        line: Says where in the file the tensors lay and what was not read.
    """

    where: str
    tensors: Mapping[str, Tensor]
    layout: Layout | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    author: str = ""
    network: nn.Module | None = None
    line: str = ""

    def lines(self, prefix: str) -> list[str]:
        """Say where the weights lay, and what their names begin with."""
        begin = [f"prefix: the names begin with '{prefix}'"] if prefix else []
        return [self.line, *begin] if self.line else begin


def choose_prefix(found: Sequence[str], stated: str | None, where: object) -> str:
    """Choose one of several networks in a file by what its names begin with.

    Args:
        found: The prefixes, one for each network.
        stated: The user's choice, a whole prefix or its begin; None if there is none.
        where: The file, for messages.

    Raises:
        UserError: If there are several and none is stated, or ``stated`` is not one of them.
    """
    shown = ", ".join(repr(one) for one in found) or "none"
    if stated is None:
        if len(found) > 1:
            mend = "choose one, tools/convert_weights.py --prefix PREFIX"
            raise UserError(f"{len(found)} networks, whose names begin with {shown}", where, mend)
        return next(iter(found), "")
    begin = f"{stated.rstrip('.')}." if stated else ""
    fitting = [one for one in found if one == begin] or [
        one for one in found if begin and one.startswith(begin)
    ]
    if len(fitting) != 1:
        told = f"{len(fitting)} networks whose names begin with {stated!r}"
        raise UserError(told, where, f"--prefix takes one of {shown}")
    return fitting[0]


def open_source(src: str, layout: Layout | None, key: str | None = None) -> Source:
    """Read a file, or let timm or torchvision fetch a model by its name.

    Args:
        src: A ``.pth``, ``.safetensors``, ``.params`` or ``.pkl`` file, or a name.
        layout: As the user states it; it chooses between libraries that know a model's name.
        key: Where the weights lie in a checkpoint, see :func:`read_tensors`.

    Raises:
        UserError: If the file is missing, damaged, no file of weights, or would run code when
            read; if the name is unknown or its weights cannot be had.
    """
    path = Path(src).expanduser()
    if path.is_file():
        return _from_file(path, key)
    if path.is_dir():
        read_tensors(path)  # says what the folder is
    if key is not None:
        raise UserError("a model by name has no keys", f"--key {key}", "leave --key out")
    if path.name != src or path.suffix in (".pth", ".pt", ".pkl", ".params"):
        raise UserError("no such file of weights", src, "check the path")
    if path.suffix == ".safetensors":
        read_tensors(path)  # says that it is missing
    found = fetch(src, layout)
    return Source(
        src, found.network.state_dict(), found.layout, found.fields, network=found.network
    )


def _from_file(path: Path, key: str | None) -> Source:
    file = read_tensors(path, key)
    # a card holds printable text; names of files may hold no-break spaces and worse
    name = "".join(letter if letter.isprintable() else "?" for letter in path.name)
    fields: dict[str, Any] = {"source": f"{name} sha256 {sha256_of(path)}"}
    meta = file.contents.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    if "model_json" in meta:
        raise UserError(
            "a checkpoint of ours, which says how its images are normalised",
            path,
            "keep that: python tools/export_backbone.py CKPT OUT.safetensors",
        )
    if path.suffix == ".safetensors" and card_path(path).is_file():
        card = read_card(path)
        fields = {name: getattr(card, name) for name in KEPT}
    elif isinstance(meta.get("epoch"), int):
        fields["epochs"] = meta["epoch"]
    author = str(file.contents.get("__author__", ""))
    return Source(str(path), file.tensors, fields=fields, author=author, line=file.line)
