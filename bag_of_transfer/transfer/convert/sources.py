"""Open weights to convert: a file of a known format, or a model by its name.

Files are read as weights only; no code in them is run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.file_hash import sha256_of
from bag_of_transfer.transfer.backbone_card import card_path, read_card
from bag_of_transfer.transfer.convert.model_zoos import fetch
from bag_of_transfer.transfer.layouts.layout import Layout
from bag_of_transfer.transfer.tensor_file import read_tensors

__all__ = ["Source", "choose_prefix", "open_source"]

# Fields that are copied from a card beside the source.
KEPT = "type norm mean std channel_order tricks dataset metrics seed epochs source".split()


@dataclass(frozen=True)
class Source:
    """Tensors to convert, and the facts about them.

    Args:
        where: The file or the model's name.
        tensors: The tensors, by their names in the source.
        layout: Layout of a model's library; None for a file, whose names must show it.
        fields: Fields of the card that the source gives.
        author: The author of the weights, if the file names one.
        network: The library's network with these weights, if a library built it.
        line: A line to print: which dict of the file was read and what was not.
    """

    where: str
    tensors: Mapping[str, Tensor]
    layout: Layout | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    author: str = ""
    network: nn.Module | None = None
    line: str = ""

    def lines(self, prefix: str) -> list[str]:
        """Return lines to print: which weights were read, and the prefix of their names."""
        begin = [f"prefix: the names begin with '{prefix}'"] if prefix else []
        return [self.line, *begin] if self.line else begin


def choose_prefix(prefixes: Sequence[str], stated: str | None, where: object) -> str:
    """Return the prefix of the names of one network in a file that may hold several.

    Args:
        prefixes: The prefix of each network.
        stated: The user's choice, a whole prefix or its beginning; None if the user made none.
        where: The file, for errors.

    Raises:
        UserError: If there are several prefixes and ``stated`` is None, or ``stated`` fits none or
            several of them.
    """
    shown = ", ".join(map(repr, prefixes)) or "none"
    if stated is None:
        if len(prefixes) > 1:
            what = f"the file holds {len(prefixes)} networks, whose names begin with {shown}"
            mend = "choose one by tools/convert_weights.py --prefix PREFIX"
            raise UserError(what, where, mend)
        return next(iter(prefixes), "")
    begin = f"{stated.rstrip('.')}." if stated else ""
    fitting = [prefix for prefix in prefixes if prefix == begin] or [
        prefix for prefix in prefixes if begin and prefix.startswith(begin)
    ]
    if len(fitting) != 1:
        what = f"the file holds {len(fitting)} networks whose names begin with {stated!r}"
        raise UserError(what, where, f"give --prefix one of {shown}")
    return fitting[0]


def open_source(src: str, layout: Layout | None, key: str | None = None) -> Source:
    """Read a file, or let timm or torchvision fetch a model by its name.

    Args:
        src: A ``.pth``, ``.safetensors``, ``.params`` or ``.pkl`` file, or a model's name.
        layout: The user's choice; it decides if several libraries have a model of this name.
        key: Dotted key of the weights in a checkpoint, see :func:`read_tensors`.

    Raises:
        UserError: If the file is missing, damaged, not a file of weights, or would run code when
            read; if the name is unknown or its weights cannot be fetched.
    """
    path = Path(src).expanduser()
    if path.is_file():
        return _from_file(path, key)
    if path.is_dir():
        read_tensors(path)  # raises an error that says what the folder is
    if key is not None:
        raise UserError("a model's name needs no key", f"--key {key}", "leave --key out")
    if path.name != src or path.suffix in (".pth", ".pt", ".pkl", ".params"):
        raise UserError("no such file of weights", src, "check the path")
    if path.suffix == ".safetensors":
        read_tensors(path)  # raises an error that says that the file is missing
    model = fetch(src, layout)
    return Source(
        src, model.network.state_dict(), model.layout, model.fields, network=model.network
    )


def _from_file(path: Path, key: str | None) -> Source:
    file = read_tensors(path, key, finite=False)
    # A card holds printable text only; a file's name may hold no-break spaces, for instance.
    name = "".join(letter if letter.isprintable() else "?" for letter in path.name)
    fields: dict[str, Any] = {"source": f"{name} sha256 {sha256_of(path)}"}
    meta = file.contents.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    if "model_json" in meta:
        raise UserError(
            "this is a checkpoint of ours, whose description a conversion would lose",
            path,
            "export it: python tools/export_backbone.py CKPT OUT.safetensors",
        )
    if path.suffix == ".safetensors" and card_path(path).is_file():
        card = read_card(path)
        fields = {name: getattr(card, name) for name in KEPT}
    elif isinstance(meta.get("epoch"), int):
        fields["epochs"] = meta["epoch"]
    author = str(file.contents.get("__author__", ""))
    return Source(str(path), file.tensors, fields=fields, author=author, line=file.line)
