"""Where this toolkit's own files lie; an installed package has no configs and no tools."""

from pathlib import Path

__all__ = ["CONFIGS", "ROOT"]

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs"
