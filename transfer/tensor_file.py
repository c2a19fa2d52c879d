"""Tensors by name out of a file of weights, whoever wrote it; no code is run."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from engine.checkpoints import load_checkpoint
from engine.errors import UserError

__all__ = ["TensorFile", "read_shapes", "read_tensors", "summarise"]

# Where checkpoints keep weights; the plain ones first, then averages (mmengine, timm).
CONTAINERS = ("state_dict", "model", "ema_state_dict", "state_dict_ema", "model_ema")


@dataclass(frozen=True)
class TensorFile:
    """What a file holds.

    Args:
        path: The file.
        tensors: By their names in the file.
        container: The key under which a checkpoint keeps them; empty if at the top.
    """

    path: Path
    tensors: dict[str, Tensor]
    container: str


def read_tensors(path: str | Path) -> TensorFile:
    """Read a ``.safetensors`` file, or the weights of a ``.pth`` checkpoint.

    Raises:
        UserError: If the file is missing or damaged, or holds no tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError("no such file of weights", path, "check the path")
    if path.suffix != ".safetensors":
        _refuse_card(path)
        return _read_checkpoint(path)
    with _in_our_words(path):
        return TensorFile(path, safetensors.torch.load(path.read_bytes()), "")


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Read names and shapes out of the head of a ``.safetensors`` file, not its tensors.

    Raises:
        UserError: If the file is damaged.
    """
    with _in_our_words(path), safe_open(path, framework="pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}


@contextmanager
def _in_our_words(path: Path) -> Iterator[None]:
    try:
        yield
    except SafetensorError as error:
        told = str(error).replace(":", "")  # a colon separates the parts of an error's line
        raise UserError(
            f"damaged, truncated or no safetensors file ({told})", path, "copy or export it again"
        ) from error


def _refuse_card(path: Path) -> None:
    file = path.with_suffix(".safetensors")
    if path.suffix == ".json" and file.is_file():
        raise UserError("the card, not the backbone file", path, f"give {file}")


def _read_checkpoint(path: Path) -> TensorFile:
    checkpoint = load_checkpoint(path)
    for container in (*CONTAINERS, ""):
        found = checkpoint.get(container) if container else checkpoint
        if isinstance(found, dict):
            tensors = {name: value for name, value in found.items() if isinstance(value, Tensor)}
            if tensors:
                return TensorFile(path, tensors, container)
    raise UserError("no tensors in the file", path, "give a file of weights")


def summarise(file: TensorFile) -> list[str]:
    """Make a table: how many tensors and values each part has, and how large they are."""
    parts: dict[str, list[Tensor]] = {}
    for name in sorted(file.tensors, key=lambda name: (name.startswith("layer"), name)):
        parts.setdefault(_part_of(name), []).append(file.tensors[name])
    lines = [f"{'part':>14}  {'tensors':>7}  {'values':>11}  {'largest':>9}"]
    for part, tensors in parts.items():
        values = sum(tensor.numel() for tensor in tensors)
        largest = max(float(tensor.abs().max()) for tensor in tensors)
        lines.append(f"{part:>14}  {len(tensors):>7}  {values:>11,}  {largest:>9.4g}")
    total = sum(tensor.numel() for tensor in file.tensors.values())
    return [*lines, f"{'all':>14}  {len(file.tensors):>7}  {total:>11,}"]


def _part_of(name: str) -> str:
    first, *rest = name.split(".")
    if first != "network":
        return first
    return ".".join(rest[:2] if rest[1].isdecimal() else rest[:1])  # blocks.0, Mixed_5b
