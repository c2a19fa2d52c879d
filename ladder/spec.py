"""What a ladder config says: rungs, tasks, seeds; read once and checked before anything runs."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config

from engine.config_file import read_config
from engine.errors import UserError
from engine.paper_rows import paper_rows
from transfer.backbone_card import read_card
from transfer.libraries import check_model_name

__all__ = ["PRETRAINING", "SCRATCH", "Ladder", "Rung", "Task", "read_ladder"]

SCRATCH = "scratch"
PRETRAINING = "pretraining"  # the folder of a rung's pretraining, beside those of the tasks
CONFIGS = Path(__file__).resolve().parents[1] / "configs"
KINDS = {"mmdet": "det", "mmseg": "seg"}
METRICS = {"CocoBoxMetric": ("AP",), "VocMetric": ("mAP_voc07",), "SegMetric": ("pixAcc", "mIoU")}
RUNG_KEYS = {
    *("config", "file", "model", "teacher", "teaches_only", "cfg_options", "seeds", "label", "row"),
}
TASK_KEYS = {"config", "cfg_options", "published_split"}
LADDER_KEYS = {
    *("rungs", "tasks", "seeds", "reference", "pretrain_seeds", "selection", "num_pictures"),
}
ALIKE = 0.75  # difflib's ratio from which a key is taken for a misspelt one ("referenze": 0.89)
SEEDS = ("matched", "shared")
SELECTIONS = ("last", "val")


@dataclass(frozen=True)
class Rung:
    """One starting point of fine-tuning.

    Args:
        name: Its key in the config, and the name of its folder.
        kind: ``"scratch"``, ``"config"`` (pretrained first), ``"file"`` (a backbone file) or
            ``"model"`` (of timm or torchvision, converted first).
        source: Config, file or model name; "" for scratch.
        label: What tables call it.
        teacher: The rung that it is distilled from, an earlier one; "" for none.
        teaches_only: It is pretrained for its students, and not fine-tuned.
        cfg_options: Overrides of the pretraining config.
        seeds: ``"matched"``: backbone k is pretrained with seed k; ``"shared"``: one backbone for
            all fine-tuning seeds, always so for files and models.
        row: The row of the paper's tables 8 and 9 whose figures stand beside it; "" for none.
        published: Those figures, in percent.
    """

    name: str
    kind: str
    source: str = ""
    label: str = ""
    teacher: str = ""
    teaches_only: bool = False
    cfg_options: tuple[str, ...] = ()
    seeds: str = "matched"
    row: str = ""
    published: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Task:
    """One detection or segmentation config that every rung is fine-tuned with.

    Args:
        name: Its key in the config, and the name of its folder.
        kind: ``"det"`` or ``"seg"``.
        config: The config file.
        metrics: Those that tables show, first the one that counts.
        cfg_options: Overrides.
        published_split: val and test may share images, as in the published protocols of ADE20K,
            COCO and VOC 2007; nothing is picked on val then.
    """

    name: str
    kind: str
    config: Path
    metrics: tuple[str, ...]
    cfg_options: tuple[str, ...] = ()
    published_split: bool = False


@dataclass(frozen=True)
class Ladder:
    """Rungs x tasks x seeds.

    Args:
        name: Of the config file.
        config: The config file.
        rungs: In the order of the tables.
        tasks: In the order of the tables.
        seeds: Of the fine-tuning, and of the pretraining where seeds are matched.
        shared_seed: Seed of a backbone that all fine-tuning seeds share.
        reference: The rung that others are compared with, seed by seed.
        selection: ``"last"``: the last checkpoint is tested; ``"val"``: the best on val.
        num_pictures: So many test images per task are drawn with what was predicted.
    """

    name: str
    config: Path
    rungs: tuple[Rung, ...]
    tasks: tuple[Task, ...]
    seeds: tuple[int, ...]
    shared_seed: int
    reference: str
    selection: str = "last"
    num_pictures: int = 6


def read_ladder(path: Path, seeds: Sequence[int] | None = None) -> Ladder:
    """Read and check a ladder config.

    Args:
        path: The config: ``rungs``, ``tasks``, ``seeds``, and what :class:`Ladder` knows.
        seeds: In place of the config's.

    Raises:
        UserError: If a key is unknown, a file or model does not exist, a teacher is no earlier
            rung, a task has no test split, or a value is out of its range.
    """
    cfg = read_config(path)
    # Others are the config's own, for writing long names once; not what looks like one of ours.
    for key in cfg:
        alike = difflib.get_close_matches(key, LADDER_KEYS, n=1, cutoff=ALIKE)
        if alike and key not in LADDER_KEYS:
            raise UserError(f"unknown key {key!r}", path, f"did you mean {alike[0]!r}?")
    for needed in ("rungs", "tasks", "seeds"):
        if not cfg.get(needed):
            raise UserError("nothing is stated", f"{path}: {needed}", "see configs/ladder/demo.py")
    selection = _one_of(cfg.get("selection", "last"), SELECTIONS, f"{path}: selection")
    default = _one_of(cfg.get("pretrain_seeds", "matched"), SEEDS, f"{path}: pretrain_seeds")
    rungs = _read_rungs(cfg, default, path)
    tasks = tuple(_task(name, value, path) for name, value in cfg.tasks.items())
    if selection == "val" and any(task.published_split for task in tasks):
        mend = 'leave selection at "last": picking on the test split would flatter every rung'
        raise UserError("a task has published_split", f"{path}: selection", mend)
    names = [rung.name for rung in rungs if not rung.teaches_only]
    if not names:
        mend = "add one that is, scratch=None say"
        raise UserError("no rung is fine-tuned", f"{path}: rungs", mend)
    reference = cfg.get("reference", SCRATCH if SCRATCH in names else names[0])
    _one_of(reference, names, f"{path}: reference")
    return Ladder(
        name=path.stem,
        config=path,
        rungs=rungs,
        tasks=tasks,
        seeds=_seeds(seeds or cfg.seeds, path),
        shared_seed=min(cfg.seeds),
        reference=reference,
        selection=selection,
        num_pictures=int(cfg.get("num_pictures", 6)),
    )


def _known(stated: set[str], known: set[str], where: object) -> None:
    unknown = sorted(stated - known)
    if unknown:
        raise UserError(f"unknown key {unknown[0]!r}", where, f"known: {', '.join(sorted(known))}")


def _one_of(value: Any, known: Sequence[str], where: str) -> str:
    if value not in known:
        raise UserError(f"{value!r} is not known", where, f"use one of {', '.join(known)}")
    return str(value)


def _seeds(stated: Sequence[int], path: Path) -> tuple[int, ...]:
    seeds = tuple(stated)
    if len(set(seeds)) < len(seeds) or any(not isinstance(seed, int) or seed < 0 for seed in seeds):
        mend = "give different whole numbers from 0 on"
        raise UserError(f"seeds are {list(seeds)}", f"{path}: seeds", mend)
    return seeds


# ---- rungs ----


def _read_rungs(cfg: Config, default: str, path: Path) -> tuple[Rung, ...]:
    rungs: list[Rung] = []
    for name, stated in cfg.rungs.items():
        _folder_name(name, f"{path}: rungs")
        rung = _rung(name, stated, default, f"{path}: rungs.{name}")
        trained = [one.name for one in rungs if one.kind == "config"]
        if rung.teacher and rung.teacher not in trained:
            raise UserError(
                f"no earlier rung with a config is called {rung.teacher!r}",
                f"{path}: rungs.{name}.teacher",
                f"name a rung that stands above it ({', '.join(trained) or 'none does'})",
            )
        rungs.append(rung)
    return tuple(rungs)


def _rung(name: str, stated: Any, default: str, where: str) -> Rung:
    if stated in (None, SCRATCH):
        return Rung(name, SCRATCH, label=name.replace("_", " "))
    if not isinstance(stated, Mapping):
        mend = "say None for a random start, or dict(config=...), dict(file=...), dict(model=...)"
        raise UserError(f"a rung cannot be {stated!r}", where, mend)
    _known(set(stated), RUNG_KEYS, where)
    kinds = [kind for kind in ("config", "file", "model") if stated.get(kind)]
    if len(kinds) != 1:
        said = " and ".join(kinds) or "nothing"
        raise UserError(f"it names {said}", where, "name one of config, file, model")
    kind = kinds[0]
    source = str(stated[kind])
    _source_exists(kind, source, f"{where}.{kind}")
    row = stated.get("row", "")
    if row:
        _one_of(row, list(_published()), f"{where}.row")
    return Rung(
        name=name,
        kind=kind,
        source=source,
        label=stated.get("label") or row or name.replace("_", " "),
        teacher=stated.get("teacher") or "",
        teaches_only=bool(stated.get("teaches_only", False)),
        cfg_options=tuple(stated.get("cfg_options") or ()),
        seeds=_one_of(stated.get("seeds", default), SEEDS, f"{where}.seeds")
        if kind == "config"
        else "shared",
        row=row,
        published=_published()[row] if row else {},
    )


def _source_exists(kind: str, source: str, where: str) -> None:
    if kind == "config":
        _existing(source, where)
    elif kind == "file":
        read_card(source)
    else:
        check_model_name(source)


@cache  # it reads all configs
def _published() -> dict[str, dict[str, float]]:
    """Figures of tables 8 and 9 by row."""
    found: dict[str, dict[str, float]] = {}
    for row in paper_rows(CONFIGS):
        if row["table"] in ("T8", "T9"):
            found.setdefault(row["row"], {}).update(row["published"])
    return found


# ---- tasks ----


def _task(name: str, stated: Any, path: Path) -> Task:
    where = f"{path}: tasks.{name}"
    _folder_name(name, f"{path}: tasks")
    if name == PRETRAINING:
        raise UserError("a task cannot be called so", where, "choose another name")
    if not isinstance(stated, Mapping):
        stated = dict(config=stated)
    _known(set(stated), TASK_KEYS, where)
    config = _existing(str(stated.get("config")), f"{where}.config")
    cfg = read_config(config)
    kind = KINDS.get(cfg.get("default_scope", ""))
    if kind is None:
        mend = "give a config of configs/detection/ or configs/segmentation/"
        raise UserError("it is neither a detection nor a segmentation config", where, mend)
    metrics = METRICS.get(str((cfg.get("test_evaluator") or {}).get("type")))
    if cfg.get("test_dataloader") is None or metrics is None:
        mend = "state test_dataloader, and test_evaluator as VocMetric, CocoBoxMetric or SegMetric"
        raise UserError("the task has no test split", f"{where} ({config})", mend)
    return Task(
        name=name,
        kind=kind,
        config=config,
        metrics=metrics,
        cfg_options=tuple(stated.get("cfg_options") or ()),
        published_split=bool(stated.get("published_split", False)),
    )


def _existing(config: str, where: str) -> Path:
    if not Path(config).is_file():
        raise UserError(
            f"no such config: {config}", where, "name a file, seen from where you stand"
        )
    return Path(config)


def _folder_name(name: str, where: str) -> None:
    if not name.replace("_", "").replace("-", "").isalnum():
        mend = "use letters, digits, - and _: it becomes a folder's name"
        raise UserError(f"the name {name!r} won't do", where, mend)
