"""The rungs of a ladder config: the starting points of fine-tuning."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config

from bag_of_transfer.engine.config.config_file import read_config
from bag_of_transfer.engine.config.paper_rows import paper_rows
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.own_files import CONFIGS
from bag_of_transfer.engine.tasks import Phase, find_task
from bag_of_transfer.ladder.folder import (
    PRETRAINING,
    SCRATCH,
    SEED_KINDS,
    SOURCES,
    RungKind,
    SeedKind,
    Source,
)
from bag_of_transfer.ladder.plan.checks import (
    check_folder_name,
    check_keys,
    config_with,
    existing_config,
    list_of_words,
    one_of,
    optional_text,
    yes_or_no,
)
from bag_of_transfer.ladder.plan.tune import read_grid, refuse_tuned
from bag_of_transfer.ladder.search import Grid
from bag_of_transfer.transfer.backbone_card import read_card
from bag_of_transfer.transfer.convert.model_zoos import check_model_name

__all__ = ["Rung", "read_rungs"]

KEYS = {
    *SOURCES,
    *("teacher", "cached", "teaches_only", "cfg_options", "task_options", "seeds", "tune"),
    *("label", "row", "compared_with", "states", SCRATCH),
}


@dataclass(frozen=True)
class Rung:
    """One starting point of fine-tuning.

    Args:
        name: Its key in the config, and the name of its folder.
        kind: ``"scratch"``, ``"config"`` (pretrained first), ``"file"`` (a backbone file) or
            ``"model"`` (public weights of timm or torchvision, converted first).
        source: The config, file or model's name; "" for scratch.
        label: Its name in tables.
        teacher: The earlier rung that is its teacher in distillation; "" for none.
        cached: Store the teacher's answers first and learn from them: tools/cache_teacher.py.
        teaches_only: Pretrain it for its students, but do not fine-tune it.
        cfg_options: Overrides of the pretraining config.
        task_options: Overrides of the tasks' configs, for this rung alone.
        seeds: ``"matched"``: backbone k is pretrained with seed k; ``"shared"``: all fine-tuning
            seeds use one backbone, which is always so for files and models.
        tune: Values of the pretraining's recipe to choose from by top-1 on val; None: as it is.
        row: The row of the paper's tables 8 and 9 to compare it with; "" for none.
        published: The figures of that row, in percent.
        compared_with: The earlier rung that it is meant to differ from in one thing; "" for the
            one before.
        states: Keys of configs, or their beginnings, in which it is meant to differ from that one
            besides tricks, teacher and tuned values.
    """

    name: str
    kind: RungKind
    source: str = ""
    label: str = ""
    teacher: str = ""
    cached: bool = False
    teaches_only: bool = False
    cfg_options: tuple[str, ...] = ()
    task_options: tuple[str, ...] = ()
    seeds: SeedKind = "matched"
    tune: Grid | None = None
    row: str = ""
    published: Mapping[str, float] | None = None
    compared_with: str = ""
    states: tuple[str, ...] = ()


def read_rungs(
    stated: Mapping[str, Any], seeds: SeedKind, path: Path, tune: Any = None
) -> tuple[Rung, ...]:
    """Read and check the rungs of a ladder config.

    Args:
        stated: The config's entry of each rung, by name.
        seeds: ``"matched"`` or ``"shared"``, for rungs whose entry does not say which.
        path: The ladder config.
        tune: Values of the recipe to choose from, for rungs with a config whose entry gives none.

    Raises:
        UserError: If a key is unknown, a config, file or model does not exist, a config does not
            train a classifier, a teacher or what a rung is compared with is not an earlier rung,
            two rungs have the same label, no rung is fine-tuned, a value cannot be tuned, no rung
            is tried with ``tune``, or an entry is of a wrong type.
    """
    rungs: list[Rung] = []
    for name, value in stated.items():
        check_folder_name(name, f"{path}: rungs")
        rung = _rung(name, value, seeds, tune, f"{path}: rungs.{name}")
        _check_teacher(rung, rungs, f"{path}: rungs.{name}.teacher")
        if rung.compared_with:
            earlier = [other.name for other in rungs if not other.teaches_only]
            one_of(rung.compared_with, earlier, f"{path}: rungs.{name}.compared_with")
        rungs.append(rung)
    _check_labels([rung for rung in rungs if not rung.teaches_only], f"{path}: rungs")
    if tune is not None and not any(_takes_default(rung, stated[rung.name]) for rung in rungs):
        mend = "leave it out, or add a rung with a config and without a tune of its own"
        raise UserError("no rung is tried with these values", f"{path}: tune.{PRETRAINING}", mend)
    return tuple(rungs)


def _takes_default(rung: Rung, stated: Any) -> bool:
    return rung.kind == "config" and "tune" not in stated


def _check_teacher(rung: Rung, earlier: list[Rung], where: str) -> None:
    trained = [other.name for other in earlier if other.kind == "config"]
    if rung.teacher and rung.teacher not in trained:
        raise UserError(
            f"no earlier rung with a config is called {rung.teacher!r}",
            where,
            f"name a rung that is listed before this one: {', '.join(trained) or 'none has one'}",
        )
    if rung.cached and not rung.teacher:
        raise UserError("cached=True, but the rung has no teacher", where, "name its teacher")


def _check_labels(tuned: list[Rung], where: str) -> None:
    if not tuned:
        raise UserError("no rung is fine-tuned", where, "add one, for instance scratch=None")
    names: dict[str, str] = {}
    for rung in tuned:
        other = names.setdefault(rung.label, rung.name)
        if other != rung.name:
            what = f"{other} and {rung.name} are both called {rung.label!r}"
            raise UserError(
                what, where, "tables name rungs by their label: give one of them another label"
            )


def _rung(name: str, stated: Any, seeds: SeedKind, tune: Any, where: str) -> Rung:
    if stated in (None, SCRATCH):
        return Rung(name, SCRATCH, label=name.replace("_", " "))
    if not isinstance(stated, Mapping):
        mend = "give None for random weights, or dict(config=...), dict(file=...), dict(model=...)"
        raise UserError(f"{stated!r} is not a valid rung", where, mend)
    check_keys(stated, KEYS, where)
    of_any: dict[str, Any] = dict(
        task_options=list_of_words(stated.get("task_options"), f"{where}.task_options"),
        compared_with=stated.get("compared_with") or "",
        states=list_of_words(stated.get("states"), f"{where}.states"),
    )
    label = optional_text(stated.get("label"), f"{where}.label")
    if yes_or_no(stated.get(SCRATCH, False), f"{where}.{SCRATCH}"):
        check_keys(stated, {SCRATCH, "label", *of_any}, where)
        return Rung(name, SCRATCH, label=label or name.replace("_", " "), **of_any)
    kinds = [kind for kind in SOURCES if stated.get(kind)]
    if len(kinds) != 1:
        given = " and ".join(kinds) or "no source"
        raise UserError(f"the rung gives {given}", where, f"give one of {', '.join(SOURCES)}")
    kind = kinds[0]
    source = str(stated[kind])
    _check_source(kind, source, f"{where}.{kind}")
    row = stated.get("row", "")
    if row:
        one_of(row, list(_published()), f"{where}.row")
    seed_kind = one_of(stated.get("seeds", seeds), SEED_KINDS, f"{where}.seeds")
    cfg_options = list_of_words(stated.get("cfg_options"), f"{where}.cfg_options")
    cfg = None
    if kind == "config":
        place = f"{where}.{'cfg_options' if cfg_options else 'config'}"
        cfg = config_with(Path(source), cfg_options, place)
    return Rung(
        name=name,
        kind=kind,
        source=source,
        label=label or row or name.replace("_", " "),
        teacher=stated.get("teacher") or "",
        cached=yes_or_no(stated.get("cached", False), f"{where}.cached"),
        teaches_only=yes_or_no(stated.get("teaches_only", False), f"{where}.teaches_only"),
        cfg_options=cfg_options,
        seeds=seed_kind if kind == "config" else "shared",
        tune=_grid(kind, cfg, source, cfg_options, stated, tune, where),
        row=row,
        published=_published()[row] if row else {},
        **of_any,
    )


def _grid(
    kind: Source,
    cfg: Config | None,
    source: str,
    cfg_options: tuple[str, ...],
    stated: Mapping[str, Any],
    default: Any,
    where: str,
) -> Grid | None:
    if cfg is None:
        if stated.get("tune"):
            what = f"nothing is trained that could be tuned: the rung is a {kind}"
            raise UserError(what, f"{where}.tune", "leave it out, or give a config")
        return None
    tune = stated.get("tune", default)
    if tune is None:
        return None
    grid = read_grid(tune, Path(source), cfg_options, f"{where}.tune")
    refuse_tuned(cfg_options, [grid], f"{where}.cfg_options", "leave it out, or add tune=None")
    if cfg.get("val_dataloader") is None:
        mend = "define val_dataloader, or leave tune out"
        raise UserError("no value can be chosen on val: no val split", f"{where}: {source}", mend)
    return grid


def _check_source(kind: Source, source: str, where: str) -> None:
    if kind == "file":
        read_card(source)
    elif kind == "model":
        check_model_name(source)
    else:
        cfg = read_config(existing_config(source, where), import_named=False)
        task = find_task(cfg)
        if task is None or task.phase is not Phase.PRETRAINING:
            scope = cfg.get("default_scope")
            what = f"the config does not train a classifier, its default_scope is {scope}"
            raise UserError(what, f"{where}: {source}", "give a config of configs/classification/")


@cache  # reads all configs
def _published() -> dict[str, dict[str, float]]:
    """Return the figures of the paper's tables 8 and 9, by row."""
    figures: dict[str, dict[str, float]] = {}
    for row in paper_rows(CONFIGS):
        if row["table"] in ("T8", "T9"):
            figures.setdefault(row["row"], {}).update(row["published"])
    return figures
