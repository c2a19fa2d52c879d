"""Every benchmark says with ``--help`` what it does, and measures nothing then."""

import contextlib
import multiprocessing
import runpy
from pathlib import Path

import cv2
import pytest

import gpu  # noqa: F401  imports for all forks what most scripts need

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
SCRIPTS = sorted(path for path in FOLDER.glob("*.py") if "__main__" in path.read_text())


def call(script: Path, words: list[str], said: Path) -> int:
    """Run a script in a fork; return its exit code.

    OpenCV's threads are ended before: a fork that chooses one thread waits for them forever.
    """
    cv2.setNumThreads(1)

    def run() -> None:
        patch = pytest.MonkeyPatch()
        patch.setattr("sys.argv", [str(script), *words])
        with said.open("w") as file:
            with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
                runpy.run_path(str(script), run_name="__main__")

    fork = multiprocessing.get_context("fork").Process(target=run)
    fork.start()
    fork.join()
    return fork.exitcode


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_help_is_printed(script, tmp_path):
    said = tmp_path / "said"
    assert call(script, ["--help"], said) == 0
    assert f"usage: {script.name}" in said.read_text()


@pytest.mark.parametrize(
    ("name", "flags"), [("image_readers", []), ("content_checks", []), ("input_path", ["--folder"])]
)
@pytest.mark.parametrize("folder", ["empty", "missing"])
def test_a_folder_without_pictures_is_told_in_one_line(name, flags, folder, tmp_path):
    (tmp_path / "empty").mkdir()
    said = tmp_path / "said"
    assert call(FOLDER / f"{name}.py", [*flags, str(tmp_path / folder)], said) == 2
    (line,) = said.read_text().splitlines()
    assert line.startswith("error: no ")
    assert str(tmp_path / folder) in line
