"""Check once, before anything heavy, that the installed packages can work together.

OpenMMLab's packages stopped at torch 2.1; this toolkit runs on VBTI's forks, whose packages
have the prefix ``onedl-`` and which install into the same folders (``mmcv/``, ``mmdet/``, ...).
With both installed, files of one lie among files of the other.
"""

import importlib
from collections.abc import Sequence
from importlib import metadata

from bag_of_transfer.engine.errors import UserError

__all__ = ["UPSTREAM", "check_environment", "check_packages", "refuse_upstream_beside_forks"]

# The forks, and the packages that write into their folders; names as on PyPI.
UPSTREAM = {
    "onedl-mmengine": ("mmengine", "mmengine-lite"),
    "onedl-mmcv": ("mmcv", "mmcv-full", "mmcv-lite"),
    "onedl-mmdetection": ("mmdet",),
    "onedl-mmsegmentation": ("mmsegmentation",),
}


def check_environment() -> None:
    """Check that all forks and cv2 are installed, without upstream packages beside the forks.

    Raises:
        UserError: If not; it names the commands that mend it.
    """
    refuse_upstream_beside_forks()
    missing = [name for name in UPSTREAM if not _is_installed(name)]
    if missing:
        raise UserError(
            f"packages are missing: {' '.join(missing)}",
            "this Python environment",
            f"make setup, or pip install {' '.join(missing)}",
        )
    _check_cv2()


def check_packages(names: Sequence[str], wanted_by: str) -> None:
    """Check that optional packages are installed, without importing them.

    Args:
        names: Names as on PyPI.
        wanted_by: What needs them, for the error.

    Raises:
        UserError: If one is missing; it names the command that mends it.
    """
    missing = " ".join(name for name in names if not _is_installed(name))
    if missing:
        what = f"packages are missing that {wanted_by} needs ({missing})"
        raise UserError(what, "this Python environment", f"pip install {missing}")


def refuse_upstream_beside_forks() -> None:
    """Check that no fork is installed together with an upstream package.

    Raises:
        UserError: If one is; it names the command that leaves only the forks.
    """
    forks = [name for name in UPSTREAM if _is_installed(name)]
    upstream = [name for names in UPSTREAM.values() for name in names if _is_installed(name)]
    if forks and upstream:
        both = " ".join(upstream)
        raise UserError(
            f"upstream packages are installed beside their forks: {both}",
            f"{' '.join(forks)} install into the same folders",
            # Uninstalling one removes files of the other: both go, then the forks come back.
            f"pip uninstall -y {both} {' '.join(forks)} && pip install {' '.join(UPSTREAM)}",
        )


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def _check_cv2() -> None:
    try:
        importlib.import_module("cv2")
    except ImportError as error:
        # opencv-python links libGL, which servers lack; the headless build does not.
        raise UserError(
            f"cv2 cannot be imported ({error})",
            "OpenCV in this Python environment",
            "pip uninstall -y opencv-python opencv-python-headless; "
            "pip install opencv-python-headless",
        ) from error
