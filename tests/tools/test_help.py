"""Help and wrong flags are answered at once: nothing that takes seconds is imported for them."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from bag_of_transfer.prediction.results import MIN_SCORE
from bag_of_transfer.transfer.convert import out_of_ours
from bag_of_transfer.transfer.layouts.table import LAYOUTS

ROOT = Path(__file__).resolve().parents[2]
TOOLS = sorted((ROOT / "tools").glob("*.py"))
SLOW = {"torch", "mmengine", "mmdet", "mmseg", "numpy", "scipy", "matplotlib", "cv2", "PIL"}
CALL = """
import contextlib, io, json, runpy, sys
tool, told = sys.argv[1], []
for words in json.loads(sys.argv[2]):
    sys.argv, code, said = [tool, *words], 0, io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            runpy.run_path(tool, run_name="__main__")
        except SystemExit as ended:
            code = ended.code
    told.append((code, said.getvalue()))
print(json.dumps([told, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def calls(tool: Path, *calls: list[str], folder: Path) -> tuple[list[tuple[int, str]], set[str]]:
    """Call a tool several times in one process.

    Returns:
        Exit code and what was said of each call, and the names of what was imported.
    """
    words = [sys.executable, "-c", CALL, str(tool), json.dumps(calls)]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    told, imported = json.loads(done.stdout)
    assert "argparse" in imported
    return told, set(imported)


def test_all_tools_are_tried() -> None:
    assert len(TOOLS) == 20


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.stem)
def test_help_and_a_wrong_flag_import_nothing_slow(tool: Path, tmp_path: Path) -> None:
    (helped, refused), imported = calls(tool, ["-h"], ["--no-such-flag"], folder=tmp_path)
    assert helped[0] == 0
    assert "example:\n  python tools/" in helped[1]
    assert refused[0] == 2
    assert refused[1].startswith("error: ")
    assert not imported & SLOW


DET = str(ROOT / "configs/detection/faster-rcnn_fpn_tiny.py")
DEMO = str(ROOT / "configs/ladder/demo.py")


WRONG = {
    "train": {
        "no such file of weights: gone.pth: check the path\n": [DET, "--backbone", "gone.pth"],
        "no such file of weights: resnet18d.ra2_in1k: check the path; tools/convert_weights.py "
        "resnet18d.ra2_in1k OUT.safetensors fetches ": [DET, "--backbone", "resnet18d.ra2_in1k"],
        "no such file of weights: torchvision:/resnet18: check the path; tools/convert_weights.py "
        "NAME OUT.safetensors fetches ": [DET, "--backbone", "torchvision://resnet18"],
        "nothing to start from, neither --backbone nor weights in init_cfg or ": [DET],
    },
    "train_cls": {
        "no such config: gone.py: ": ["gone.py"],
        "-1 is not a valid seed: --seed: ": [DET, "--seed=-1"],
        "override `epochs` is not KEY=VALUE: --cfg-options: ": [DET, "--cfg-options", "epochs"],
        "override `epochs` has the unreadable value `(3`: ": [DET, "--cfg-options", "epochs=(3"],
        "no such checkpoint: gone.pth: ": [DET, "--resume", "gone.pth"],
        "the environment variable OMPI_COMM_WORLD_": [DET, "--launcher", "mpi"],
        "nothing is run: --dump-config ": [DET, "--dump-config=f.json", "--dry-run"],
    },
    "test": {"no such checkpoint: gone.pth: ": [DET, "gone.pth"]},
    "export_model": {"no such checkpoint: gone.pth: ": [DET, "gone.pth", "o.onnx"]},
    "ladder": {"nothing says when there are seeds enough: ": [DEMO, "--max-seeds", "9"]},
}


@pytest.mark.parametrize("tool", WRONG)
def test_a_wrong_argument_is_told_before_torch_is_imported(tool: str, tmp_path: Path) -> None:
    wrong = WRONG[tool]
    answers, imported = calls(ROOT / f"tools/{tool}.py", *wrong.values(), folder=tmp_path)
    for told, (code, said) in zip(wrong, answers, strict=True):
        assert (code, said.startswith(f"error: {told}")) == (2, True), said
    assert not imported & {"torch", "mmdet", "mmseg"}


def test_choices_and_defaults_are_the_librarys(capsys: pytest.CaptureFixture[str]) -> None:
    """They are written out in the tools, since asking the library would take seconds."""
    tool = runpy.run_path(str(ROOT / "tools/convert_weights.py"))
    assert set(tool["LAYOUTS"]) == {"auto", *(layout.name for layout in LAYOUTS)}
    assert set(tool["TARGETS"]) == set(out_of_ours.TARGETS)
    with pytest.raises(SystemExit):
        runpy.run_path(str(ROOT / "tools/predict.py"))["main"](["-h"])
    assert f"lowest score of a box [{MIN_SCORE}]" in capsys.readouterr().out
