"""What the fields of a ladder's files may hold; docs/files.md says what they mean."""

from dataclasses import replace
from typing import get_args

from bag_of_transfer.engine.arguments import PRECISIONS
from bag_of_transfer.engine.fields import (
    COUNT_OR_0,
    NOT_NEGATIVE,
    NUMBER,
    SHA256,
    SWITCH,
    TEXT,
    Rule,
    by_name,
    fields,
    list_of,
    one_of,
    optional,
)
from bag_of_transfer.ladder.folder import (
    RUNG_KINDS,
    SCHEMA,
    SEED_KINDS,
    SELECTIONS,
    SOURCES,
    TASK_KINDS,
    is_folder_name,
)
from bag_of_transfer.ladder.search import Value

__all__ = ["BEGUN_RULE", "CELL_RULE", "PLAN_RULE"]


def _by_folder(rule: Rule) -> Rule:
    """Return the rule of an object whose keys name folders: others would lead out of the ladder."""
    named = by_name(rule)
    return replace(
        named,
        holds=lambda v: named.holds(v) and all(map(is_folder_name, v)),
        words="an object whose keys have letters, digits, - and _ only",
    )


_TEXTS = list_of(TEXT)
_SEEDS = list_of(COUNT_OR_0)
_VALUE = Rule(lambda v: isinstance(v, get_args(Value)), "a single value")
_TUNE = optional(by_name(list_of(_VALUE, 1)))
_RUNG = fields(
    {
        "kind": one_of(*RUNG_KINDS),
        "label": optional(TEXT),
        **dict.fromkeys(SOURCES, optional(TEXT)),
        "teacher": optional(TEXT),
        "seeds": one_of(*SEED_KINDS),
        "published": optional(by_name(NUMBER)),
        "tune": _TUNE,
        "compared_with": optional(TEXT),
        "states": optional(_TEXTS),
        "task_options": optional(_TEXTS),
    }
)
_TASK = fields(
    {
        "kind": one_of(*TASK_KINDS),
        "config": optional(TEXT),
        "metrics": list_of(TEXT, 1),
        "published_split": optional(SWITCH),
        "tta": optional(SWITCH),
        "tune": _TUNE,
    }
)
PLAN_RULE = fields(  # of ladder.json
    {
        "schema": one_of(SCHEMA),
        "name": TEXT,
        "config": optional(TEXT),
        "reference": TEXT,
        "seeds": _SEEDS,
        "shared_seed": optional(COUNT_OR_0),
        "selection": optional(one_of(*SELECTIONS)),
        "margins": optional(by_name(NOT_NEGATIVE)),
        "rungs": _by_folder(_RUNG),
        "teachers": optional(_by_folder(_RUNG)),
        "tasks": _by_folder(_TASK),
        "tuning_seeds": optional(_SEEDS),
        "amp": optional(one_of(*PRECISIONS)),
        "notes": optional(_TEXTS),
    }
)

_FINGERPRINT = optional(by_name(optional(TEXT)))
_SPEEDS = ("img_per_s", "minutes_per_epoch", "seconds", "cache_seconds")
BEGUN_RULE = fields({"fingerprint": _FINGERPRINT, "started": optional(TEXT)})
CELL_RULE = fields(  # of cell.json
    {
        "schema": optional(one_of(SCHEMA)),
        "rung": optional(TEXT),
        "task": optional(TEXT),
        "seed": optional(COUNT_OR_0),
        "backbone_seed": optional(COUNT_OR_0),
        "status": one_of("done", "failed"),
        "reason": optional(TEXT),
        "lost": optional(TEXT),
        "commands": optional(list_of(_TEXTS)),
        "fingerprint": _FINGERPRINT,
        "kept_for": _FINGERPRINT,
        "backbone_gone": optional(SWITCH),
        "files": optional(by_name(SHA256)),
        "seconds": optional(NOT_NEGATIVE),
        "train": optional(fields(dict.fromkeys(_SPEEDS, optional(NOT_NEGATIVE)))),
        "started": optional(TEXT),
        "finished": optional(TEXT),
        "notes": optional(_TEXTS),
    }
)
