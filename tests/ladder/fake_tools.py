"""Tools that only pretend to train, so that cells run in milliseconds.

Each is called as the real one: ``train.py CONFIG --work-dir D --seed S ...``.  What it does is in
the config's name: ``fails`` ends with exit code 2, ``breaks`` with a traceback, ``slow`` waits.
"""

from pathlib import Path

FAKE = """
import json, pathlib, sys, time
words = sys.argv[1:]
def after(flag):
    return words[words.index(flag) + 1] if flag in words else None
name = pathlib.Path(sys.argv[0]).name
if name.startswith("train"):
    folder = pathlib.Path(after("--work-dir"))
    folder.mkdir(parents=True, exist_ok=True)
    epochs = folder / "epochs"
    done = len(epochs.read_text()) if "--resume" in words else 0
    epochs.write_text("x" * done)
    (folder / "epoch_1.pth").write_bytes(b"")
    (folder / "last_checkpoint").write_text("epoch_1.pth")
    if "fails" in words[0]:
        print("error: no such data: somewhere: put it there", file=sys.stderr)
        sys.exit(2)
    if "breaks" in words[0]:
        raise RuntimeError("broken")
    if "slow" in words[0] and done < 2:
        epochs.write_text("x" * (done + 2))
        time.sleep(60)
    (folder / "curve.jsonl").write_text(json.dumps({"epoch": 1}) + "\\n")
    (folder / "metrics.json").write_text(json.dumps({"img_per_s": 5.0, "metrics": {}}))
elif name.startswith("test"):
    out = pathlib.Path(after("--out"))
    out.write_text(json.dumps({"split": "test", "metrics": {"top1": 1.0, "mAP_voc07": 2.0}}))
else:
    out = pathlib.Path(words[1])
    out.write_bytes(b"weights")
    out.with_suffix(".json").write_text(json.dumps({"sha256": "1", "metrics": {}}))
"""
NAMES = ("train_cls", "train", "test_cls", "test", "export_backbone", "convert_weights")


def write_fake_tools(root: Path) -> None:
    """Put all tools that a ladder calls below ``root``."""
    (root / "tools").mkdir()
    for name in NAMES:
        (root / f"tools/{name}.py").write_text(FAKE)
