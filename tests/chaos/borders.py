"""The borders of the toolkit: what is read from outside, a sound example, and how it is spoilt."""

import copy
import io
import json
import math
import pickle
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from PIL import Image
from safetensors.torch import save as safetensors_bytes

from bag_of_transfer.classification import finished_run, teacher_cache
from bag_of_transfer.classification.plain_config import read_plain_config
from bag_of_transfer.detection.coco_files import load_coco
from bag_of_transfer.detection.voc_xml import read_xml
from bag_of_transfer.detection.yolo_files import read_labels
from bag_of_transfer.detection.yolo_yaml import read_yolo_yaml
from bag_of_transfer.engine import run_files
from bag_of_transfer.engine.config.config_file import read_config
from bag_of_transfer.engine.config.config_values import (
    check_sections,
    check_training_sections,
    check_values,
    settle_whole_numbers,
)
from bag_of_transfer.engine.config.overrides import apply_overrides
from bag_of_transfer.engine.data.image_reader import read_pixels
from bag_of_transfer.engine.data.mask_reader import read_mask
from bag_of_transfer.engine.data.name_list import read_class_names, read_names
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.loop import class_table
from bag_of_transfer.engine.weights.checkpoints import check_resumable, load_checkpoint
from bag_of_transfer.ladder.report.findings import find, find_top1
from bag_of_transfer.ladder.report.footnotes import footnotes, not_done_notes
from bag_of_transfer.ladder.report.results import read_results
from bag_of_transfer.ladder.report.tables import long_form
from bag_of_transfer.ladder.run import status
from bag_of_transfer.prediction.videos import Video
from bag_of_transfer.run_report import details_file, log_values, tables
from bag_of_transfer.transfer.backbone_card import read_card
from bag_of_transfer.transfer.mxnet_params import read_params
from bag_of_transfer.transfer.numpy_pickle import read_numpy_pickle
from bag_of_transfer.transfer.tensor_file import read_tensors
from tests.chaos.mutations import Draw, spoil_bytes, spoil_json, spoil_text
from tests.ladder.drawn_ladder import draw_ladder, record
from tests.transfer.mxnet_writer import written

__all__ = ["BORDERS", "Border"]


@dataclass(frozen=True)
class Border:
    """One kind of file, or one of its readers.

    Args:
        file: The file that is spoilt, relative to the folder.
        spoil: Draws what the file holds instead.
        read: Reads from the folder, and checks that what comes back is of the stated types.
        prepare: Writes what else must be in the folder, once.
        slow: Whether one example takes more than a few ms: fewer are tried in each test run.
    """

    file: str
    spoil: Callable[[Draw], bytes]
    read: Callable[[Path], None]
    prepare: Callable[[Path], None] = lambda folder: None
    slow: bool = False


def _json(value: Any) -> Callable[[Draw], bytes]:
    return lambda draw: spoil_json(draw, value)


def _text(text: str) -> Callable[[Draw], bytes]:
    return lambda draw: spoil_text(draw, text)


def _data(data: bytes) -> Callable[[Draw], bytes]:
    return lambda draw: spoil_bytes(draw, data)


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


# ---- configs ----

OVERRIDES = (
    "train_cfg.max_epochs=3 optim_wrapper.optimizer.lr=0.1 model.backbone.depth=18 "
    "train_dataloader.batch_size=4 param_scheduler.0.end=5 model.data_preprocessor.mean=[1,2,3] "
    "default_hooks.logger.interval=10 randomness.seed=5 model.label_smoothing.eps=0.1\n"
)
TINY = Path(__file__).resolve().parents[2] / "configs/classification/resnet18-d_tiny.py"


@cache
def _config() -> Config:
    return read_config(TINY)


def _overrides(folder: Path) -> None:
    """Apply overrides, one a word, as the training tools do."""
    try:
        words = (folder / "--cfg-options").read_text().split(" ")
    except UnicodeDecodeError:
        return  # no shell hands over such words
    cfg = copy.deepcopy(_config())
    try:
        apply_overrides(cfg, [word.strip("\n") for word in words if word.strip()])
        _check(cfg)
    except UserError as error:  # names the option or its key
        raise UserError(error.what, f"--cfg-options {error.where}", error.mend) from error


def _spoil_config(draw: Draw) -> bytes:
    """Spoil a value of a config, which may hold anything that Python can."""
    return spoil_json(draw, json.loads(json.dumps(_config().to_dict())))


def _values(folder: Path) -> None:
    try:
        stated = json.loads((folder / "config").read_text())
    except (ValueError, RecursionError):
        return
    if isinstance(stated, dict):
        try:
            _check(Config(stated))
        except UserError as error:
            raise UserError(error.what, f"config {error.where}", error.mend) from error


def _check(cfg: Config) -> None:
    check_sections(cfg, "config")
    settle_whole_numbers(cfg)
    check_values(cfg)
    check_training_sections(cfg, "config")


# ---- runs ----

METRICS = {
    **{"schema": 1, "task": "det", "split": "val", "num_images": 4, "seed": 0},
    **{"metrics": {"AP": 5.5, "AP50": None}, "per_class": {"cat": 5.5}, "img_per_s": 3.0},
    **{"peak_memory": {"mib": 10.0, "kind": "gpu"}, "versions": {"python": "3.11"}},
}
LINES = [
    {"epoch": e, "iter": 3 * e, "lr": 0.1, "loss": 2.0, "seconds": 1.0, "img_per_s": 9.0, "AP": 1.5}
    for e in (1, 2)
]
CURVE = "".join(json.dumps(line) + "\n" for line in LINES)
LOG = "".join(json.dumps({"loss": 2.0, "loss_cls": 1.0, "step": n}) + "\n" for n in (1, 2))
DETAILS = {
    **{"schema": 1, "split": "val", "epoch": 2, "metrics": {"AP": 5.5}, "measure": "AP"},
    **{"counted": "objects", "score": 0.5, "num_images": 4, "num_never_found": 1},
    "classes": [{"name": "cat", "figure": 5.5, "count": 3, "precision": None, "recall": 0.0}],
    "confusion": {"names": ["cat", "background"], "counts": [[0, 1, 3], [1, 0, 2]]},
    "curves": {"cat": [0.5] * 101},
    "worst": [{"image": "a.png", "figure": 0.0, "picture": "a.png"}],
}
RUN_TEXTS = ("task", "config", "command")
RUN = {**{"schema": 1, "task": "det", "config": "a.py", "command": "python a"}, "epochs": 3}
SMOOTH = {"on": True, "value": {"eps": 0.1, "form": "uniform"}, "evidence": "eps 0.1"}
TRICKS = {"label_smoothing": SMOOTH, "warmup": {"on": False, "value": None, "evidence": ""}}
CONFIG = "model = dict(type='A', depth=50, mean=[1.5, 2])\nlr = 0.1\nitems = [dict(a=(1, 2))]\n"


def _read_metrics(folder: Path) -> None:
    read = run_files.read_metrics(folder, "", ("AP",))
    assert all(value is None or _is_finite(value) for value in read["metrics"].values())
    assert all(
        value is None or _is_finite(value) for value in (read.get("per_class") or {}).values()
    )


def _read_curve(folder: Path) -> None:
    for cut_short in (True, False):
        for line in run_files.read_curve(folder, "", ("iter", "seconds"), cut_short):
            assert all(_is_finite(line[name]) for name in ("epoch", "iter", "seconds"))


def _read_log(folder: Path) -> None:
    for line in log_values.by_epoch(log_values.read_log(folder, ""), LINES):
        assert _is_finite(line["epoch"])


def _read_tricks(folder: Path) -> None:
    assert all(type(trick["on"]) is bool for trick in run_files.read_tricks(folder, "").values())
    assert 0 <= finished_run.paper_eps(folder, 10) < 1


def _read_details(folder: Path) -> None:
    read = details_file.read_details(folder / "details.json", "")
    for entry in read["classes"]:
        assert entry["count"] >= 0
        assert all(entry[k] is None or _is_finite(entry[k]) for k in ("figure", "recall"))
    class_table.class_table(read, "details.json")
    tables.confused_pairs(read, "")


def _read_run(folder: Path) -> None:
    assert all(
        type(details_file.read_run(folder, "").get(k)) in (str, type(None)) for k in RUN_TEXTS
    )


def _follow(folder: Path) -> None:
    newest = run_files.newest_checkpoint(folder)
    assert newest is None or newest.is_file()


def _plain_config(folder: Path) -> None:
    read_plain_config(folder / "resolved_config.py", "")


# ---- ladders ----


def _ladder(folder: Path) -> None:
    draw_ladder(folder, seeds=1, whole=True)


def _plan() -> dict[str, Any]:
    from tests.ladder.drawn_ladder import plan

    tune = {"tune": {"optim_wrapper.optimizer.lr": [0.1, 1]}}
    stated = plan(1)
    stated["tasks"]["detection"].update(tune)
    return {**stated, "margins": {"mIoU": 2.0}, "tuning_seeds": [9], "shared_seed": 0}


def _report(folder: Path) -> None:
    ladder = read_results(folder)
    findings, top1 = find(ladder), find_top1(ladder)
    assert footnotes(ladder, findings, top1)
    not_done_notes(ladder)
    long_form(ladder)
    for cell in ladder.cells_of():
        assert all(map(_is_finite, cell.per_class.values()))


def _own_status(folder: Path) -> None:
    own = folder / "seed0/d_all/detection"
    assert type(status.is_done(own)) is bool
    assert type(status.reason_of(own)) is str


# ---- what a fine-tuning starts from ----

CARD = {
    **{"schema": 1, "type": "ResNetD", "depth": 50, "variant": "D", "in_channels": 3},
    **{"stem_channels": 8, "base_channels": 8, "tricks": {"mixup": {"on": True}}},
    **{
        "dataset": "demo",
        "metrics": {"top1": 5.5},
        "mean": [1.0, 2.0, 3.0],
        "std": [1.0, 1.0, 1.0],
    },
    **{"channel_order": "RGB", "value_range": [0, 255], "seed": 0, "epochs": 3},
    **{"sha256": "", "num_tensors": 1, "source": "x.pth"},
}
TENSORS = {"conv1.weight": torch.ones(2, 3, 1, 1), "bn1.bias": torch.zeros(2)}


def _write_weights(folder: Path) -> None:
    (folder / "b.safetensors").write_bytes(safetensors_bytes(TENSORS))


def _card(folder: Path) -> None:
    card = read_card(folder / "b.safetensors")
    assert type(card.in_channels) is int
    assert all(map(_is_finite, (*card.mean, *card.std, *card.metrics.values())))


def _spoil_card(draw: Draw) -> bytes:
    import hashlib

    digest = hashlib.sha256(safetensors_bytes(TENSORS)).hexdigest()
    return spoil_json(draw, {**CARD, "sha256": digest})


def _tensors(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        assert all(
            isinstance(t, torch.Tensor) for t in read_tensors(folder / name).tensors.values()
        )

    return read


def _checkpoint() -> bytes:
    buffer = io.BytesIO()
    meta = {"epoch": 1, "iter": 3, "model_json": json.dumps({"type": "A"}), "seed": 0}
    groups = [{"lr": 0.1, "params": [0]}]
    optimizer = {"state": {0: {"momentum_buffer": torch.ones(2)}}, "param_groups": groups}
    whole = {"state_dict": TENSORS, "meta": meta, "optimizer": optimizer, "param_schedulers": []}
    torch.save({**whole, "message_hub": {}}, buffer)
    return buffer.getvalue()


def _load(folder: Path) -> None:
    assert isinstance(load_checkpoint(folder / "epoch_1.pth"), dict)


def _resume(folder: Path) -> None:
    assert isinstance(check_resumable(folder / "epoch_1.pth"), dict)


def _params(folder: Path) -> None:
    read = read_params(folder / "a.params")
    assert all(isinstance(tensor, torch.Tensor) for tensor in read.values())


def _numpy_pickle(folder: Path) -> None:
    assert isinstance(read_numpy_pickle(folder / "a.pkl"), dict)


# ---- a teacher's cache ----

CACHE = {"schema": 2, "num_views": 2, "num_images": 3, "top_k": 2, "num_classes": 5, "seed": 0}
CACHE_CARD = {**CACHE, "views_done": 2, "seconds": 1.5, "data": "x", "batches": None}


def _npy(kind: type, value: float, each: int) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.full((2, 3, each), value, kind))
    return buffer.getvalue()


def _write_cache(folder: Path) -> None:
    (folder / "card.json").write_text(json.dumps(CACHE_CARD))
    (folder / "classes.npy").write_bytes(_npy(np.uint16, 1, 2))
    (folder / "log_probs.npy").write_bytes(_npy(np.float16, -1, 3))


def _cache(folder: Path) -> None:
    classes, log_probs = teacher_cache.TeacherCache(folder).answer(1, 2)
    assert (classes.shape, log_probs.shape) == ((2,), (3,))


# ---- data ----

COCO = {
    "images": [
        {"id": 1, "file_name": "a.jpg", "width": 20, "height": 10},
        {"id": 2, "file_name": "b.jpg"},
    ],
    "annotations": [
        {
            **{"id": 5, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3.5, 4], "area": 14.0},
            **{"iscrowd": 0, "segmentation": [[1, 2, 3, 4, 5, 6]]},
        },
        {"image_id": 2, "category_id": 7, "bbox": [0, 0, 1, 1], "ignore": 1},
    ],
    "categories": [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}],
}
YOLO_YAML = (
    "path: .\ntrain: images/train\nval: [images/val, a.txt]\nnc: 2\nnames:\n  0: cat\n  1: 'dog'\n"
)
YOLO_LABELS = "0 0.5 0.25 0.5 0.125\n1 0.1 0.1 0.9 0.1 0.9 0.75 0.1 0.75\n"
VOC = (
    '<?xml version="1.0" encoding="utf-8"?>\n<annotation><size><width>20</width>'
    "<height>10</height></size>\n<object><name>cat</name><difficult>0</difficult>\n<bndbox>"
    "<xmin>1</xmin><ymin>2</ymin><xmax>9.5</xmax><ymax>8</ymax></bndbox></object>\n</annotation>\n"
)


def _coco(folder: Path) -> None:
    file = load_coco(folder / "a.json")
    assert all(isinstance(name, str) for name in file.names.values())
    for image in file.read_images(None):
        assert type(image.width) is int
        assert image.width >= 0
        assert all(map(_is_finite, (n for box in image.boxes for n in box.xyxy)))


def _voc(folder: Path) -> None:
    image = read_xml(folder / "a.xml", "a", folder / "a.jpg")
    assert type(image.width) is int
    assert all(type(n) is int for box in image.boxes for n in box.xyxy)


def _yolo_yaml(folder: Path) -> None:
    data = read_yolo_yaml(folder / "data.yaml")
    assert all(isinstance(name, str) and name == name.strip() != "" for name in data.names)
    for split in ("train", "val", "test"):
        assert data.places(split)


def _yolo_labels(folder: Path) -> None:
    for line in read_labels(folder / "a.txt", ("cat", "dog")):
        assert line.label in (0, 1)
        assert all(_is_finite(n) and -0.5 <= n <= 1.5 for n in line.corners)


def _names(folder: Path) -> None:
    for name in (
        *read_names(folder / "a.txt", "images", ""),
        *read_class_names(folder / "a.txt", ""),
    ):
        assert name == name.strip() != ""


def _picture(kind: str, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    pixels = np.arange(8 * 9 * 3, dtype=np.uint8).reshape(8, 9, 3)
    Image.fromarray(pixels if mode == "RGB" else pixels[..., 0] % 4).save(buffer, kind)
    return buffer.getvalue()


def _image(folder: Path) -> None:
    pixels = read_pixels(folder / "a")
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3


def _mask(folder: Path) -> None:
    labels = read_mask(folder / "a")
    assert labels.dtype == np.int32
    assert labels.ndim == 2


def _film(codec: str, suffix: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"a.{suffix}")
        fourcc = cv2.VideoWriter.fourcc(*codec)
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, 10, (16, 16))
        for level in (0, 90, 250):
            writer.write(np.full((16, 16, 3), level, np.uint8))
        writer.release()
        return path.read_bytes()


def _video(folder: Path) -> None:
    video = Video.of_file(folder / "a")
    assert 0 < video.fps <= 240
    assert video.num_stated >= 0
    for number, frame in islice(video.frames(), 9):
        assert type(number) is int
        assert frame.dtype == np.uint8
        assert frame.ndim == 3


PARAMS = written({"arg:conv0_weight": np.ones((2, 3, 1, 1), np.float32)})
PICKLED = pickle.dumps({"conv1_w": np.ones((2, 3), np.float32)})
OWN = "seed0/d_all/detection"

BORDERS: dict[str, Border] = {
    "overrides": Border("--cfg-options", _text(OVERRIDES), _overrides),
    "config": Border("config", _spoil_config, _values),
    "metrics": Border("metrics.json", _json(METRICS), _read_metrics),
    "curve": Border("curve.jsonl", _text(CURVE), _read_curve),
    "log": Border("20260101_000000/vis_data/scalars.json", _text(LOG), _read_log),
    "details": Border("details.json", _json(DETAILS), _read_details),
    "begun run": Border("run.json", _json(RUN), _read_run),
    "tricks": Border("tricks.json", _json(TRICKS), _read_tricks),
    "pointer": Border("last_checkpoint", _text("work_dirs/a/epoch_1.pth\n"), _follow),
    "resolved config": Border("resolved_config.py", _text(CONFIG), _plain_config),
    "plan": Border("ladder.json", _json(_plan()), _report, _ladder, slow=True),
    "cell": Border(
        f"{OWN}/cell.json", _json(record("d_all", "detection", 0)), _report, _ladder, slow=True
    ),
    "cell's status": Border(
        f"{OWN}/cell.json", _json(record("d_all", "detection", 0)), _own_status
    ),
    "cell's metrics": Border(f"{OWN}/metrics.json", _json(METRICS), _report, _ladder, slow=True),
    "cell's curve": Border(f"{OWN}/curve.jsonl", _text(CURVE), _report, _ladder, slow=True),
    "card": Border("b.json", _spoil_card, _card, _write_weights),
    "safetensors": Border(
        "b.safetensors", _data(safetensors_bytes(TENSORS)), _tensors("b.safetensors")
    ),
    "checkpoint": Border("epoch_1.pth", _data(_checkpoint()), _load),
    "checkpoint to resume": Border("epoch_1.pth", _data(_checkpoint()), _resume),
    "checkpoint to convert": Border("epoch_1.pth", _data(_checkpoint()), _tensors("epoch_1.pth")),
    "MXNet": Border("a.params", _data(PARAMS), _params),
    "Caffe2": Border("a.pkl", _data(PICKLED), _numpy_pickle),
    "cache's card": Border("card.json", _json(CACHE_CARD), _cache, _write_cache),
    "cache's classes": Border("classes.npy", _data(_npy(np.uint16, 1, 2)), _cache, _write_cache),
    "COCO": Border("a.json", _json(COCO), _coco),
    "VOC": Border("a.xml", _text(VOC), _voc),
    "YOLO's YAML": Border("data.yaml", _text(YOLO_YAML), _yolo_yaml),
    "YOLO's labels": Border("a.txt", _text(YOLO_LABELS), _yolo_labels),
    "list": Border("a.txt", _text("cat\ndog\nyellow bird\n"), _names),
    "JPEG": Border("a", _data(_picture("JPEG")), _image),
    "PNG": Border("a", _data(_picture("PNG")), _image),
    "AVI": Border("a", _data(_film("MJPG", "avi")), _video, slow=True),
    "MP4": Border("a", _data(_film("mp4v", "mp4")), _video),
    "mask": Border("a", _data(_picture("PNG", "L")), _mask),
    "TIFF mask": Border("a", _data(_picture("TIFF", "L")), _mask),
}
