"""Draw the work dir of a run: the small files that training and a test leave, without either."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bag_of_transfer.engine.loop.details import Details, describe, write_details

__all__ = ["EVIL", "draw_run", "logged"]

EVIL = "<script>alert(1)</script> & $x$"


def draw_run(folder: Path, size: int = 4, epochs: int = 4, curves: bool = True) -> Path:
    """Fill a work dir with a detector's run of ``size`` classes, and its test."""
    folder.mkdir(parents=True)
    begun = dict(schema=1, task="det", config="mine.py", epochs=4, train_images=20, val_images=6)
    begun["command"] = f"python tools/train.py mine.py --work-dir {folder}"
    (folder / "run.json").write_text(json.dumps(begun))
    lines = [
        dict(epoch=n, iter=5 * n, lr=0.01 / n, loss=2 / n, img_per_s=9, seconds=3, mAP_area=n)
        for n in range(1, epochs + 1)
    ]
    (folder / "curve.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    log = folder / "20260101_000000/vis_data/scalars.json"
    log.parent.mkdir(parents=True)
    log.write_text("".join(json.dumps(logged(step)) + "\n" for step in range(1, 5 * epochs + 1)))
    metrics = dict(schema=1, task="det", split="val", num_images=6, metrics={"mAP_area": 40.0})
    metrics |= dict(seconds=75, seed=3, hardware="2 cores", versions={"torch": "2.9"})
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "resolved_config.py").write_text("lr = 0.01  # <b>\n")
    tricks = {"warmup": {"on": True, "value": 1, "evidence": "lr <i>rises</i>"}}
    (folder / "tricks.json").write_text(json.dumps(tricks))
    record = drawn_record(size, curves)
    write_details(folder / "details.json", dict(record, split="val", epoch=epochs))
    (folder / "worst").mkdir()
    worst = []
    for number in range(2):
        Image.new("RGB", (160, 60), "teal").save(folder / f"worst/0{number}.png")
        worst.append(dict(image=f"{EVIL}{number}.png", figure=12.5, picture=f"0{number}.png"))
        worst[-1]["mistakes"] = f"1 missed: {EVIL}"
    test = dict(record, split="test", worst=worst, image_measure="F1 at score 0.3")
    write_details(folder / "test_details.json", dict(test, command="python tools/test.py mine.py"))
    return folder


def logged(step: int, loss: float = 2.0) -> dict[str, float]:
    """Return a line of mmengine's log of a detector."""
    parts = dict(loss_rpn_cls=loss / 2, loss_rpn_bbox=loss / 4, loss_cls=loss / 4)
    return dict(parts, loss=loss, lr=0.01, acc=90.0, epoch=1, iter=step, step=step)


def drawn_record(size: int, curves: bool) -> dict[str, Any]:
    names = [EVIL, *(f"a_rather_long_class_name_{number}" for number in range(1, size))]
    recall = np.linspace(0, 90, size)
    details = Details(
        measure="AP",
        counted="objects",
        classes=names,
        figures=recall / 2,
        counts=np.arange(size) + 3,
        precision=np.where(recall > 0, 50.0, np.nan),
        recall=recall,
        confusion=np.random.default_rng(0).integers(0, 9, (size + 1, size + 1)),
        image_measure="F1",
        image_figures=np.zeros(6),
        score=0.3,
        curves=np.linspace(np.full(size, 100.0), recall, 101).T if curves else None,
    )
    return describe(details, metrics={"mAP_area": 33.25})
