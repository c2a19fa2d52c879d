"""Read tensors by name from a file of weights of any library; no code in it is run.

The format is recognised by the contents, not by the suffix.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from bag_of_transfer.engine.arguments import check_weights
from bag_of_transfer.engine.errors import UserError, without_colons
from bag_of_transfer.engine.run_files import follow_pointer
from bag_of_transfer.engine.weights.checkpoints import load_from_local_weights_only
from bag_of_transfer.engine.weights.finite import refuse_non_finite
from bag_of_transfer.engine.weights.pickle_outline import TORCH_LEGACY
from bag_of_transfer.engine.weights.weight_containers import find_weights
from bag_of_transfer.engine.weights.weight_files import is_safetensors, kind_of, refuse_shard
from bag_of_transfer.transfer.layouts.recognise import recognise
from bag_of_transfer.transfer.mxnet_params import LIST_MAGIC, read_params
from bag_of_transfer.transfer.numpy_pickle import read_numpy_pickle

__all__ = ["TensorFile", "read_shapes", "read_tensors", "summarise"]

ZIP = b"PK"  # torch.save's files since 1.6
AGAIN = "copy or export it again"


@dataclass(frozen=True)
class TensorFile:
    """The contents of a file.

    Args:
        path: The file.
        tensors: The tensors, by their names in the file.
        container: The dotted key of the dict that holds them in a checkpoint; empty for the top.
        line: A line to print: which dict was read and what was not; empty if the file holds
            nothing else.
        contents: Everything in a checkpoint.
    """

    path: Path
    tensors: dict[str, Tensor]
    container: str
    line: str = ""
    contents: Mapping[str, Any] = field(default_factory=dict)


def read_tensors(path: str | Path, key: str | None = None, *, finite: bool = True) -> TensorFile:
    """Read the weights in a file of torch, safetensors, MXNet, or a pickle of arrays.

    Args:
        path: The file.
        key: Dotted key of the dict of weights, ``"."`` for the top; None to find the only one.
        finite: Refuse NaN and infinity; False where only a part is used, which is checked then.

    Raises:
        UserError: If the file is missing, damaged, one part of several, of another kind, or would
            run code when read; if it holds no weights, or several dicts of weights and ``key`` is
            None; if a tensor holds NaN or infinity.
    """
    path = follow_pointer(path)
    check_weights(path)
    _refuse_card(path)
    contents = _read(path, b"" if path.is_dir() else _begin(path))
    weights = find_weights(contents, path, key, holds_resnet)
    if finite:
        refuse_non_finite(weights.tensors, path)
    line = str(weights) if weights.container or weights.unread else ""
    return TensorFile(path, weights.tensors, weights.container, line, contents)


def _read(path: Path, begin: bytes) -> Mapping[str, Any]:
    refuse_shard(path)
    if begin.startswith(LIST_MAGIC) or path.suffix == ".params":
        return read_params(path)
    # Safetensors come next: they begin with a length, whose bytes may look like another format.
    if begin and is_safetensors(path):
        with _errors_of_safetensors(path):
            return safetensors.torch.load(path.read_bytes())
    is_torch = begin == TORCH_LEGACY or begin.startswith(ZIP)
    if is_torch and path.suffix == ".safetensors":  # the loader below chooses by the suffix
        what = "the file is a checkpoint of torch.save, but its name ends in .safetensors"
        raise UserError(what, path, "rename it to .pth")
    if not is_torch and (begin.startswith(b"\x80") or path.suffix == ".pkl"):
        return read_numpy_pickle(path)
    if path.suffix == ".safetensors" and not is_torch and kind_of(path) is None:
        raise UserError("damaged, truncated or not a safetensors file", path, AGAIN)
    return load_from_local_weights_only(str(path), "cpu")


def holds_resnet(tensors: Mapping[str, Tensor]) -> bool:
    """Return whether the names are those of a network that holds a ResNet."""
    return recognise(tensors) is not None


def _begin(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(TORCH_LEGACY))


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Read names and shapes from the header of a ``.safetensors`` file, without its tensors.

    Raises:
        UserError: If the file is damaged.
    """
    with _errors_of_safetensors(path), safe_open(path, framework="pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}


@contextmanager
def _errors_of_safetensors(path: Path) -> Iterator[None]:
    """Raise errors of the library as errors of the user's file."""
    try:
        yield
    except SafetensorError as error:
        what = f"damaged, truncated or not a safetensors file ({without_colons(error)})"
        raise UserError(what, path, AGAIN) from error


def _refuse_card(path: Path) -> None:
    if path.suffix == ".json" and (file := path.with_suffix(".safetensors")).is_file():
        raise UserError("this is the card, not the backbone file", path, f"give {file}")


def summarise(file: TensorFile) -> list[str]:
    """Return the lines of a table: number of tensors and values of each part, largest value."""
    parts: dict[str, list[Tensor]] = {}
    for name in sorted(file.tensors, key=lambda name: (name.startswith("layer"), name)):
        parts.setdefault(_part_of(name), []).append(file.tensors[name])
    lines = [f"{'part':>14}  {'tensors':>7}  {'values':>11}  {'largest':>9}"]
    for part, tensors in parts.items():
        values = sum(tensor.numel() for tensor in tensors)
        filled = [tensor.double().abs() for tensor in tensors if tensor.numel()]
        largest = max((float(tensor.max()) for tensor in filled), default=0.0)
        lines.append(f"{part:>14}  {len(tensors):>7}  {values:>11,}  {largest:>9.4g}")
    total = sum(tensor.numel() for tensor in file.tensors.values())
    return [*lines, f"{'all':>14}  {len(file.tensors):>7}  {total:>11,}"]


def _part_of(name: str) -> str:
    first, *rest = name.split(".")
    if first != "network":
        return first
    return ".".join(rest[:2] if rest[1].isdecimal() else rest[:1])  # blocks.0, Mixed_5b
