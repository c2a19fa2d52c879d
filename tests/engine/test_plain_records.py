"""Plain records beside weights are read as data, whatever wrote them; nothing of them runs."""

import argparse
import collections
import copyreg
import datetime
import decimal
import fractions
import io
import os
import pathlib
import pickle
import types
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.weights.checkpoints import load_checkpoint
from bag_of_transfer.transfer.numpy_pickle import read_numpy_pickle

UTC = datetime.timezone.utc
WHEN = datetime.datetime(2024, 2, 29, 12, 30, tzinfo=UTC)
STRUCTURED = np.array([(1.5, 7)], dtype=[("a", ">f4"), ("b", "i2")])
MATCHES: list[tuple[Any, Any]] = [
    (argparse.Namespace(lr=0.1, out=Path("a/b")), {"lr": 0.1, "out": pathlib.PurePosixPath("a/b")}),
    (types.SimpleNamespace(a=argparse.Namespace(b=1)), {"a": {"b": 1}}),
    (WHEN, WHEN),
    (WHEN.date(), WHEN.date()),
    (WHEN.time(), WHEN.time()),
    (datetime.timedelta(3, 4), datetime.timedelta(3, 4)),
    (pathlib.PurePosixPath("/a/b"), pathlib.PurePosixPath("/a/b")),
    (pathlib.PureWindowsPath("C:/a"), pathlib.PureWindowsPath("C:/a")),
    (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    (collections.defaultdict(list, a=[1]), {"a": [1]}),
    (collections.Counter("aab"), {"a": 2, "b": 1}),
    (collections.deque([1, 2], 5), [1, 2]),
    (collections.UserDict(a=1), {"a": 1}),
    (collections.UserList([1]), [1]),
    (frozenset([1]), frozenset([1])),
    ({datetime.date(2024, 1, 1): {np.str_("k")}}, {datetime.date(2024, 1, 1): {"k"}}),
    (range(3), range(3)),
    (1 + 2j, 1 + 2j),
    (decimal.Decimal("0.1"), decimal.Decimal("0.1")),
    (fractions.Fraction(1, 3), fractions.Fraction(1, 3)),
    (uuid.UUID(int=5), uuid.UUID(int=5)),
    (torch.Size([1, 2]), torch.Size([1, 2])),
    (torch.float16, torch.float16),
    (torch.torch_version.TorchVersion("2.1.0"), "2.1.0"),
    (np.dtype(">f8"), np.dtype(">f8")),
    (float, "builtins.float"),
    (np.float32, "numpy.float32"),
]
SCALARS = [
    *(np.dtype(code).type(1) for code in np.typecodes["All"] if code not in "OSUVMm"),
    *(np.str_("grün"), np.str_(""), np.bytes_(b"ab"), np.void(b"xy"), STRUCTURED[0]),
    *(np.datetime64("2024-01-01T00:00", "m"), np.timedelta64(3, "h"), np.datetime64("NaT")),
]
ARRAYS = [
    np.arange(6.0).reshape(2, 3),
    np.asfortranarray(np.arange(6).reshape(2, 3)),
    np.array(["a", "bc"]),
    np.array([b"x"]),
    np.array([1, "x", None, WHEN.date()], dtype=object),
    np.array(WHEN.date(), dtype="M8[D]"),
    np.zeros((0, 3), np.uint8),
    np.array(2.5),
    STRUCTURED,
    np.zeros(2, [("a", "f4", (2,)), ("b", "U3")]),
]


def save(tmp_path: Path, contents: Any, **options: Any) -> Path:
    torch.save(
        {"state_dict": {"a.weight": torch.ones(2, 2)}, "x": contents}, tmp_path / "a.pth", **options
    )
    return tmp_path / "a.pth"


@pytest.mark.parametrize("is_zip", [True, False])
def test_plain_records_become_plain_values(tmp_path: Path, is_zip: bool) -> None:
    written = [written for written, _ in MATCHES]
    path = save(tmp_path, written, _use_new_zipfile_serialization=is_zip)
    read = load_checkpoint(path)["x"]
    assert len(read) == len(MATCHES) == 27
    for value, (_, expected) in zip(read, MATCHES, strict=True):
        assert value == expected


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_without_torch_is_read_alike(tmp_path: Path, protocol: int) -> None:
    written = [one for one, _ in MATCHES if not type(one).__module__.startswith("torch")]
    written = [one for one in written if one is not torch.float16]
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({"x": written, "a": np.ones(2)}, protocol))
    read = read_numpy_pickle(path)["x"]
    expected = [match for one, match in MATCHES if any(one is other for other in written)]
    assert read == expected


def test_every_kind_of_numpy_scalar_keeps_kind_and_value(tmp_path: Path) -> None:
    read = load_checkpoint(save(tmp_path, SCALARS))["x"]
    assert len(read) == len(SCALARS) > 25
    for value, written in zip(read, SCALARS, strict=True):
        assert isinstance(value, np.generic)
        assert value.dtype == written.dtype
        assert value.tobytes() == written.tobytes()


def test_arrays_keep_dtype_shape_and_order(tmp_path: Path) -> None:
    read = load_checkpoint(save(tmp_path, ARRAYS))["x"]
    for array, written in zip(read, ARRAYS, strict=True):
        assert type(array) is np.ndarray
        assert (array.dtype, array.shape) == (written.dtype, written.shape)
        assert repr(array) == repr(written)
        array[...] = written  # writable


def test_what_was_read_can_be_saved_and_read_again(tmp_path: Path) -> None:
    first = load_checkpoint(save(tmp_path, [written for written, _ in MATCHES] + SCALARS[:-1]))
    assert load_checkpoint(save(tmp_path, first["x"]))["x"] == first["x"]


def test_a_path_of_python_3_13_and_one_of_windows_are_read(tmp_path: Path) -> None:

    stream = io.BytesIO()
    torch.save({"state_dict": {}, "x": Path("a/b")}, stream, _use_new_zipfile_serialization=False)
    for name in (
        b"pathlib._local\nPosixPath",
        b"pathlib\nWindowsPath",
        b"pathlib._local\nWindowsPath",
    ):
        path = tmp_path / "a.pth"
        path.write_bytes(stream.getvalue().replace(b"pathlib\nPosixPath", name))
        assert load_checkpoint(path)["x"].as_posix() == "a/b"


def test_a_record_that_holds_itself_is_read(tmp_path: Path) -> None:
    space = argparse.Namespace(deep=[{}])
    space.deep[0]["again"] = space
    read = load_checkpoint(save(tmp_path, space))["x"]
    assert read["deep"][0]["again"] is read


# ---- nothing runs ----


class Calls:
    """Pickles as a call of ``function``, with ``state`` for what comes out."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.call = function, arguments, state

    def __reduce__(self) -> Any:
        return self.call


EVIL = [
    argparse.Namespace(callback=Calls(os.mkdir, "proof")),
    Calls(argparse.Namespace, state=Calls(os.mkdir, "proof")),
    Calls(argparse.Namespace, state=(None, {"__class__": os.mkdir})),
    Calls(argparse.Namespace, state=(None, {"__class__": argparse.Namespace})),
    Calls(argparse.Namespace, state={1: 2}),
    Calls(argparse.Namespace, state=["not", "attributes"]),
    Calls(getattr, argparse.Namespace, "__init__"),
    Calls(getattr, Calls(getattr, argparse.Namespace, "__init__"), "__globals__"),
    Calls(collections.defaultdict, os.mkdir),
    Calls(copyreg._reconstructor, os.mkdir, object, None),
    Calls(np._core.multiarray._reconstruct, np.memmap, (0,), b"b"),
    Calls(np._core.multiarray._reconstruct, np.ndarray, (10**12,), b"b"),
    Calls(np.dtype, "f4,f4"),
    Calls(fractions.Fraction, "1e999999999"),
    *(Calls(kind, range(10**12)) for kind in (set, frozenset, collections.deque)),
]


@pytest.mark.parametrize("number", range(len(EVIL)))
def test_what_would_be_more_than_data_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        load_checkpoint(save(tmp_path, EVIL[number]))
    assert caught.value.exit_code == 2
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"x": EVIL[number]}))
    with pytest.raises(UserError):
        read_numpy_pickle(tmp_path / "x.pkl")
    assert not Path("proof").exists()


def test_attributes_of_a_namespace_are_nothing_but_data(tmp_path: Path) -> None:
    names = ("__class__", "__dict__", "__setstate__", "__reduce__", "__getattr__", "callback")
    space = argparse.Namespace()
    vars(space).update((name, f"the {name}") for name in names)
    read = load_checkpoint(save(tmp_path, space))["x"]
    assert type(read) is dict
    assert read == {name: f"the {name}" for name in names}


def test_a_pickle_cannot_change_the_stand_ins(tmp_path: Path) -> None:
    # c...: the class itself; BUILD with (None, {name: value}) would set attributes of it.
    data = b"\x80\x02cargparse\nNamespace\nN}X\x05\x00\x00\x00stateK\x01s\x86b."
    (tmp_path / "x.pkl").write_bytes(data)
    with pytest.raises(UserError):
        read_numpy_pickle(tmp_path / "x.pkl")
    assert load_checkpoint(save(tmp_path, argparse.Namespace()))["x"] == {}


def test_deep_nesting_is_refused_not_a_crash(tmp_path: Path) -> None:
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    with pytest.raises(UserError):
        load_checkpoint(save(tmp_path, deep))


# ---- what stays refused ----


class Config:
    """A class of the user's own project."""

    def __init__(self) -> None:
        self.lr = 0.1


@pytest.mark.parametrize("is_zip", [True, False])
def test_what_is_refused_is_named_with_its_key_and_how_to_strip_it(
    tmp_path: Path, is_zip: bool
) -> None:
    contents = {"callback": Config(), "args": argparse.Namespace(configs=[1, Config()])}
    path = save(tmp_path, contents, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(UserError) as caught:
        load_checkpoint(path)
    assert f"({Config.__module__}.Config at x.callback, x.args.configs.1)" in caught.value.what
    assert str(caught.value).count(": ") == 2
    assert "torch.load" in caught.value.mend
    assert "torch.save" in caught.value.mend
