"""Make a teacher's cache: let it answer for every image in every view, as training would ask."""

import contextlib
import time
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import MODELS, init_default_scope

from bag_of_transfer.classification.cached_teacher import check_can_be_cached, identity_of
from bag_of_transfer.classification.classifier import ImageClassifier
from bag_of_transfer.classification.settings import complete_setting
from bag_of_transfer.classification.teacher_cache import (
    CARD,
    CLASSES,
    LOG_PROBS,
    CacheShape,
    CacheWriter,
    read_card,
)
from bag_of_transfer.engine.atomic import is_leftover_name
from bag_of_transfer.engine.bars import Step
from bag_of_transfer.engine.errors import RefusedError, UserError
from bag_of_transfer.engine.loop.channels_last import choose_channels_last, lay_out
from bag_of_transfer.engine.loop.draws import draw_by_index, note_draws
from bag_of_transfer.engine.loop.metrics_record import hardware, versions
from bag_of_transfer.engine.loop.precision import autocast_of
from bag_of_transfer.engine.process_group import is_main_process
from bag_of_transfer.engine.quantities import duration, size
from bag_of_transfer.engine.run.loader_watch import build_loader, watching_loaders

__all__ = ["DEFAULT_TOP_K", "make_cache"]

# With T = 20 all classes count; up to this many are kept whole.
DEFAULT_TOP_K = 100


def make_cache(
    cfg: Config, train_set: Any, folder: Path, num_views: int | None, top_k: int | None
) -> str:
    """Make a cache, or go on with one that was cut off; return a line on what it took.

    Args:
        cfg: From :func:`bag_of_transfer.engine.run.training.prepare_training`.
        train_set: The training data.
        folder: Where to write.
        num_views: V; None: as many as the run has epochs, which gives the live teacher's losses.
        top_k: Stored classes per answer; None: all, at most 100.

    Raises:
        UserError: If the config has no teacher, a number is out of its range, the disk is too
            small, or the run is none that a cache can serve.
        RefusedError: If the folder holds something else.
    """
    if not complete_setting("distillation", cfg.model.get("distillation")):
        what = "the config has no teacher"
        raise UserError(what, "model.distillation", "state distillation=dict(teacher=...)")
    check_can_be_cached(cfg, train_set)
    identity = identity_of(cfg, train_set)
    num_classes = identity["num_classes"]
    shape = CacheShape(
        num_views=_positive(num_views, cfg.train_cfg.max_epochs, "--views"),
        num_images=identity["num_images"],
        top_k=_positive(top_k, min(num_classes, DEFAULT_TOP_K), "--top-k", num_classes),
        num_classes=num_classes,
    )
    card = {
        "num_views": shape.num_views,
        "top_k": shape.top_k,
        "seed": (cfg.get("randomness") or {}).get("seed") or 0,
        **identity,
    }
    _refuse_another(folder, card)
    if is_main_process():
        print(
            f"{shape.num_views} views x {shape.num_images} images x {shape.top_k} classes: "
            f"{size(shape.num_bytes)} in {folder}",
            flush=True,
        )
    writer = CacheWriter(folder, {**card, "hardware": hardware(), "versions": versions()})
    if writer.views_done == shape.num_views:
        return "the cache is complete already"
    with watching_loaders():
        _fill(writer, cfg, train_set, card["seed"])
    took = duration(writer.seconds)
    return f"made in {took}; every run that uses it saves the teacher's forward pass"


def _positive(stated: int | None, default: int, flag: str, largest: int | None = None) -> int:
    number = default if stated is None else stated
    if number < 1 or (largest is not None and number > largest):
        most = f" to {largest}" if largest else " or more"
        raise UserError(f"{number} is not a valid number", flag, f"give 1{most}")
    return number


def _refuse_another(folder: Path, card: dict[str, Any]) -> None:
    unfinished = {CLASSES, LOG_PROBS}  # of a call that was killed before it wrote the card
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else {CARD}
    if not folder.exists() or {n for n in names if not is_leftover_name(n)} <= unfinished:
        return
    if not (folder / CARD).is_file():
        raise RefusedError("the folder holds something else", folder, "name a new folder")
    old = read_card(folder)
    other = [key for key, value in card.items() if old.get(key) != value]
    if other:
        what = f"the folder holds a cache of another {other[0]}"
        raise RefusedError(what, folder, "name a new folder, or remove this one")


def _fill(writer: CacheWriter, cfg: Config, train_set: Any, seed: int) -> None:
    views = writer.shape.num_views
    loader = _loader(cfg, train_set, seed, views)
    init_default_scope(cfg.default_scope)
    cfg.model.distillation.cache = None  # the teacher itself is asked
    model = MODELS.build(cfg.model)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device).eval()
    lay_out(model, choose_channels_last(cfg, model))  # bf16 rounds otherwise in the other layout
    hub = MessageHub.get_instance(f"cache_{id(writer)}")
    note_draws(hub, seed, views, len(loader))
    step = Step("asking the teacher", views * len(loader), done=writer.views_done * len(loader))
    for view in range(writer.views_done, views):
        started = time.perf_counter()
        loader.sampler.set_epoch(view)
        indices = torch.tensor(list(loader.sampler))
        hub.update_info_dict(dict(loop_stage="train", seed=seed, epoch=view, max_epochs=views))
        for number, batch in enumerate(loader):
            hub.update_info("iter", view * len(loader) + number)
            size = len(batch["labels"])
            logits = _answer(model, batch, autocast_of(cfg.optim_wrapper, device))
            writer.put(view, indices[number * loader.batch_size :][:size], logits)
            step.advance_to(step.done + 1)
            if step.due and is_main_process():
                step.show(f"view {view + 1}/{views}")
        writer.end_view(time.perf_counter() - started)
    if is_main_process():
        step.end("")


def _loader(cfg: Config, train_set: Any, seed: int, num_views: int) -> Any:
    """Return the run's own loader; without mixup one of all images, in the order of their files."""
    loader = dict(cfg.train_dataloader, dataset=dict(type=lambda: train_set))
    if not cfg.model.get("mixup"):
        sampler = dict(type="DefaultSampler", shuffle=False)
        loader.update(sampler=sampler, drop_last=False)
    return build_loader(draw_by_index(loader, seed, num_views), seed=seed)


@torch.no_grad()
def _answer(
    model: ImageClassifier, batch: dict[str, Any], precision: contextlib.AbstractContextManager
) -> torch.Tensor:
    with precision:
        data = model.data_preprocessor(batch, True)
        inputs, _ = model.mix(data["inputs"], model.soften(data["labels"]))
        teacher = model.teacher
        assert teacher is not None
        return teacher(inputs)
