"""A small ladder's folder with figures that can be worked out by hand.

Four rungs x detection and segmentation.  Names contain characters that a page must escape.  Of the
cells of three seeds, one failed, one is missing, and one was never finished.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bag_of_transfer.ladder.report.trick_keys import TRICK_KEYS

EVIL = "D <b>all</b> & 'tricks'"
EVIL_CLASS = "<script>alert(1)</script>"
CLASSES = ("cat", EVIL_CLASS, "dog")
NUM_IMAGES = 4
# Rung: seed's value = base + step * pattern[seed].
PATTERN = (0.0, 4.0, 2.0, 1.0, 3.0, 2.0)
BASE = {
    "scratch": {"mAP_voc07": 40.0, "pixAcc": 80.0, "mIoU": 45.0},
    "b_standard": {"mAP_voc07": 47.0, "pixAcc": 84.0, "mIoU": 48.0},
    "d_all": {"mAP_voc07": 46.0, "pixAcc": 86.0, "mIoU": 52.0},
    "public": {"mAP_voc07": 60.0, "pixAcc": 88.0, "mIoU": 55.0},
}
STEP = {"scratch": 1.0, "b_standard": 0.5, "d_all": 1.5, "public": 0.25}
TOP1 = {"b_standard": 46.0, "d_all": 55.0}
FAILED = ("d_all", "detection", 1)
MISSING = ("b_standard", "segmentation", 2)
UNFINISHED = ("public", "segmentation", 0)
REASON = "the loss is nan at <iter> 120"


def value_of(rung: str, metric: str, seed: int) -> float:
    return BASE[rung][metric] + STEP[rung] * PATTERN[seed]


def plan(seeds: int) -> dict[str, Any]:
    def rung(kind: str, label: str, **more: Any) -> dict[str, Any]:
        empty = {"config": None, "file": None, "model": None, "teacher": None, "paper_row": None}
        return {"kind": kind, "label": label, "seeds": "matched", "published": {}, **empty, **more}

    published = {"top1": 76.14, "mAP_voc07": 77.54, "pixAcc": 78.08, "mIoU": 37.05}
    return {
        "schema": 1,
        "name": "drawn",
        "config": "configs/ladder/drawn.py",
        "reference": "scratch",
        "seeds": list(range(seeds)),
        "pretrain_seeds": "matched",
        "selection": "last",
        "rungs": {
            "scratch": rung("scratch", "scratch"),
            "b_standard": rung("config", "B-standard", config="b.py", published=published),
            "d_all": rung("config", EVIL, config="d.py", teacher="b_standard"),
            "public": rung("model", "public | file", model="resnet50d.x", seeds="shared"),
        },
        "tasks": {
            "detection": {
                **{"kind": "det", "config": "det.py"},
                **{"metrics": ["mAP_voc07"], "published_split": False},
            },
            "segmentation": {
                **{"kind": "seg", "config": "seg.py"},
                **{"metrics": ["pixAcc", "mIoU"], "published_split": True},
            },
        },
        "notes": ["scratch trains its BN and freezes nothing."],
    }


def draw_ladder(folder: Path, seeds: int = 3, whole: bool = False) -> Path:
    """Write the folder; with ``whole`` no cell is failed, missing or unfinished."""
    folder.mkdir(parents=True, exist_ok=True)
    stated = plan(seeds)
    write(folder / "ladder.json", stated)
    draw_truth(folder)
    for rung in stated["rungs"]:
        for seed in range(seeds):
            if rung in TOP1 or (rung == "public" and seed == 0):
                draw_pretraining(folder, rung, seed)
            for task, metrics in (("detection", ["mAP_voc07"]), ("segmentation", None)):
                key = (rung, task, seed)
                if whole or key not in (FAILED, MISSING, UNFINISHED):
                    draw_cell(folder, rung, task, seed, metrics or ["pixAcc", "mIoU"])
    if not whole:
        draw_undone(folder)
    return folder


def draw_undone(folder: Path) -> None:
    rung, task, seed = FAILED
    failed = {**record(rung, task, seed), "status": "failed", "reason": REASON}
    write(folder / f"seed{seed}/{rung}/{task}/cell.json", failed)
    rung, task, seed = UNFINISHED
    (folder / f"seed{seed}/{rung}/{task}").mkdir(parents=True)


def write(path: Path, obj: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(obj))


def record(rung: str, task: str, seed: int) -> dict[str, Any]:
    kind = {"pretraining": "cls", "detection": "det", "segmentation": "seg"}[task]
    tool = "tools/train_cls.py" if kind == "cls" else "tools/train.py"
    own = f"work_dirs/drawn/seed{seed}/{rung}/{task}"
    return {
        **{"schema": 1, "rung": rung, "task": task, "kind": kind, "seed": seed},
        "backbone_seed": None if rung == "scratch" else 0 if rung == "public" else seed,
        **{"status": "done", "reason": None},
        "commands": [[tool, f"{kind}.py", "--seed", str(seed), "--work-dir", own]],
        "fingerprint": {"config": "c", "data": "d", "backbone": None, "code": "e"},
        "seconds": 130.0,
        "train": {"img_per_s": 50.0, "minutes_per_epoch": 0.5, "seconds": 120.0 + 60 * seed**2},
        **{"started": "2026-11-21T10:00:00Z", "finished": "2026-11-21T10:02:10Z", "notes": []},
    }


def metrics_record(kind: str, metrics: dict[str, float], **more: Any) -> dict[str, Any]:
    return {
        **{"schema": 1, "task": kind, "split": "test", "num_images": NUM_IMAGES},
        **{"metrics": metrics, "per_class": {}, "hardware": "2 cores Drawn CPU"},
        "versions": {"python": "3.11.2", "torch": "2.14.1"},
        **more,
    }


def draw_pretraining(folder: Path, rung: str, seed: int) -> None:
    own = folder / f"seed{seed}/{rung}/pretraining"
    write(own / "cell.json", record(rung, "pretraining", seed))
    card = {"schema": 1, "type": "ResNetD", "depth": 50, "sha256": f"{rung}{seed}", "metrics": {}}
    if rung == "public":
        write(own / "backbone.json", {**card, "metrics": {"top1": 79.08}})
        return
    write(own / "backbone.json", card)
    top1 = TOP1[rung] + PATTERN[seed]
    write(own / "metrics.json", metrics_record("cls", {"top1": top1, "top5": 90.0}, split="val"))
    on = rung == "d_all"
    tricks = {
        "mixup": {"on": on, "value": 0.2 if on else None, "evidence": "alpha <i>0.2</i>"},
        "warmup": {"on": on, "value": 5, "evidence": "lr 0.01 at batch 1"},
    }
    alike = {"on": True, "value": "cosine", "evidence": "the same in every rung"}
    write(own / "tricks.json", tricks | {name: alike for name in TRICK_KEYS if name not in tricks})
    draw_curve(own, "top1", top1)
    depth = "ResNetD" if on else "ResNetB"
    (own / "resolved_config.py").write_text(
        f"model = dict(backbone=dict(depth=18, type='{depth}'), mixup={0.2 if on else None})\n"
        f"param_scheduler = [dict(type='Warmup'), dict(type='{'Cosine' if on else 'Step'}')]\n"
        f"work_dir = 'work_dirs/{rung}'\n"
    )


def draw_curve(own: Path, metric: str, last: float) -> None:
    lines = [
        {"epoch": e, "iter": 9 * e, "lr": 0.1 / e, "loss": 2.0 / e, metric: last - 10 * (3 - e)}
        for e in (1, 2, 3)
    ]
    (own / "curve.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def draw_cell(folder: Path, rung: str, task: str, seed: int, metrics: list[str]) -> None:
    own = folder / f"seed{seed}/{rung}/{task}"
    figures = {name: value_of(rung, name, seed) for name in metrics}
    kind = "det" if task == "detection" else "seg"
    per_class = {name: figures[metrics[-1]] + i for i, name in enumerate(CLASSES)}
    per_class["dog"] = 50.0
    write(own / "metrics.json", metrics_record(kind, figures, per_class=per_class, seed=seed))
    draw_curve(own, metrics[-1], figures[metrics[-1]])
    norm_eval = rung != "scratch"
    (own / "resolved_config.py").write_text(f"model = dict(backbone=dict(norm_eval={norm_eval}))\n")
    for number in range(NUM_IMAGES):
        picture(own / f"pictures/{task}-{number}.png", 60 + 40 * list(BASE).index(rung) % 180)
    write(own / "cell.json", record(rung, task, seed))


def draw_detections(own: Path, found: int) -> None:
    """Draw four images with a cat in each, of which ``found`` are detected, and a false box below.

    Recall 3/4 at precision 1 is 8 of 11 points, and an area of 3/4; all four are 11, and 1.  A box
    on a difficult object counts nowhere.
    """
    hit = np.arange(4) < found
    arrays = {
        **{"image_ids": np.array(list("abcd")), "classes": np.array(["cat"])},
        **{"image": np.array([3, 0, 1, 2, 3]), "label": np.zeros(5, int)},
        "score": np.array([0.95, 0.9, 0.8, 0.7, 0.1]),
        "matched": np.array([False, *hit]),
        "ignored": np.array([True, False, False, False, False]),
    }
    np.savez(own / "per_image.npz", **arrays, num_gt=np.ones((4, 1), int))
    result = json.loads((own / "metrics.json").read_text())
    points = {1: 300 / 11, 2: 600 / 11, 3: 800 / 11, 4: 100.0}[found]
    figures = {"mAP_voc07": round(points, 4), "mAP_area": 25.0 * found}
    write(own / "metrics.json", {**result, "metrics": figures})


def draw_truth(folder: Path) -> None:
    for task in ("detection", "segmentation"):
        for number in range(NUM_IMAGES):
            picture(folder / f"truth/{task}/{task}-{number}.png", 20)


def picture(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((48, 64, 3), shade, np.uint8)
    pixels[8:40, 8:56] = (255 - shade, shade, 128)
    Image.fromarray(pixels).save(path)
