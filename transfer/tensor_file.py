"""Tensors by name out of a file of weights, whoever wrote it; no code is run."""

from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from engine.checkpoints import load_checkpoint
from engine.errors import UserError

__all__ = ["TensorFile", "read_tensors"]

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
        return _read_checkpoint(path)
    try:
        return TensorFile(path, safetensors.torch.load(path.read_bytes()), "")
    except SafetensorError as error:
        raise UserError(
            f"damaged, truncated or no safetensors file ({error})", path, "copy or export it again"
        ) from error


def _read_checkpoint(path: Path) -> TensorFile:
    checkpoint = load_checkpoint(path)
    for container in (*CONTAINERS, ""):
        found = checkpoint.get(container) if container else checkpoint
        if isinstance(found, dict):
            tensors = {name: value for name, value in found.items() if isinstance(value, Tensor)}
            if tensors:
                return TensorFile(path, tensors, container)
    raise UserError("no tensors in the file", path, "give a file of weights")
