"""What a newcomer installs: declared, pinned, without libGL, and no folder too many."""

import ast
import os
import re
import stat
import struct
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]


def applies(requirement: Requirement, python: str) -> bool:
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    return requirement.marker is None or requirement.marker.evaluate(environment)


def declared(python: str) -> list[Requirement]:
    """All extras' requirements, our own name (an extra of another extra) left out."""
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    lines = [line for group in groups for line in group]
    found = [Requirement(line) for line in lines]
    return [r for r in found if r.name != PROJECT["name"] and applies(r, python)]


def pins(python: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        requirement = Requirement(line)
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", line
        if applies(requirement, python):
            assert canonicalize_name(requirement.name) not in found, f"pinned twice: {line}"
            found[canonicalize_name(requirement.name)] = specifier.version
    return found


@pytest.mark.parametrize("python", PYTHONS)
def test_every_declared_dependency_is_pinned_within_its_bound(python: str) -> None:
    pinned, requirements = pins(python), declared(python)
    assert len(requirements) > 20
    for requirement in requirements:
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} is pinned to {version}"


def test_pins_differ_where_python_3_10_is_too_old_for_the_newest() -> None:
    old, new = pins("3.10"), pins("3.12")
    assert old["torch"] == new["torch"] == "2.14.1"  # no local build such as +cpu
    assert old["scipy"] != new["scipy"]
    assert "tomli" in old


# Import names that differ from the name on the index; what a test may do without.
DISTRIBUTION = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "mmcv": "onedl-mmcv",
    "mmdet": "onedl-mmdetection",
    "mmengine": "onedl-mmengine",
    "mmseg": "onedl-mmsegmentation",
    "yaml": "pyyaml",
    "tomllib": "tomli",  # what stands for it on Python 3.10
}
OPTIONAL = {"efficientnet-lite-pytorch"}
OF_MMENGINE = {"yapf"}  # which needs it; tests keep it from working


def imported_distributions(*folders: str) -> set[str]:
    own = {path.parent.name for path in ROOT.glob("*/__init__.py")} | {"tests", "tools"}
    own |= {path.stem for path in ROOT.glob("benchmarks/*.py")}
    names: set[str] = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add(node.module or "")
    top = {name.partition(".")[0] for name in names} - own - sys.stdlib_module_names
    return {canonicalize_name(DISTRIBUTION.get(name, name)) for name in top}


def test_what_the_packages_import_is_declared_and_the_other_way_round() -> None:
    required = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    used = imported_distributions(*(path.parent.name for path in ROOT.glob("*/__init__.py")))
    used |= imported_distributions("tools", "configs")
    extras = {canonicalize_name(r.name) for r in declared("3.10")}
    asked_for_where_needed = {"onnx", "onnxruntime", "ray", "timm"}  # extras
    assert used <= required | asked_for_where_needed
    assert required <= used
    assert imported_distributions("tests") - OPTIONAL - OF_MMENGINE <= extras


@pytest.mark.parametrize("python", ["3.9.20", "3.14.0"])
def test_other_pythons_are_refused(python: str) -> None:
    assert not Requirement(f"python{PROJECT['requires-python']}").specifier.contains(python)


def test_every_bound_has_its_reason_beside_it() -> None:
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    block = lines[lines.index("dependencies = [") : lines.index("[tool.setuptools.packages.find]")]
    bounds = [i for i, line in enumerate(block) if re.search(r'^\s*"[a-z0-9-]+[<>=]', line)]
    assert len(bounds) >= 8
    for i in bounds:
        earlier = next(line for line in block[i - 1 :: -1] if not re.search(r'^\s*"onedl', line))
        assert "#" in block[i] or earlier.strip().startswith("#"), block[i]


def elf_needed(path: Path) -> list[str]:
    """Names of the shared objects that a 64-bit little-endian ELF file asks for."""
    data = path.read_bytes()
    assert data[:6] == b"\x7fELF\x02\x01", path
    sections_at, entry_size, count = (
        *struct.unpack_from("<Q", data, 40),
        *struct.unpack_from("<HH", data, 58),
    )
    sections = [
        struct.unpack_from("<IIQQQQIIQQ", data, sections_at + i * entry_size) for i in range(count)
    ]
    needed = []
    for _, kind, _, _, offset, size, link, *_ in sections:
        if kind != 6:  # SHT_DYNAMIC
            continue
        names_at = sections[link][4]
        for tag, value in struct.iter_unpack("<qQ", data[offset : offset + size]):
            if tag == 1:  # DT_NEEDED
                end = data.index(b"\0", names_at + value)
                needed.append(data[names_at + value : end].decode())
    return needed


def test_cv2_links_no_libgl() -> None:
    cv2 = pytest.importorskip("cv2")
    folder = Path(cv2.__file__).parent
    objects = sorted(folder.glob("*.so")) + sorted(folder.parent.glob("opencv_python*.libs/*.so*"))
    assert objects
    needed = {name for path in objects for name in elf_needed(path)}
    assert "libc.so.6" in needed  # the reader reads
    assert not [name for name in needed if re.match(r"libGL|libX|libxcb|libQt", name)]


def test_opencv_headless_is_the_only_cv2() -> None:
    installed = {canonicalize_name(d.metadata["Name"]) for d in metadata.distributions()}
    assert {n for n in installed if n.startswith("opencv")} == {"opencv-python-headless"}


def fake_python(folder: Path, version: str, ensurepip: bool) -> Path:
    """A stand-in for a Python of another version, or for Debian's without python3-venv."""
    path = folder / "python3"
    has_ensurepip = "exit 0" if ensurepip else "exit 1"
    path.write_text(
        f'#!/bin/sh\ncase "$2" in\n*ensurepip*) {has_ensurepip} ;;\n*) echo {version} ;;\nesac\n'
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize(
    ("version", "ensurepip", "mend"),
    [
        ("3.11.2", False, "apt-get install python3-venv"),
        ("3.9.2", True, "make setup PYTHON=/path/to/another/python3"),
        ("3.14.0", True, "make setup PYTHON=/path/to/another/python3"),
    ],
)
def test_set_up_names_the_line_that_mends_the_python(
    tmp_path: Path, version: str, ensurepip: bool, mend: str
) -> None:
    (tmp_path / "tools").mkdir()
    script = tmp_path / "tools" / "make_venv.sh"
    script.write_text((ROOT / "tools" / "make_venv.sh").read_text())
    python = fake_python(tmp_path, version, ensurepip)
    done = subprocess.run(
        ["sh", str(script)],
        env={**os.environ, "PYTHON": str(python)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    first, *rest = done.stderr.splitlines()
    assert first.startswith("error: ")
    assert first.endswith(f": {python}: {mend}")
    assert not rest
    assert not (tmp_path / ".venv").exists()


def test_make_lists_its_targets() -> None:
    done = subprocess.run(["make", "-C", str(ROOT), "help"], capture_output=True, text=True)
    targets = re.findall(r"^  ([a-z-]+)\t\S", done.stdout, flags=re.MULTILINE)
    wanted = "help setup demo test check check-report chaos soak bench clean".split()
    assert targets == wanted


def test_the_licence_is_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert PROJECT["license"] == "Apache-2.0"
