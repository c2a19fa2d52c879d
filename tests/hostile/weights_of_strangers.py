"""Hostile backbone files: safetensors, their cards, MXNet's parameters, and pointers to them."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bag_of_transfer.engine.weights.checkpoints import load_checkpoint
from bag_of_transfer.transfer.backbone_card import read_card
from bag_of_transfer.transfer.tensor_file import read_shapes, read_tensors
from tests.engine.gadgets import MADE
from tests.hostile.hostile_file import HostileFile, table

__all__ = ["FILES"]

F4 = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


def _tensors(path: Path, out: Path) -> None:
    read_tensors(path)


def _shapes(path: Path, out: Path) -> None:
    read_shapes(path)


def _card(path: Path, out: Path) -> None:
    read_card(path.with_suffix(".safetensors"))


def _safetensors(header: Any, data: bytes = bytes(4), size: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


def _entry(**more: Any) -> bytes:
    return _safetensors({"layer": {**F4, **more}})


SAFETENSORS = {
    "a_header_longer_than_the_file": (_safetensors({"a": F4}, size=10**6), "safetensors"),
    "a_header_of_exabytes": (_safetensors({"a": F4}, size=2**63), "safetensors"),
    "a_header_of_no_bytes": (_safetensors(b"", size=0), "safetensors"),
    "a_header_that_ends_early": (_safetensors({"a": F4}, size=5), "safetensors"),
    "a_header_that_is_no_text": (_safetensors(b"{\xff\xfe\xff}"), "safetensors"),
    "a_header_that_is_a_list": (_safetensors(b'[{"a": 1}]'), "safetensors"),
    "a_header_of_a_thousand_levels": (
        _safetensors(b'{"a":' * 1000 + b"1" + b"}" * 1000),
        "safetensors",
    ),
    "names_twice": (_safetensors(b'{"a":%s,"a":%s}' % ((json.dumps(F4).encode(),) * 2)), ""),
    "overlapping": (_safetensors({"a": F4, "b": F4}), "safetensors"),
    "holes": (_safetensors({"a": {**F4, "data_offsets": [8, 12]}}, bytes(12)), "safetensors"),
    "offsets_beyond_the_end": (_entry(data_offsets=[0, 2**40], shape=[2**38]), "safetensors"),
    "offsets_reversed": (_entry(data_offsets=[4, 0]), "safetensors"),
    "offsets_negative": (_entry(data_offsets=[-4, 0]), "safetensors"),
    "a_negative_shape": (_entry(shape=[-1]), "safetensors"),
    "a_shape_of_fractions": (_entry(shape=[0.5]), "safetensors"),
    "a_shape_that_overflows": (_entry(shape=[2**62, 4]), "safetensors"),
    "a_shape_of_another_size": (_entry(shape=[2**20]), "safetensors"),
    "an_unknown_type": (_entry(dtype="O"), "safetensors"),
    "metadata_that_are_dicts": (
        _safetensors({"__metadata__": {"a": {"type": "os.mkdir"}}}),
        "safetensors",
    ),
    "data_after_the_end": (_safetensors({"a": F4}, bytes(400)), "safetensors"),
}
CARD = {
    "schema": 1,
    "type": "ResNetD",
    "depth": 50,
    "variant": "D",
    "in_channels": 3,
    "stem_channels": 64,
    "base_channels": 64,
    "tricks": {},
    "dataset": "",
    "metrics": {},
    "mean": [0, 0, 0],
    "std": [1, 1, 1],
    "channel_order": "RGB",
    "value_range": [0, 255],
    "seed": None,
    "epochs": None,
    "sha256": "0" * 64,
    "num_tensors": 1,
    "source": "",
}


def _with(**fields: Any) -> str:
    return json.dumps({**CARD, **fields})


CARDS: dict[str, tuple[bytes | str, str]] = {
    "empty": ("", "not JSON"),
    "nested_a_thousand_times": ('{"a":' * 1000 + "1" + "}" * 1000, "nested"),
    "nested_a_million_times": ("[" * 10**6, "nested"),
    "a_number_of_5000_digits": ('{"schema": ' + "1" * 5000 + "}", "not JSON"),
    "a_huge_number": (_with(depth=10**400), "depth"),
    "an_infinite_number": ('{"schema": 1e999}', "1e999 is larger"),
    "not_a_number": ('{"schema": NaN}', "NaN is not a number"),
    "keys_twice": ('{"schema": 1, "schema": 1}', "given twice"),
    "zeros": ("\0" * 100, "not JSON"),
    "not_utf8": (b'{"schema": "\xff"}', "not UTF-8"),
    "utf16": ("{}".encode("utf-16"), "not UTF-8"),
    "half_a_letter": ('{"a": "\\ud800"}', "half a letter"),
    "a_list": ("[]", "a list, not an object"),
    "a_program": (f"import os; os.mkdir({MADE!r})", "not JSON"),
    "html_as_type": (_with(type="<script>alert(1)</script>"), "type"),
    "a_call_as_type": (_with(type="os.mkdir"), "type"),
    "escapes_in_the_name": (_with(dataset="\x1b[2J\x1b]0;owned\x07"), "dataset"),
    "a_line_in_the_source": (_with(source="a\nerror: all is well"), "source"),
    "wide_channels": (_with(in_channels=10**9), "in_channels"),
    "options_that_name_a_file": (
        _with(
            type="TimmNetwork",
            depth=None,
            stem_channels=None,
            base_channels=None,
            variant="resnet10t",
            options={"checkpoint_path": "gadget.pth"},
        ),
        "options",
    ),
    "a_variant_that_names_a_hub": (
        _with(
            type="TimmNetwork",
            depth=None,
            stem_channels=None,
            base_channels=None,
            variant="hf-hub:a/b",
            options={},
        ),
        "variant",
    ),
    "another_files_card": (_with(), "sha256"),
}


def _beside(card: bytes | str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(card.encode() if isinstance(card, str) else card)
        path.with_suffix(".safetensors").write_bytes(_safetensors({"layer": F4}))

    return write


def _params(*numbers: int, form: str = "", tail: bytes = b"") -> bytes:
    return struct.pack("<QQQ" + form, 0x112, 0, *numbers) + tail


V2 = 0xF993FAC9
PARAMS = {
    "no_head": (b"\0" * 64, "does not begin"),
    "a_list_of_exabytes": (_params(2**62), "a list of"),
    "a_rank_of_gigabytes": (_params(1, V2, 0, 2**31, form="IiI"), "rank"),
    "a_shape_that_overflows": (
        _params(1, V2, 0, 2, 2**62, 2**62, 0, 0, 0, form="IiIqqiii"),
        "are needed",
    ),
    "a_negative_shape": (_params(1, V2, 0, 1, -5, 0, 0, 0, form="IiIqiii"), "shape"),
    "a_sparse_array": (_params(1, V2, 1, form="Ii"), "sparse"),
    "an_unknown_type": (_params(1, V2, 0, 1, 1, 0, 0, 99, form="IiIqiii"), "type 99"),
    "a_name_of_exabytes": (_params(0, 1, 2**62, form="QQ"), "are needed"),
    "a_name_that_is_no_text": (_params(0, 1, 2, form="QQ", tail=b"\xff\xfe"), "decode"),
    "more_names_than_arrays": (_params(0, 1, 0, form="QQ"), "0 arrays and 1 names"),
    "bytes_after_the_end": (_params(0, 0, form="Q", tail=b"x"), "after the end"),
}


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _of_objects(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.array([None]), allow_pickle=True)


OTHERS = {
    "a_pipe": (_fifo, "no such"),
    "an_endless_device": (_endless, "no such"),
    "a_loop_of_links": (lambda path: path.symlink_to(path), "no such"),
    "an_array_of_objects": (_of_objects, "NumPy array"),
}
POINTERS = {
    "of_a_million_letters": ("a" * 10**6, "not a checkpoint|too long"),
    "an_endless_device": (_endless, "no such checkpoint"),
}
LEADING = {
    "/etc/passwd": ("not a checkpoint", "/etc/passwd"),
    "/dev/zero": ("no such checkpoint", "/dev/zero"),
    "a\n\x1b[2Jc": ("no such checkpoint", r"a\n\x1b[2Jc"),
}


def _follow(path: Path, out: Path) -> None:
    load_checkpoint(path)


FILES: list[HostileFile] = [
    *table("safetensors", _tensors, "a.safetensors", SAFETENSORS),
    *table("header", _shapes, "a.safetensors", dict(list(SAFETENSORS.items())[::3])),
    *table("card", _card, "a.json", {n: (_beside(c), said) for n, (c, said) in CARDS.items()}),
    *table("params", _tensors, "a.params", PARAMS),
    *table("file", _tensors, "a.bin", OTHERS),
    *table("checkpoint-file", _follow, "a.pth", OTHERS),
    *table("pointer", _follow, "last_checkpoint", POINTERS),
    *(
        HostileFile("pointer", f"pointer-to-{to}", _follow, "last_checkpoint", to, said, shown)
        for to, (said, shown) in LEADING.items()
    ),
]
