"""Where this toolkit's own files lie; an installed package has no configs and no tools."""

from pathlib import Path

__all__ = ["CONFIGS", "ROOT", "is_ours"]

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs"
PACKAGES = ("backbones", "bag_of_transfer")


def is_ours(module: str) -> bool:
    """Return whether a module is of this toolkit, by its dotted name."""
    return module.partition(".")[0] in PACKAGES
