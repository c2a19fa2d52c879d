"""What a training has left in its work dir."""

import json
from pathlib import Path
from typing import Any

import torch


def curve(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of ``curve.jsonl``."""
    return [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]


def losses(folder: Path) -> list[float]:
    """Return the loss of every epoch."""
    return [line["loss"] for line in curve(folder)]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of the last checkpoint."""
    path = Path((folder / "last_checkpoint").read_text())
    return torch.load(path, weights_only=True)["state_dict"]
