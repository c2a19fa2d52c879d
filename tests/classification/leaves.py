"""The configs of classification, each read once per process."""

import copy
from functools import cache
from pathlib import Path

from mmengine.config import Config

CONFIGS = Path(__file__).parents[2] / "configs/classification"


def read_leaf(stem: str) -> Config:
    """Return the config of this name; the caller may change it."""
    return copy.deepcopy(_read(stem))


@cache
def _read(stem: str) -> Config:
    return Config.fromfile(CONFIGS / f"{stem}.py")
