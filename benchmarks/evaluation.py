"""How long judging takes: COCO's AP, VOC's mAP and mIoU, ours and the library that each follows.

Command:   python benchmarks/evaluation.py
Boxes are drawn, as many as in COCO's val2017, and detections, 100 in each image.  Every way gets
the same arrays and gives the same numbers: they are compared first.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import torch
from mmdet.evaluation.functional import eval_map
from mmengine.evaluator import BaseMetric
from mmseg.evaluation import IoUMetric
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from bag_of_transfer.detection.coco_truth import CocoTruth
from bag_of_transfer.detection.metrics import CocoBoxMetric, Detections, VocMetric, coco_results
from bag_of_transfer.segmentation.metrics import SegMetric
from drawn_boxes import draw_detections, truth_of
from rounds import Comparison, compare, main

MMSEGS = ("aAcc", "mIoU", "mAcc")  # its names of our three


def pycocotools_stats(items: list[Detections], truth: CocoTruth, classes: tuple[str, ...]) -> list:
    """Judge with pycocotools; the same six numbers as ours, in percent."""
    labels = range(1, len(classes) + 1)
    with redirect_stdout(StringIO()):
        true = COCO()
        true.dataset = {
            "images": [{"id": item.image_id} for item in items],
            "categories": [{"id": label} for label in labels],
            "annotations": truth.annotations(classes),
        }
        true.createIndex()
        judge = COCOeval(true, true.loadRes(coco_results(items, labels)), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return [100 * value for value in judge.stats[:6]]


def coco(args: argparse.Namespace, folder: Path) -> Comparison:
    """Compare on COCO's 80 classes."""
    classes = tuple(map(str, range(80)))
    items = draw_detections(args.images, len(classes), 7.2, 100)
    truth = truth_of(items, classes)

    def ours(**kwargs: str) -> dict[str, float]:
        metric = CocoBoxMetric(**kwargs)
        metric.dataset_meta = {"classes": classes, "coco_truth": truth}
        return metric.compute_metrics(items)

    expected = pycocotools_stats(items, truth, classes)
    np.testing.assert_allclose(list(ours().values()), expected, rtol=0, atol=1e-6)
    return compare(
        f"COCO's AP, {args.images:,} images, {100 * args.images:,} detections, 80 classes",
        {
            "pycocotools": lambda: pycocotools_stats(items, truth, classes),
            "ours": ours,
            "ours, with the matches of every image in a file": (
                lambda: ours(per_image_file=str(folder / "matches.npz"))
            ),
        },
        rounds=args.rounds,
        work=args.images,
        unit="image",
        targets={"ours": 5},
        clock=args.clock,
        warm=False,
    )


def voc(args: argparse.Namespace, folder: Path) -> Comparison:
    """Compare on VOC's 20 classes."""
    classes = tuple(map(str, range(20)))
    items = draw_detections(args.images, len(classes), 2.5, 100, ignored=0.15)
    found = [
        [
            np.column_stack([item.boxes_xyxy, item.scores])[item.labels == label]
            for label in range(len(classes))
        ]
        for item in items
    ]
    true = [
        {
            "bboxes": item.true_boxes,
            "labels": item.true_labels,
            "bboxes_ignore": item.ignored_boxes,
            "labels_ignore": item.ignored_labels,
        }
        for item in items
    ]

    def mmdet() -> tuple[float, list]:
        options = dict(iou_thr=0.5, dataset=classes, logger="silent", nproc=1)
        return eval_map(found, true, use_legacy_coordinate=True, eval_mode="area", **options)

    def ours(**kwargs: str) -> dict[str, float]:
        metric = VocMetric(**kwargs)
        metric.dataset_meta = {"classes": classes}
        return metric.compute_metrics(items)

    # mmdet takes equal scores in any order.
    np.testing.assert_allclose(ours()["mAP_area"], 100 * mmdet()[0], rtol=0, atol=0.05)
    return compare(
        f"VOC's mAP, {args.images:,} images, {100 * args.images:,} detections, 20 classes",
        {
            "mmdet's eval_map, one of two rules": mmdet,
            "ours, both rules": ours,
            "ours, with the matches of every image in a file": (
                lambda: ours(per_image_file=str(folder / "matches.npz"))
            ),
        },
        rounds=args.rounds,
        work=args.images,
        unit="image",
        clock=args.clock,
        warm=False,
    )


def masks(args: argparse.Namespace, folder: Path) -> Comparison:
    """Compare on maps of 512 px with ADE20K's 150 classes."""
    classes, count = tuple(map(str, range(150))), max(1, args.images // 50)
    rng = torch.Generator().manual_seed(0)
    samples = []
    for number in range(count):
        labels = torch.randint(150, (16, 16), generator=rng).repeat_interleave(32, 0)
        labels = labels.repeat_interleave(32, 1)
        guessed = torch.randint(150, labels.shape, generator=rng)
        predicted = torch.where(torch.rand(labels.shape, generator=rng) < 0.7, labels, guessed)
        labels = torch.where(torch.rand(labels.shape, generator=rng) < 0.1, 255, labels)
        sample = {"pred_sem_seg": {"data": predicted[None]}, "img_path": f"{number}.jpg"}
        samples.append(sample | {"gt_sem_seg": {"data": labels[None].to(torch.uint8)}})

    def judge(metric: BaseMetric) -> dict[str, float]:
        metric.dataset_meta = {"classes": classes}
        metric.process({}, samples)
        with redirect_stdout(StringIO()):
            return metric.evaluate(count)

    def mmseg() -> dict[str, float]:
        return judge(IoUMetric(prefix="mmseg"))

    theirs, ours = mmseg(), judge(SegMetric())
    found = [ours["pixAcc"], ours["mIoU"], ours["mAcc"]]
    # mmseg rounds to two digits.
    np.testing.assert_allclose(found, [theirs[f"mmseg/{n}"] for n in MMSEGS], rtol=0, atol=0.006)
    file = str(folder / "confusions.npz")
    return compare(
        f"mIoU, {count} maps of 512 px, 150 classes",
        {
            "mmseg's IoUMetric": mmseg,
            "ours": lambda: judge(SegMetric()),
            "ours, with the confusion of every image in a file": (
                lambda: judge(SegMetric(per_image_file=file))
            ),
        },
        rounds=max(3, args.rounds),
        work=count,
        unit="image",
        clock=args.clock,
    )


def measure(args: argparse.Namespace) -> Iterator[Comparison]:
    """Yield the comparisons one by one."""
    with tempfile.TemporaryDirectory() as folder:
        for judge in (coco, voc, masks):
            if not args.only or judge.__name__ in args.only:
                yield judge(args, Path(folder))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=5000, help="(5000)")
    parser.add_argument("--only", nargs="+", help="coco, voc, masks")
    main(__doc__, measure, rounds=1, parser=parser)
