"""Make the files of this folder with the tools of commit a3f2b49, the last before one package.

The tools of a later commit write other files: run it there only.

    git worktree add OLD a3f2b49
    cp -r tests/golden/before_one_package OLD/tests/golden/
    cd OLD/tests/golden/before_one_package && python make.py
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from PIL import Image, ImageDraw

HERE = Path(__file__).resolve().parent
TOOLS = HERE.parents[2] / "tools"
PX = 48
COLOURS = {"bars": (220, 180, 40), "dots": (40, 180, 220)}
SPLITS = {"train": range(4), "val": range(4, 6), "test": range(6, 8)}
TOLD = ("metrics.json", "tricks.json", "curve.jsonl", "resolved_config.py", "last_checkpoint")


def tool(name: str, *arguments: str) -> None:
    """Call a tool as a user would; everything is named as seen from this folder."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DATA_ROOT": "data"}
    subprocess.run(
        [sys.executable, str(TOOLS / f"{name}.py"), *arguments], cwd=HERE, check=True,
        env=environment,
    )  # fmt: skip


def draw(number: int) -> tuple[Image.Image, str, tuple[int, int, int, int]]:
    """Draw a striped or dotted field on a background; also return its class and box."""
    name = sorted(COLOURS)[number % 2]
    left, top = 3 + 5 * number % 16, 2 + 7 * number % 17
    right, bottom = left + 20 + number % 5, top + 24 - number % 4
    image = Image.new("RGB", (PX, PX), (90 + 8 * number, 110, 130 - 6 * number))
    pen = ImageDraw.Draw(image)
    pen.rectangle((left, top, right - 1, bottom - 1), COLOURS[name])
    for x in range(left + 2, right - 2, 4):
        for y in [top] if name == "bars" else range(top + 2, bottom - 2, 4):
            pen.rectangle((x, y, x + 1, bottom - 1 if name == "bars" else y + 1), (20, 20, 60))
    return image, name, (left, top, right, bottom)


def draw_data() -> None:
    """Draw the eight images for each of the tasks."""
    root = HERE / "data/demo"
    for split, numbers in SPLITS.items():
        text = "".join(f"{number}\n" for number in numbers)
        write(root / f"detection/ImageSets/Main/{split}.txt", text)
        write(root / f"segmentation/ImageSets/Segmentation/{split}.txt", text)
        for number in numbers:
            image, name, box = draw(number)
            save(root / f"classification/{split}/{name}/{number}.png", image)
            save(root / f"detection/JPEGImages/{number}.png", image)
            write(root / f"detection/Annotations/{number}.xml", annotation(name, box))
            save(root / f"segmentation/JPEGImages/{number}.png", image)
            mask = Image.new("L", image.size, 0)
            mask.paste(1 + sorted(COLOURS).index(name), box)
            save(root / f"segmentation/SegmentationClass/{number}.png", mask)
    write(root / "segmentation/classes.txt", "\n".join(("background", *sorted(COLOURS))) + "\n")


def write(path: Path, text: str) -> None:
    """Write a text and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def save(path: Path, image: Image.Image) -> None:
    """Write an image and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def annotation(name: str, box: tuple[int, int, int, int]) -> str:
    """Write a box in the words of PASCAL VOC."""
    left, top, right, bottom = box
    return (
        f"<annotation><size><width>{PX}</width><height>{PX}</height><depth>3</depth></size>"
        f"<object><name>{name}</name><difficult>0</difficult><bndbox><xmin>{left + 1}</xmin>"
        f"<ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
        "</annotation>\n"
    )


def keep(source: Path, names: Iterable[str], target: Path) -> None:
    """Copy files of a work dir into this folder."""
    target.mkdir(exist_ok=True)
    for name in names:
        shutil.copyfile(source / name, target / name)


def main() -> None:
    """Draw the data, call the tools, keep what is asked for."""
    runs, expected = HERE / "work_dirs", HERE / "expected"
    for name in ("data", "cls", "det", "seg", "backbones", "ladder", "expected", "work_dirs"):
        shutil.rmtree(HERE / name, ignore_errors=True)
    draw_data()
    tool("train_cls", "configs/cls.py")
    keep(runs / "cls", (*TOLD, "epoch_8.pth"), HERE / "cls")
    backbone, theirs = "backbones/exported.safetensors", "work_dirs/timm.safetensors"
    tool("export_backbone", "cls/last_checkpoint", backbone)
    tool("convert_weights", backbone, theirs, "--to", "timm")
    tool("convert_weights", theirs, "backbones/converted.safetensors")
    for name in ("det", "seg"):
        tool("train", f"configs/{name}.py", "--backbone", backbone)
        keep(runs / name, ("resolved_config.py", "last_checkpoint", "epoch_40.pth"), HERE / name)
    expect(expected)
    tool("ladder", "configs/ladder.py")
    tool("ladder", "configs/ladder.py", "--export", "ladder/cells.tar.gz")
    tool("report", "work_dirs/ladder")
    keep(runs / "ladder", ("ladder.json", "results.csv"), HERE / "ladder")
    shutil.rmtree(runs)


def expect(expected: Path) -> None:
    """Note what the tools make of the kept files."""
    for name, test in {"cls": "test_cls", "det": "test", "seg": "test"}.items():
        run = (f"configs/{name}.py", f"{name}/last_checkpoint")
        images = [f"data/demo/detection/JPEGImages/{number}.png" for number in SPLITS["test"]]
        out = f"expected/{name}"
        tool("predict", *run, *images, "--out-dir", out, "--min-score", "0", "--device", "cpu")
        tool(test, *run, "--out", f"{out}/metrics.json", "--work-dir", "work_dirs/test")
        for picture in (expected / name).glob("*.png"):
            picture.unlink()
    shutil.copytree(HERE / "cls", HERE / "work_dirs/longer")
    longer = ("--work-dir", "work_dirs/longer", "--resume")
    tool("train_cls", "configs/cls.py", *longer, "--cfg-options", "train_cfg.max_epochs=12")
    shutil.copyfile(HERE / "work_dirs/longer/curve.jsonl", expected / "cls/longer_curve.jsonl")


if __name__ == "__main__":
    main()
