"""Where weights to convert come from: a file of any of the known formats, or a model's name.

Files are read as weights only; none runs code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from engine.checkpoints import load_from_local_weights_only
from engine.errors import UserError
from engine.records import sha256_of
from transfer.backbone_card import card_path, read_card
from transfer.libraries import fetch
from transfer.mxnet_params import LIST_MAGIC, read_params
from transfer.numpy_pickle import read_numpy_pickle
from transfer.tensor_file import CONTAINERS, read_tensors

__all__ = ["Source", "open_source"]

ZIP = b"PK"  # torch.save's files since 1.6
# Of the card; what a card beside the source says is kept.
KEPT = "type mean std channel_order tricks dataset metrics seed epochs source".split()


@dataclass(frozen=True)
class Source:
    """Tensors to convert and what is known of them.

    Args:
        where: File or model name.
        tensors: By the source's names.
        layout: Of a model's library; empty if the names must tell.
        fields: Of the card, as far as the source states them.
        network: The source's implementation with its weights, where it is installed.
    """

    where: str
    tensors: Mapping[str, Tensor]
    layout: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    network: nn.Module | None = None


def open_source(src: str, layout: str) -> Source:
    """Read a file, or let timm or torchvision fetch a model by its name.

    Args:
        src: A ``.pth``, ``.safetensors``, ``.params`` or ``.pkl`` file, or a name.
        layout: As the user states it; it chooses between timm and torchvision.

    Raises:
        UserError: If the file is missing, damaged, no file of weights, or would run code when
            read; if the name is unknown or its weights cannot be had.
    """
    path = Path(src).expanduser()
    if path.is_file():
        return _from_file(path)
    if path.is_dir() or path.name != src or path.suffix in (".pth", ".pt", ".pkl", ".params"):
        raise UserError("no such file of weights", src, "check the path")
    if path.suffix == ".safetensors":
        read_tensors(path)  # says that it is missing
    found = fetch(src, layout)
    return Source(src, found.network.state_dict(), found.layout, found.fields, found.network)


def _from_file(path: Path) -> Source:
    with path.open("rb") as file:
        begin = file.read(8)
    fields: dict[str, Any] = {"source": f"{path.name} sha256 {sha256_of(path)}"}
    tensors: Mapping[str, Tensor]
    if begin == LIST_MAGIC or path.suffix == ".params":
        tensors = read_params(path)
    elif path.suffix == ".pkl" and not begin.startswith(ZIP):
        tensors = read_numpy_pickle(path)
        fields["author"] = tensors.author
    elif path.suffix == ".safetensors":
        tensors = read_tensors(path).tensors
        if card_path(path).is_file():
            card = read_card(path)
            fields = {name: getattr(card, name) for name in KEPT}
    else:
        tensors, meta = _read_checkpoint(path)
        if isinstance(meta.get("epoch"), int):
            fields["epochs"] = meta["epoch"]
    return Source(str(path), tensors, fields=fields)


def _read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    # The public files of OpenMMLab carry their config as text, which load_checkpoint refuses;
    # here nothing resumes and nothing executes it.
    checkpoint = load_from_local_weights_only(str(path), "cpu")
    meta = checkpoint.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    if "model_json" in meta:
        raise UserError(
            "a checkpoint of ours, which says how its images are normalised",
            path,
            "keep that: python tools/export_backbone.py CKPT OUT.safetensors",
        )
    for container in (*CONTAINERS, ""):
        found = checkpoint.get(container) if container else checkpoint
        if isinstance(found, dict):
            tensors = {name: value for name, value in found.items() if isinstance(value, Tensor)}
            if tensors:
                return tensors, meta
    raise UserError("no tensors in the file", path, "give a file of weights")
