"""pixAcc, mIoU and mAcc over a whole data set, in percent.

As FCN's paper defines them (arXiv:1411.4038, sec. 5), counts are added over all images first, so
that every pixel has the same weight; pixels without a label are not counted.
Letters: K classes, H W pixels.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from mmengine.dist import get_dist_info, is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS
from PIL import Image
from torch import Tensor

from bag_of_transfer.engine.atomic import write_arrays
from bag_of_transfer.engine.data.mask_reader import IGNORED
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.loop.details import Details
from bag_of_transfer.segmentation.details import pixel_details

__all__ = ["NAME_MASKS", "SegMetric", "count_confusion", "count_pixels", "name_of", "scores"]

NAME_MASKS = "state data_prefix.seg_map_path, and load the masks in the pipeline"
READ_LAST = "load the masks after what changes the image's size; a mask has the size of its image"
NO_LABEL = -(2**31)  # less than any label in a mask
# An image's name, its counts [3 K], a label that is no class, and its confusion [K K] if asked for,
# else that of all images of a process with its first.
PerImage = tuple[str, Tensor, Tensor | int, Tensor | None]


def count_confusion(
    predicted: Int[Tensor, "H W"],
    labels: Int[Tensor, "H W"],
    num_classes: int,
    ignore_index: int = 255,
) -> tuple[Int[Tensor, "K K"], Int[Tensor, ""]]:
    """Count the pixels of each class of the truth (rows) and of the prediction (columns).

    The host waits for nothing: sizes depend on K alone, and a label that is no class is returned.

    Args:
        predicted: Labels in [0, ``num_classes``).
        labels: The truth, in the same range or ``ignore_index``.
        num_classes: K.
        ignore_index: Pixels with this label are not counted.

    Returns:
        The counts, and the largest label that is neither a class nor ``ignore_index``, else
        ``NO_LABEL``.
    """
    labels = labels.long()
    unlabelled = labels == ignore_index
    no_class = ((labels < 0) | (labels >= num_classes)) & ~unlabelled
    place = labels * num_classes + predicted
    place = torch.where(unlabelled | no_class, num_classes**2, place).flatten()
    # Not bincount: its size depends on the values, which the host would have to wait for.
    counts = labels.new_zeros(num_classes**2 + 1).scatter_add_(0, place, torch.ones_like(place))
    stray = torch.where(no_class, labels, NO_LABEL).max()
    return counts[:-1].reshape(num_classes, num_classes), stray


def count_pixels(confusion: Int[Tensor, "K K"]) -> Int[Tensor, "3 K"]:
    """Return for each class the pixels that are right, that are predicted, that are labelled."""
    return torch.stack([confusion.diagonal(), confusion.sum(0), confusion.sum(1)])


def scores(counts: Int[Tensor, "3 K"]) -> tuple[dict[str, float], list[float]]:
    """Return mIoU, pixAcc and mAcc, and the IoU of each class, in percent of summed counts.

    A class that is neither labelled nor predicted has no IoU (nan) and is left out of the mean,
    as in mmseg; one that is not labelled has no accuracy.

    Raises:
        UserError: If no pixel has a label.
    """
    right, predicted, labelled = counts.double()
    if not labelled.sum():
        raise UserError("no pixel has a label", "SegMetric", "evaluate on images with masks")
    iou = 100 * right / (predicted + labelled - right)
    accuracy = 100 * right / labelled
    means = {
        "mIoU": iou.nanmean(),  # first: save_best="auto" takes the best by it
        "pixAcc": 100 * right.sum() / labelled.sum(),
        "mAcc": accuracy.nanmean(),
    }
    return {name: float(value) for name, value in means.items()}, iou.tolist()


def name_of(image: str | Path, img_dir: str | None) -> str:
    """Return an image's path below ``img_dir``, without suffix: ``berlin/000``.

    Where the folder is not known (None), return the file's name without suffix.
    """
    path = Path(image)
    return path.relative_to(img_dir).with_suffix("").as_posix() if img_dir else path.stem


@METRICS.register_module()
class SegMetric(BaseMetric):
    """mIoU, pixAcc and mAcc in percent; ``per_class`` holds the IoU by name afterwards.

    ``per_class`` lacks the classes that are neither labelled nor predicted anywhere.  ``details``
    holds what was found and confused.

    Args:
        ignore_index: Pixels with this label are not counted.
        output_dir: Folder for the predictions: grey PNG masks with the images' names, in the same
            sub-folders, with the numbers of the data set's own masks (ADE20K: from 1; of several
            that a ``label_map`` made one class, the first).
        per_image_file: Where to write the confusion of every image: an ``.npz`` with
            ``image_ids`` [N], ``classes`` [K] and ``confusion`` [N K K], pixels by truth, then by
            prediction.
        collect_device: "cpu" or "gpu", as in mmengine.
        prefix: Text before the names of the metrics, as in mmengine.
    """

    names = ("mIoU", "pixAcc", "mAcc")
    default_prefix = ""
    results: list[PerImage]

    def __init__(
        self,
        ignore_index: int = 255,
        output_dir: str | None = None,
        per_image_file: str | None = None,
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.ignore_index = ignore_index
        self.output_dir = Path(output_dir) if output_dir else None
        self.per_image_file = per_image_file
        self.per_class: dict[str, float] = {}
        self.details: Details | None = None
        self._confusions: list[Tensor] = []  # of all images but the newest, and of that
        self._written: dict[Path, str] = {}
        if self.output_dir and is_main_process():
            self.output_dir.mkdir(parents=True, exist_ok=True)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count the pixels of one batch, and write its masks where there is an ``output_dir``.

        Raises:
            UserError: If an image has no mask, or one of another size than the prediction.
        """
        num_classes = len(self.dataset_meta["classes"])
        for sample in data_samples:
            if "gt_sem_seg" not in sample:
                raise UserError("the image has no mask to judge by", sample["img_path"], NAME_MASKS)
            # Of a single logit (binary, ``out_channels=1``), mmseg gives the labels as floats.
            predicted = sample["pred_sem_seg"]["data"].squeeze(0).long()
            labels = sample["gt_sem_seg"]["data"].squeeze(0).to(predicted.device, non_blocking=True)
            if labels.shape != predicted.shape:
                what = f"mask and prediction differ in size: {_size(labels)}, {_size(predicted)}"
                raise UserError(what, sample["img_path"], READ_LAST)
            confusion, stray = count_confusion(predicted, labels, num_classes, self.ignore_index)
            counts = count_pixels(confusion)
            name = name_of(sample["img_path"], self.dataset_meta.get("img_dir"))
            self.results.append((name, counts, stray, self._kept(confusion)))
            if self.output_dir:
                self._write(self.output_dir / f"{name}.png", predicted, sample)

    def _kept(self, confusion: Tensor) -> Tensor | None:
        """Return an image's confusion if asked for; else add it up, as K K of all images is much.

        The newest image is kept apart: it may be one that a sampler repeats for the last process.
        """
        if self.per_image_file:
            return confusion.cpu()
        before = [torch.stack(self._confusions).sum(0)] if self._confusions else []
        self._confusions = [*before, confusion]
        return None

    def evaluate(self, size: int) -> dict[str, float]:
        """Copy the counts of all images from the device at once, then go on as mmengine does."""
        if self.results:
            if self._confusions:
                rank, world_size = get_dist_info()
                repeated = len(self.results) > len(range(rank, size, world_size))
                own = self._confusions[: -1 if repeated else None]
                # With fewer images than processes, the last of these have repeated ones only.
                total = torch.stack(own or [torch.zeros_like(self._confusions[0])]).sum(0)
                self.results[0] = (*self.results[0][:3], total.cpu())
                self._confusions = []
            names, counts, strays, confusions = zip(*self.results, strict=True)
            arrays = (torch.stack(counts).cpu(), torch.stack(strays).tolist())
            self.results = list(zip(names, *arrays, confusions, strict=True))
        return super().evaluate(size)

    def compute_metrics(self, results: list[PerImage]) -> dict[str, float]:
        """Add up the counts of all images and return the metrics.

        Raises:
            UserError: If a label is neither a class nor ``ignore_index``, or no pixel has a label.
        """
        names, counts, strays, confusions = zip(*results, strict=True)
        self._refuse(max(zip(strays, names, strict=True)))
        if self.per_image_file:
            classes = np.array(self.dataset_meta["classes"], dtype=str)
            arrays = dict(
                image_ids=np.array(names), classes=classes, confusion=np.stack(confusions)
            )
            write_arrays(self.per_image_file, arrays)
        per_image = torch.stack(counts)
        means, ious = scores(per_image.sum(0))
        total = sum(one for one in confusions if one is not None)
        self.details = pixel_details(total, per_image, self.dataset_meta["classes"])
        pairs = zip(self.dataset_meta["classes"], ious, strict=True)
        self.per_class = {name: iou for name, iou in pairs if not np.isnan(iou)}
        self._written.clear()
        return means

    def _refuse(self, worst: tuple[Tensor | int, str]) -> None:
        label, name = worst
        if label != NO_LABEL:
            raise UserError(
                f"label {label} in the ground truth, but there are "
                f"{len(self.dataset_meta['classes'])} classes",
                f"SegMetric, image {name}",
                f"mend the masks; {self.ignore_index} is for pixels without a label",
            )

    def _write(self, path: Path, predicted: Tensor, sample: dict) -> None:
        before = self._written.setdefault(path, sample["img_path"])
        if before != sample["img_path"]:
            raise UserError(
                "two images would give one mask file",
                f"{before} and {sample['img_path']}",
                "rename one of them",
            )
        mask = predicted.cpu().numpy()
        label_map = self.dataset_meta.get("label_map")
        if label_map:
            mask = _inverse(label_map)[mask]
        mask = mask + int(bool(sample.get("reduce_zero_label", False)))
        kind = np.uint8 if mask.max() < 256 else np.uint16
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask.astype(kind)).save(path)


def _size(labels: Tensor) -> str:
    return f"{labels.shape[1]} x {labels.shape[0]}"


def _inverse(label_map: Mapping[int, int]) -> np.ndarray:
    """Return for each class the first label of the masks that became it."""
    first: dict[int, int] = {}
    for old, new in label_map.items():
        if new != IGNORED:
            first.setdefault(new, old)
    return np.array([first.get(label, label) for label in range(max(first) + 1)])
