"""Find configs that came with the installed OpenMMLab packages, and tell them from users' own."""

import functools
from collections.abc import Iterator
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path

from bag_of_transfer.engine.tasks import ROOT_SCOPE, all_tasks

__all__ = ["config_path", "is_stock", "nearest_stock_config"]

PACKAGES = (*(task.scope for task in all_tasks() if task.scope != ROOT_SCOPE), "mmpretrain")
SEPARATOR = "::"  # mmengine's, as in _base_ = "mmdet::atss/atss_r50_fpn_1x_coco.py"


def config_path(text: str) -> Path:
    """Return the config file that an argument of the command line names.

    Args:
        text: A path, or ``PACKAGE::PATH`` of a config that is installed with that package.

    Returns:
        The file, which may be missing; ``text`` as a path if the package is missing.
    """
    package, separator, name = text.partition(SEPARATOR)
    folder = _folder(package) if separator else None
    return folder / name if folder else Path(text)


def is_stock(path: Path) -> bool:
    """Return whether a config came with an installed package; no user chose its values."""
    parents = path.resolve().parents
    return any(folder in parents for folder in _resolved_folders())


def nearest_stock_config(path: Path) -> str | None:
    """Return ``PACKAGE::PATH`` of the stock config whose name is nearest to a missing one."""
    folder = next((parent for parent in _folders() if path.is_relative_to(parent)), None)
    if folder is None:
        return None
    package, name = folder.parents[1].name, path.relative_to(folder).as_posix()
    names = [config.relative_to(folder).as_posix() for config in folder.rglob("*.py")]
    nearest = get_close_matches(name, names, n=1)
    return f"{package}{SEPARATOR}{nearest[0]}" if nearest else None


@functools.cache  # asked of each file of a config several times
def _resolved_folders() -> list[Path]:
    return [folder.resolve() for folder in _folders()]


def _folders() -> Iterator[Path]:
    yield from filter(None, map(_folder, PACKAGES))


def _folder(package: str) -> Path | None:
    """Return where a package keeps its configs, without importing it."""
    spec = find_spec(package) if package in PACKAGES else None
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / ".mim" / "configs"
    return folder if folder.is_dir() else None
