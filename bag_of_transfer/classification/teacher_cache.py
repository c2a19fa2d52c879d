"""A teacher's answers for every image and view, stored, so that training needs no teacher.

A view is one set of draws (augmentation, mixup).  Per image and view the cache holds the k largest
log-probabilities of the teacher at temperature 1 and their classes.  The other classes share the
rest of the probability evenly; its logarithm is stored behind them, for what 16 bits leave of the
large probabilities would be their rounding.  Log-probabilities, because a softmax at T = 20 asks
how small the small probabilities are: 16 bits keep 3 digits of a logarithm, but none of a
probability below 6e-8.
Letters: V views, N images, K classes, B batch, k stored classes, L stored logarithms: k + 1, or K
where all classes are stored.
"""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from mmengine.dist import all_gather, barrier
from torch import Tensor

from bag_of_transfer.engine.array_files import BROKEN_ARRAY
from bag_of_transfer.engine.atomic import write_json
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.fields import COUNT, COUNT_OR_0, NOT_NEGATIVE, WHOLE, fields, one_of
from bag_of_transfer.engine.json_file import read_json
from bag_of_transfer.engine.process_group import is_main_process
from bag_of_transfer.engine.quantities import size

__all__ = [
    "CARD",
    "CLASSES",
    "LOG_PROBS",
    "CacheShape",
    "CacheWriter",
    "TeacherCache",
    "fill_up",
    "read_card",
    "strongest",
]

CARD, CLASSES, LOG_PROBS = "card.json", "classes.npy", "log_probs.npy"
MEND = "make the cache again with tools/cache_teacher.py"
SCHEMA = 2  # in 1, which is the same where all classes are stored, the rest is not
SPARE_BYTES = 64 * 2**20  # that the disk must have beside the cache
SHAPE = ("num_views", "num_images", "top_k", "num_classes")
CARD_RULE = fields(
    {
        "schema": one_of(1, SCHEMA),
        **dict.fromkeys(SHAPE, COUNT),
        "seed": WHOLE,
        "views_done": COUNT_OR_0,
        "seconds": NOT_NEGATIVE,
    }
)


@dataclass(frozen=True)
class CacheShape:
    """How much a cache holds: V views of N images, k of K classes each."""

    num_views: int
    num_images: int
    top_k: int
    num_classes: int

    @property
    def class_type(self) -> np.dtype[Any]:
        """The smallest type that holds every class number."""
        return np.dtype(np.uint16 if self.num_classes <= 2**16 else np.uint32)

    @property
    def num_log_probs(self) -> int:
        """Number of log-probabilities of an answer: one more than classes unless all are there."""
        return min(self.top_k + 1, self.num_classes)

    @property
    def num_bytes(self) -> int:
        """Size of the cache's two arrays."""
        classes = self.top_k * self.class_type.itemsize
        log_probs = self.num_log_probs * np.dtype(np.float16).itemsize
        return self.num_views * self.num_images * (classes + log_probs)


def strongest(
    logits: Float[Tensor, "B K"], top_k: int
) -> tuple[Int[Tensor, "B k"], Float[Tensor, "B L"]]:
    """Return the classes of the ``top_k`` largest logits, and their log-probabilities at T = 1.

    Behind these is the log-probability of all other classes together, if there are any.
    """
    log_probs = logits.float().log_softmax(1)
    values, classes = log_probs.topk(top_k, dim=1)
    if top_k == log_probs.shape[1]:
        return classes, values
    rest = log_probs.scatter(1, classes, -math.inf).logsumexp(1, keepdim=True)
    return classes, torch.cat([values, rest], 1)


def fill_up(
    classes: Int[Tensor, "B k"], log_probs: Float[Tensor, "B L"], num_classes: int
) -> Float[Tensor, "B K"]:
    """Return log-probabilities of all classes; those that are not stored share the rest evenly."""
    stored, top_k = log_probs.float(), classes.shape[1]
    full = stored.new_zeros(len(stored), num_classes)
    if top_k < num_classes:
        full += stored[:, top_k:] - math.log(num_classes - top_k)
    return full.scatter(1, classes.long(), stored[:, :top_k])


class TeacherCache:
    """A complete cache, mapped from its files: workers share the pages that they read.

    Args:
        folder: The folder that tools/cache_teacher.py wrote.

    Attributes:
        card: What the cache was made of.
        shape: How much it holds.

    Raises:
        UserError: If the folder is no cache, or one that is not complete or is damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.card = read_card(self.folder)
        self.shape = shape_of(self.card, self.folder)
        if self.card["views_done"] != self.shape.num_views:
            what = f"only {self.card['views_done']} of {self.shape.num_views} views are there"
            raise UserError(what, self.folder, "call tools/cache_teacher.py again: it goes on")
        self._classes, self._log_probs = _arrays(self.folder, self.shape)

    def __reduce__(self) -> tuple[type[TeacherCache], tuple[Path]]:
        """Let another process open the files anew: a copied map would hold all answers."""
        return TeacherCache, (self.folder,)

    def answer(self, view: int, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the stored classes (k) and log-probabilities (L) of an image in a view.

        Raises:
            UserError: If the cache has no answer for it.
        """
        log_probs = np.array(self._log_probs[view, index])  # torch wants arrays of its own
        if np.isnan(log_probs[0]):
            raise UserError(f"view {view} has no answer for image {index}", self.folder, MEND)
        return self._classes[view, index].astype(np.int64), log_probs


class CacheWriter:
    """Writes a cache view by view; one that was cut off goes on at the view that was not whole.

    Several processes call everything at the same time; the first one writes the answers of all.

    Args:
        folder: Where to write.
        card: What the cache is made of, with the fields of :class:`CacheShape`.

    Attributes:
        views_done: Number of views that are there already.

    Raises:
        UserError: If the disk has too little room.
    """

    def __init__(self, folder: Path, card: dict[str, Any]) -> None:
        self.folder = folder
        self.shape = shape_of(card, folder)
        barrier()  # none creates the folder while another still looks what it holds
        if is_main_process() and not (folder / CARD).is_file():
            _create(folder, self.shape)
            write_json(folder / CARD, {"schema": SCHEMA, **card, "views_done": 0, "seconds": 0.0})
        barrier()
        self._card = read_card(folder)
        self._classes, self._log_probs = _arrays(folder, self.shape, "r+")

    @property
    def views_done(self) -> int:
        """Return the number of views that are whole."""
        return int(self._card["views_done"])

    @property
    def seconds(self) -> float:
        """Return how long the views took that are whole."""
        return float(self._card["seconds"])

    def put(self, view: int, indices: Int[Tensor, " B"], logits: Float[Tensor, "B K"]) -> None:
        """Store the teacher's logits for some images of a view, as many in each process."""
        rows = torch.cat(all_gather(indices)).numpy()
        classes, log_probs = strongest(torch.cat(all_gather(logits)), self.shape.top_k)
        if not is_main_process():
            return
        self._classes[view, rows] = classes.cpu().numpy().astype(self.shape.class_type)
        self._log_probs[view, rows] = log_probs.cpu().numpy().astype(np.float16)

    def end_view(self, seconds: float) -> None:
        """Note that a view is whole, and add the seconds that it took."""
        self._card["views_done"] += 1
        self._card["seconds"] = round(self.seconds + seconds, 2)
        if is_main_process():
            self._classes.flush()
            self._log_probs.flush()
            write_json(self.folder / CARD, self._card)


def read_card(folder: Path) -> dict[str, Any]:
    """Return what a cache says of itself.

    Raises:
        UserError: If the folder has no card, or a damaged one, or that of an older version whose
            answers lack the rest.
    """
    if not (folder / CARD).is_file():
        raise UserError("the folder holds no teacher's cache", folder, MEND)
    card = dict(read_json(folder / CARD, MEND, CARD_RULE))
    if card["schema"] < SCHEMA and card["top_k"] < card["num_classes"]:
        what = "an older version made the cache, which lacks the other classes' probability"
        raise UserError(what, folder, f"remove the folder, then {MEND}")
    return card


def shape_of(card: dict[str, Any], folder: Path) -> CacheShape:
    """Return the shape that a card states.

    Raises:
        UserError: If there is none like it.
    """
    shape = CacheShape(*(card[name] for name in SHAPE))
    if not (0 < shape.top_k <= shape.num_classes and shape.num_views > 0 < shape.num_images):
        raise UserError(f"the card states {shape}", folder / CARD, MEND)
    return shape


def _check_room(folder: Path, needed: int) -> None:
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed + SPARE_BYTES:
        what = f"the cache takes {size(needed)}, {size(free)} are free"
        raise UserError(what, folder, "take fewer --views or a smaller --top-k, or another disk")


def _create(folder: Path, shape: CacheShape) -> None:
    """Write both arrays without answers; this also takes their room on the disk.

    They are written as plain files: on a full disk, writing to a map would end the process.
    """
    for name in (CLASSES, LOG_PROBS):  # of a call that was killed here
        (folder / name).unlink(missing_ok=True)
    _check_room(folder, shape.num_bytes)
    folder.mkdir(parents=True, exist_ok=True)
    for (name, (dimensions, kind)), value in zip(_files(shape).items(), (0, np.nan), strict=True):
        header = {"descr": kind.str, "fortran_order": False, "shape": dimensions}
        image = np.full(dimensions[-1], value, kind).tobytes()
        with (folder / name).open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for _ in range(shape.num_views):
                file.write(image * shape.num_images)


def _files(shape: CacheShape) -> dict[str, tuple[tuple[int, int, int], np.dtype[Any]]]:
    """Return the shape and type of each file's array."""
    answers = (shape.num_views, shape.num_images)
    return {
        CLASSES: ((*answers, shape.top_k), shape.class_type),
        LOG_PROBS: ((*answers, shape.num_log_probs), np.dtype(np.float16)),
    }


def _arrays(folder: Path, shape: CacheShape, mode: Any = "r") -> tuple[np.memmap, np.memmap]:
    arrays = []
    for name, (dimensions, kind) in _files(shape).items():
        try:
            array = np.lib.format.open_memmap(folder / name, mode)
        except BROKEN_ARRAY as error:
            raise UserError(f"the file can't be read ({error})", folder / name, MEND) from error
        if array.shape != dimensions or array.dtype != kind:
            what = f"the array is {array.dtype} {array.shape}, {CARD} says {kind} {dimensions}"
            raise UserError(what, folder / name, MEND)
        arrays.append(array)
    return arrays[0], arrays[1]
