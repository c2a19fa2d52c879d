"""Help and wrong flags are answered at once: nothing that takes seconds is imported for them."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from bag_of_transfer.prediction.results import MIN_SCORE
from bag_of_transfer.transfer.convert import into_ours, out_of_ours

ROOT = Path(__file__).resolve().parents[2]
TOOLS = sorted((ROOT / "tools").glob("*.py"))
SLOW = {"torch", "mmengine", "mmdet", "mmseg", "numpy", "scipy", "matplotlib", "cv2", "PIL"}
CALL = """
import runpy, sys
tool = sys.argv[1]
sys.argv = sys.argv[1:]
try:
    runpy.run_path(tool, run_name="__main__")
finally:
    print("imported:", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def call(tool: Path, *flags: str, folder: Path) -> tuple[int, str, set[str]]:
    """Return exit code, what was said, and the names of what was imported."""
    words = [sys.executable, "-c", CALL, str(tool), *flags]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    said, _, imported = done.stdout.rpartition("imported:")
    return done.returncode, said or done.stderr, set(imported.split())


def test_all_tools_are_tried() -> None:
    assert len(TOOLS) == 20


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.stem)
def test_help_imports_nothing_slow(tool: Path, tmp_path: Path) -> None:
    code, said, imported = call(tool, "-h", folder=tmp_path)
    assert code == 0
    assert "example:\n  python tools/" in said
    assert "argparse" in imported
    assert not imported & SLOW


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.stem)
def test_a_wrong_flag_imports_nothing_slow(tool: Path, tmp_path: Path) -> None:
    code, said, imported = call(tool, "--no-such-flag", folder=tmp_path)
    assert code == 2
    assert said.startswith("error: ")
    assert "argparse" in imported
    assert not imported & SLOW


DET = str(ROOT / "configs/detection/faster-rcnn_fpn_tiny.py")
DEMO = str(ROOT / "configs/ladder/demo.py")


@pytest.mark.parametrize(
    ("tool", "words", "told"),
    [
        ("train", [DET, "--backbone", "gone.pth"], "no such file of weights: gone.pth: "),
        ("train", [DET], "nothing to start from, neither --backbone nor weights in init_cfg or "),
        ("train_cls", ["gone.py"], "no such config: gone.py: "),
        ("train_cls", [DET, "--seed=-1"], "-1 is not a valid seed: --seed: "),
        ("train_cls", [DET, "--resume", "gone.pth"], "no such checkpoint: gone.pth: "),
        ("train_cls", [DET, "--launcher", "mpi"], "the environment variable OMPI_COMM_WORLD_"),
        ("train_cls", [DET, "--dump-config=f.json", "--dry-run"], "nothing is run: --dump-config "),
        ("test", [DET, "gone.pth"], "no such checkpoint: gone.pth: "),
        ("export_model", [DET, "gone.pth", "o.onnx"], "no such checkpoint: gone.pth: "),
        ("ladder", [DEMO, "--max-seeds", "9"], "nothing says when there are seeds enough: "),
    ],
)
def test_a_wrong_argument_is_told_before_torch_is_imported(
    tool: str, words: list[str], told: str, tmp_path: Path
) -> None:
    code, said, imported = call(ROOT / "tools" / f"{tool}.py", *words, folder=tmp_path)
    assert (code, said.startswith(f"error: {told}")) == (2, True), said
    assert "argparse" in imported
    assert not imported & {"torch", "mmdet", "mmseg"}


def test_choices_and_defaults_are_the_librarys(capsys: pytest.CaptureFixture[str]) -> None:
    """They are written out in the tools, since asking the library would take seconds."""
    tool = runpy.run_path(str(ROOT / "tools/convert_weights.py"))
    assert set(tool["LAYOUTS"]) == set(into_ours.CHOICES)
    assert set(tool["TARGETS"]) == set(out_of_ours.TARGETS)
    with pytest.raises(SystemExit):
        runpy.run_path(str(ROOT / "tools/predict.py"))["main"](["-h"])
    assert f"lowest score of a box [{MIN_SCORE}]" in capsys.readouterr().out
