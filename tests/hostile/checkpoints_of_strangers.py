"""Hostile checkpoints (.pth) and pickles of arrays (.pkl)."""

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from bag_of_transfer.engine.config.described import admit, read_description
from bag_of_transfer.engine.weights.checkpoints import load_checkpoint, meta_of
from bag_of_transfer.transfer.tensor_file import read_tensors
from tests.engine.gadgets import MADE, PROGRAM
from tests.hostile.hostile_file import HostileFile, table
from tests.hostile.pickled import (
    BROKEN,
    CALLS,
    FORMS,
    HARMLESS,
    archive,
    call,
    legacy,
    tarred,
    text,
    whole,
)

__all__ = ["FILES"]

WOULD_RUN = "would run code"
DAMAGED = "damaged, truncated or not a"
REFUSED = f"{WOULD_RUN}|another pickle protocol|{DAMAGED}"
NOT_WEIGHTS = f"{DAMAGED}|written without torch|a bomb|would run code"


def _checkpoint(path: Path, out: Path) -> None:
    load_checkpoint(path)


def _weights(path: Path, out: Path) -> None:
    read_tensors(path)


def _described(path: Path, out: Path) -> None:
    described = read_description(meta_of(load_checkpoint(path)), path)
    admit(described or {}, path)


def _saved(**contents: Any) -> bytes:
    file = io.BytesIO()
    torch.save(contents, file)
    return file.getvalue()


def _model(**model: Any) -> bytes:
    return _saved(meta={"model_json": json.dumps(model)})


def _twice(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as made:
        for body in (b"N", call("os.mkdir", text(MADE))):
            made.writestr("archive/data.pkl", whole(body))
        made.writestr("archive/version", "3\n")


def _bomb(path: Path) -> None:
    """Write an archive whose table of contents states a terabyte."""
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("archive/data.pkl", whole(b"N"))
        made.writestr("archive/data/0", b"x")
        made.filelist[-1].file_size = 2**40


def _pickle_bomb(path: Path) -> None:
    """Write a compressed pickle of two million lists."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("archive/data.pkl", b"]" * 2**21)
        made.writestr("archive/version", "3\n")


def _storage(numel: int, kind: str = "FloatStorage") -> bytes:
    size = b"\x8a\x09" + numel.to_bytes(9, "little", signed=True)
    return (
        b"("
        + text("storage")
        + f"ctorch\n{kind}\n".encode()
        + text("0")
        + text("cpu")
        + size
        + b"tQ"
    )


def _tensor(storage: int, shape: int, stride: int = 1, offset: int = 0) -> bytes:
    def number(value: int) -> bytes:
        return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)

    return whole(
        call(
            "torch._utils._rebuild_tensor_v2",
            *(_storage(storage), number(offset), number(shape) + b"\x85", number(stride) + b"\x85"),
            *(b"\x89", call("collections.OrderedDict")),
        )
    )


def _with_storage(data: bytes, size: int = 4) -> bytes:
    return archive(data, **{"data/0": bytes(size)})


CHECKPOINTS = {
    **{name: (archive(whole(body)), WOULD_RUN) for name, body in CALLS.items()},
    **{name: (archive(whole(body)), REFUSED) for name, body in FORMS.items()},
    **{
        name: (archive(data), f"{REFUSED}|not a checkpoint|a bomb") for name, data in BROKEN.items()
    },
    **{name: (archive(data), "") for name, data in HARMLESS.items()},
    **{
        f"legacy_{name}": (legacy(whole(CALLS[name])), WOULD_RUN)
        for name in (
            "os.mkdir",
            "builtins.eval",
            "subprocess.Popen",
            "torch.storage._load_from_bytes",
        )
    },
    **{
        f"bare_{name}": (whole(CALLS[name]), "written without torch")
        for name in ("os.mkdir", "builtins.eval")
    },
    "legacy_storages_that_run": (legacy(whole(b"N"), whole(CALLS["os.mkdir"])), WOULD_RUN),
    "legacy_tensor_of_exabytes": (legacy(_tensor(2**60, 2**60)), DAMAGED),
    "before_zip_and_legacy": (tarred, "a tar archive"),
    "tensor_of_exabytes": (_with_storage(_tensor(1, 2**60)), DAMAGED),
    "tensor_that_is_negative": (_with_storage(_tensor(1, -5)), DAMAGED),
    "tensor_with_an_overflow": (_with_storage(_tensor(1, 2**62, 2**62)), DAMAGED),
    "tensor_before_its_storage": (_with_storage(_tensor(1, 1, 1, -4096)), DAMAGED),
    "tensor_after_its_storage": (_with_storage(_tensor(1, 1, 1, 2**40)), DAMAGED),
    "storage_of_exabytes": (_with_storage(_tensor(2**60, 1)), DAMAGED),
    "storage_that_is_negative": (_with_storage(_tensor(-8, 1)), DAMAGED),
    "storage_that_is_missing": (archive(_tensor(1, 1)), DAMAGED),
    "byte_order_unknown": (archive(whole(b"N"), byteorder=b"../../x"), DAMAGED),
    "byte_order_big": (archive(_tensor(1, 1), byteorder=b"big"), DAMAGED),
    "two_pickles": (_twice, "twice"),
    "a_bomb": (_bomb, "compressed archive"),
    "a_pickle_as_a_bomb": (_pickle_bomb, "compressed archive"),
    "a_config_that_is_a_program": (_saved(meta={"config": PROGRAM}), "config as program text"),
    "a_pickled_network": (pickle.dumps(io.StringIO("x"), 2), "a pickled object"),
}
DESCRIBED = {
    "deep": (_saved(meta={"model_json": '{"a":' * 5000 + "1" + "}" * 5000}), "nested"),
    "very_deep": (_saved(meta={"model_json": "[" * 10**6}), "nested"),
    "large": (_saved(meta={"model_json": " " * 5_000_000}), "very long"),
    "wide": (_model(type="ResNetD", a=[0] * 100_001), "more than 100000 values"),
    "a_huge_number": (_model(type="ResNetD", depth=10**30), "larger than any number"),
    "a_number_of_5000_digits": (_saved(meta={"model_json": '{"a": ' + "9" * 5000 + "}"}), "JSON"),
    "half_a_letter": (_saved(meta={"model_json": '{"type": "\\ud800"}'}), "half a letter"),
    "keys_twice": (_saved(meta={"model_json": '{"type": "A", "type": "os.mkdir"}'}), "twice"),
    "no_text": (_saved(meta={"model_json": {"type": "os.mkdir"}}), "not a JSON text"),
    "imports": (_model(type="tests.engine.imported_by_a_gadget.X"), "not a network"),
    "another_scope": (_model(type="mkdir", _scope_="os"), "not known"),
    "a_base": (_model(type="ResNetD", _base_="gadget.py"), "not a key"),
    "a_call": (_model(type="os.mkdir", path=MADE), "not a network"),
    "terminal_escapes": (_model(type="\x1b[2J\x1b]0;owned\x07"), "not a network"),
}
ARRAYS = {
    **{name: (whole(CALLS[name]), WOULD_RUN) for name in list(CALLS)[::6]},
    **{name: (whole(FORMS[name]), NOT_WEIGHTS) for name in list(FORMS)[::2]},
    **{name: (data, NOT_WEIGHTS) for name, data in BROKEN.items()},
}
FILES: list[HostileFile] = [
    *table("checkpoint", _checkpoint, "a.pth", CHECKPOINTS),
    *table("described", _described, "a.pth", DESCRIBED),
    *table("arrays", _weights, "a.pkl", ARRAYS),
]
