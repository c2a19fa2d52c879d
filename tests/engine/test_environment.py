"""Which sets of packages are refused, and with which words."""

import importlib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from bag_of_transfer.engine.environment import check_environment, refuse_upstream_beside_forks
from bag_of_transfer.engine.errors import UserError


def install(site: Path, *names: str) -> None:
    """Leave what pip leaves of a package for importlib.metadata to find."""
    for name in names:
        folder = site / f"{name.replace('-', '_')}-2.1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.1.0\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Pretend that nothing but ``names`` is installed."""

    def version(name: str) -> str:
        if name not in names:
            raise metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(metadata, "version", version)


def test_this_environment_is_fine() -> None:
    check_environment()


@pytest.mark.parametrize(
    "upstream",
    ["mmcv", "mmcv-full", "mmcv-lite", "mmdet", "mmsegmentation", "mmengine", "mmengine-lite"],
)
def test_upstream_beside_the_forks_is_refused(site: Path, upstream: str) -> None:
    install(site, upstream)
    message = rf"beside their forks: {upstream}: .*: pip uninstall -y {upstream} onedl-mmengine"
    with pytest.raises(UserError, match=message):
        check_environment()


def test_all_upstream_packages_are_named_at_once(site: Path) -> None:
    install(site, "mmcv", "mmdet")
    with pytest.raises(UserError, match="forks: mmcv mmdet: "):
        refuse_upstream_beside_forks()


def test_upstream_alone_is_not_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "mmcv", "mmdet")
    refuse_upstream_beside_forks()


def test_missing_forks_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "onedl-mmengine", "onedl-mmcv")
    with pytest.raises(UserError, match="missing: onedl-mmdetection onedl-mmsegmentation"):
        check_environment()


def _import_without_cv2(name: str, real: Callable[[str], Any] = importlib.import_module) -> Any:
    if name == "cv2":
        raise ImportError("libGL.so.1: cannot open shared object file")
    return real(name)


def test_a_cv2_that_cannot_be_imported_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib, "import_module", _import_without_cv2)
    with pytest.raises(UserError, match=r"libGL\.so\.1.*pip install opencv-python-headless"):
        check_environment()
