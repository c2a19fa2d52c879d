"""Train with a teacher's stored answers: check that they belong to this run, and set its draws.

A cache answers for the views that were drawn when it was made, so training must draw the same
ones: the order, the augmentation and mixup's weights of epoch e are those of view e modulo V.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import get_world_size

from bag_of_transfer.classification.image_folder import ImageFolder
from bag_of_transfer.classification.settings import complete_setting
from bag_of_transfer.classification.teacher_cache import TeacherCache
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.file_hash import sha256_of
from bag_of_transfer.engine.loop.turns import TurnIndex
from bag_of_transfer.engine.quantities import duration
from bag_of_transfer.engine.run_files import follow_pointer

__all__ = [
    "WithAnswers",
    "check_can_be_cached",
    "identity_of",
    "refuse_unknown_batch",
    "use_cache",
]

CACHE = "model.distillation.cache"
# What must be the same, in the order in which a difference is told, and how it is called.
PARTS = {
    "num_classes": "number of classes",
    "num_images": "number of images",
    "data": "set of images",
    "teacher": "teacher",
    "pipeline": "augmentation",
    "mixup": "mixup setting",
    "batches": "batch size, order or number of processes, which decide what mixup mixes",
}


class WithAnswers:
    """Training data whose items have a teacher's answers; everything else is the data set's.

    Args:
        dataset: The data set.
        cache: The answers.
    """

    def __init__(self, dataset: ImageFolder, cache: TeacherCache) -> None:
        self._dataset, self._cache = dataset, cache

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._dataset)

    def __getitem__(self, index: TurnIndex) -> dict[str, Any]:
        """Return an item with ``answers``: the ``classes`` and ``log_probs`` of its view."""
        classes, log_probs = self._cache.answer(index.turn[0], index)
        return {**self._dataset[index], "answers": dict(classes=classes, log_probs=log_probs)}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # asked for while a copy has no attributes yet
            raise AttributeError(name)
        return getattr(self._dataset, name)


def use_cache(cfg: Config, train_set: Any) -> tuple[list[str], Any]:
    """Let a run learn from a cache if its config names one.

    Args:
        cfg: From :func:`bag_of_transfer.engine.run.training.prepare_training`; changed.
        train_set: The training data.

    Returns:
        The line that says so, and the training data, whose items have the answers now.

    Raises:
        UserError: If the cache is damaged or was made from another teacher, other data or another
            augmentation, or the run is none that a cache can serve.
    """
    cfg.pop("draws", None)  # a resolved config states those of its own cache
    distillation = complete_setting("distillation", cfg.model.get("distillation")) or {}
    if not distillation.get("cache"):
        return [], train_set
    cache = TeacherCache(Path(distillation["cache"]).expanduser())
    check_can_be_cached(cfg, train_set)
    _check_identity(cache, identity_of(cfg, train_set))
    views, seed = cache.shape.num_views, cache.card["seed"]
    cfg.draws = dict(seed=seed, num_views=views)
    line = (
        f"teacher: answers of {cache.folder} (views: {views}, classes: {cache.shape.top_k} of "
        f"{cache.shape.num_classes}), made in {duration(cache.card['seconds'])}; draws are "
        f"those of the cache, seed {seed}"
    )
    return [line], WithAnswers(train_set, cache)


def refuse_unknown_batch(cfg: Config) -> None:
    """Check that a run whose batch size is yet to be chosen names no cache.

    Raises:
        UserError: If it does.
    """
    distillation = complete_setting("distillation", cfg.model.get("distillation"))
    if distillation and distillation["cache"]:
        what = "a teacher's cache is made for a batch size that is known"
        raise UserError(what, f"--auto-batch with {CACHE}", "state train_dataloader.batch_size")


def check_can_be_cached(cfg: Config, train_set: Any) -> None:
    """Check that each epoch of a run sees every image at most once, and mixes always or never.

    Raises:
        UserError: If it does not.
    """
    if not isinstance(train_set, ImageFolder):
        what = f"a teacher's answers can be cached for ImageFolder, not {type(train_set).__name__}"
        raise UserError(what, "train_dataloader.dataset", "leave the cache out")
    if cfg.train_cfg.get("by_epoch") is False or "max_epochs" not in cfg.train_cfg:
        what = "the run counts iterations, but a cache is made per epoch"
        raise UserError(what, "train_cfg", "state by_epoch=True and max_epochs")
    loader = cfg.train_dataloader
    sampler = (loader.get("sampler") or {}).get("type")
    if sampler != "DefaultSampler":
        what = f"the sampler {sampler} may draw an image twice in an epoch"
        raise UserError(what, "train_dataloader.sampler", "take DefaultSampler")
    if loader.get("batch_sampler"):
        what = "which images a batch_sampler puts together is not known to a cache"
        raise UserError(what, "train_dataloader.batch_sampler", "leave it or the cache out")
    mixup = complete_setting("mixup", cfg.model.get("mixup"))
    if mixup and mixup["off_epochs"]:
        what = "mixup ends before the last epoch, but a view is mixed always or never"
        raise UserError(what, "model.mixup.off_epochs", "state 0, or leave the cache out")


def identity_of(cfg: Config, train_set: ImageFolder) -> dict[str, Any]:
    """Return what the answers depend on, by the names in ``PARTS``.

    Images are told by name, size and label, as the ladder's fingerprints are.
    """
    loader, mixup = cfg.train_dataloader, complete_setting("mixup", cfg.model.get("mixup"))
    batches = [loader.batch_size, get_world_size(), bool(loader.get("drop_last"))]
    batches += [loader.get("num_batch_per_epoch"), dict(loader.sampler)]
    pipeline = loader.dataset.pipeline
    if loader.dataset.get("colours_on_device"):  # other roundings; else as older cards have it
        pipeline = [*pipeline, "colours_on_device"]
    return {
        "num_classes": int(cfg.model.head.num_classes),
        "num_images": len(train_set),
        "data": _listing(train_set),
        "teacher": _teacher(cfg.model.distillation.teacher),
        "pipeline": json.dumps(pipeline, sort_keys=True, default=str),
        "mixup": {"alpha": mixup["alpha"]} if mixup else None,
        "batches": batches if mixup else None,
    }


def _check_identity(cache: TeacherCache, run: Mapping[str, Any]) -> None:
    for part, name in PARTS.items():
        if cache.card.get(part) != run[part]:
            what = f"the cache was made for another {name}"
            mend = "make one for this run with tools/cache_teacher.py, or leave it out"
            raise UserError(what, f"{CACHE}={cache.folder}", mend)


def _listing(train_set: ImageFolder) -> str:
    digest = hashlib.sha256()
    for index, label in enumerate(train_set.labels):
        path = train_set.path(index)
        name = path.relative_to(train_set.root).as_posix().encode("utf-8", "surrogateescape")
        digest.update(b"%s\0%d\0%d\n" % (name, path.stat().st_size, label))
    return digest.hexdigest()


def _teacher(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Return a teacher's description, with the content of its weights in place of their file."""
    described = dict(stated)
    checkpoint = described.pop("checkpoint", None)
    if checkpoint is not None:
        path = follow_pointer(Path(checkpoint).expanduser())
        if not path.is_file():
            mend = "put it back: it shows that the cache is this teacher's"
            raise UserError("the teacher's checkpoint does not exist", path, mend)
        described["sha256"] = sha256_of(path)
    return described
