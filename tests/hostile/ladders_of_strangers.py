"""Hostile files in a ladder's folder, in a run's and in a teacher's cache."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bag_of_transfer.classification.teacher_cache import TeacherCache
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.run_files import read_curve, read_metrics, read_tricks
from bag_of_transfer.ladder.report.cell_files import damaged_files
from bag_of_transfer.ladder.report.results import CellResult, read_results
from tests.engine.gadgets import EVAL, Pickled
from tests.hostile.hostile_file import HostileFile, table

__all__ = ["FILES"]


def _plan(path: Path, out: Path) -> None:
    read_results(path.parent)


def _metrics(path: Path, out: Path) -> None:
    read_metrics(path.parent, "run it again")


def _curve(path: Path, out: Path) -> None:
    read_curve(path.parent, "run it again", ("epoch",))


def _tricks(path: Path, out: Path) -> None:
    read_tricks(path.parent, "run it again")


def _cell(path: Path, out: Path) -> None:
    """Read the small files of a cell; the report goes on without a damaged one and names it."""
    for _, name, what in damaged_files([CellResult("a", "t", 0, path.parent, "done")]):
        raise UserError(what, path.parent / name, "run the cell again")


def _cache(path: Path, out: Path) -> None:
    TeacherCache(path.parent)


DEEP = {
    "nested_a_thousand_times": ('{"a":' * 1000 + "1" + "}" * 1000, "nested"),
    "nested_a_million_times": ("[" * 10**6, "nested"),
    "a_number_of_5000_digits": ('{"a": ' + "9" * 5000 + "}", "not JSON"),
    "half_a_letter": ('{"a": "\\udc00"}', "half a letter"),
    "zeros": ("\0" * 1000, "not JSON"),
    "an_endless_device": (lambda path: path.symlink_to("/dev/zero"), "device|no ladder|no teacher"),
}
TRICKS = {**DEEP, "a_text": ('{"a": "b"}', "not an object")}
del TRICKS["an_endless_device"]  # as if it were not there
PLAN: dict[str, Any] = {
    "schema": 1,
    "name": "a",
    "reference": "a",
    "seeds": [0],
    "rungs": {"a": {}},
    "tasks": {},
}


def _planned(**more: Any) -> str:
    return json.dumps({**PLAN, **more})


RUNG = {"kind": "config", "label": "a", "config": "a.py", "seeds": "matched"}
TASK = {"kind": "det", "config": "a.py", "metrics": ["AP50"]}
PLANS = {
    **DEEP,
    "a_rung_above": (_planned(rungs={"a": RUNG, "../../b": RUNG}), "letters, digits"),
    "a_task_above": (_planned(rungs={"a": RUNG}, tasks={"../../t": TASK}), "letters, digits"),
    "a_rung_with_escapes_and_zeros": (
        _planned(rungs={"a": RUNG, "\0\x1b[2J": RUNG}),
        "letters, digits",
    ),
    "a_seed_of_400_digits": (
        _planned(rungs={"a": RUNG}, tasks={"t": TASK}, seeds=[10**400]),
        "seeds.0",
    ),
    "a_call_as_a_kind": (_planned(rungs={"a": {**RUNG, "kind": "os.mkdir"}}), "not one of"),
}
LINES = {
    "nested_in_a_line": ('{"epoch": 1}\n{"a":' + "[" * 10**5, "nested"),
    "a_line_of_megabytes_of_zeros": ("\0" * 10**6, "not JSON"),
    "a_program": (EVAL, "not JSON"),
    "a_dict_as_a_number": ('{"epoch": {"type": "os.mkdir"}}', "not a finite number"),
}


def _npz(array: Callable[[Any], None]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made,
            made.open("a.npy", "w") as file,
        ):
            array(file)

    return write


def _header(text: str, data: bytes = b"") -> bytes:
    padded = text + " " * (117 - len(text)) + "\n"
    return b"\x93NUMPY\1\0" + len(padded).to_bytes(2, "little") + padded.encode() + data


def _stating(shape: str, kind: str = "<f4", data: bytes = b"") -> bytes:
    return _header(f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}}}", data)


def _objects() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([Pickled()], dtype=object), allow_pickle=True)
    return file.getvalue()


ARRAYS: dict[str, bytes] = {
    "objects": _objects(),
    "exabytes": _stating("(2**60,)".replace("2**60", str(2**60))),
    "gigabytes": _stating(f"({2**34},)"),
    "negative": _stating("(-5,)"),
    "fields_of_objects": _stating("(1,)", "|O", b"cos\nmkdir\n"),
    "a_program": _header(EVAL),
    "brackets": _header("(" * 100),
    "a_late_version": b"\x93NUMPY\x09\0" + bytes(100),
    "zeros": bytes(1000),
}


def _claiming(path: Path) -> None:
    """Write an archive whose table of contents states 10 GB."""
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a.npy", _stating("(0,)"))
        made.filelist[0].file_size = 10**10


PER_IMAGE = {
    **{
        name: (_npz(lambda file, data=data: file.write(data)), "not a file of arrays")
        for name, data in ARRAYS.items()
    },
    "a_bomb": (_claiming, "unpack to"),
    "a_pickle": (b"\x80\x02cos\nmkdir\n.", "not a file of arrays"),
    "an_endless_device": (lambda path: path.symlink_to("/dev/zero"), "device"),
}
SETTINGS = {
    "brackets_by_thousands": ("a = " + "[" * 10_000, "SyntaxError|MemoryError|Recursion"),
    "signs_by_thousands": ("a = " + "-" * 100_000 + "1", "SyntaxError|MemoryError|Recursion"),
    "zeros": ("a = '\0'", "SyntaxError|ValueError"),
    "not_text": (b"a = '\xff'", "SyntaxError|MemoryError|Recursion"),
}
CACHE = {
    "schema": 2,
    "num_views": 1,
    "num_images": 2,
    "top_k": 1,
    "num_classes": 2,
    "seed": 0,
    "views_done": 1,
    "seconds": 0,
}


def _cached(card: str, array: bytes = b"") -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(card)
        path.with_name("classes.npy").write_bytes(array)
        path.with_name("log_probs.npy").write_bytes(array)

    return write


CACHES = {
    **{name: (_cached(json.dumps(CACHE), data), "can't be read") for name, data in ARRAYS.items()},
    **{f"card_{name}": row for name, row in DEEP.items()},
    "a_card_of_exabytes": (
        _cached(json.dumps({**CACHE, "num_images": 1e300})),
        "num_images is 1e.300",
    ),
    "a_card_of_no_number": (
        _cached(json.dumps({**CACHE, "top_k": "os.mkdir"})),
        "top_k is",
    ),
}
FILES: list[HostileFile] = [
    *table("plan", _plan, "ladder.json", PLANS),
    *table("metrics", _metrics, "metrics.json", DEEP),
    *table("tricks", _tricks, "tricks.json", TRICKS),
    *table("curve", _curve, "curve.jsonl", LINES),
    *table("per-image", _cell, "per_image.npz", PER_IMAGE),
    *table("settings", _cell, "resolved_config.py", SETTINGS),
    *table("cache", _cache, "card.json", CACHES),
]
