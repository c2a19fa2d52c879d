"""MXNet's .params are read value by value, and anything damaged is refused."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.mxnet_params import read_params
from tests.transfer.mxnet_writer import FLAGS, written, written_array

ARRAYS = {
    "conv1.0.weight": np.arange(54, dtype="float32").reshape(2, 3, 3, 3) - 7.5,
    "bn1.gamma": np.array([0.5, -2.0], "float16"),
    "fc.weight": np.arange(6, dtype="float64").reshape(2, 3),
}


def save(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "x.params"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("version", ["v1", "v2", "v3", "legacy"])
def test_every_version_is_read_value_by_value(tmp_path: Path, version: str) -> None:
    read = read_params(save(tmp_path, written(ARRAYS, version)))
    assert list(read) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert torch.equal(read[name], torch.from_numpy(array))


@pytest.mark.parametrize("kind", FLAGS)
def test_every_number_type_is_read(tmp_path: Path, kind: str) -> None:
    array = np.array([[1, 2, 100]], kind)
    read = read_params(save(tmp_path, written({"x": array})))
    assert read["x"].tolist() == [[1, 2, 100]]
    assert str(read["x"].dtype) == f"torch.{kind}"


def test_versions_may_be_mixed(tmp_path: Path) -> None:
    arrays = [written_array(ARRAYS["bn1.gamma"], version) for version in ("v1", "legacy", "v2")]
    names = b"".join(struct.pack("<Q", 1) + name for name in (b"a", b"b", b"c"))
    data = struct.pack("<QQQ", 0x112, 0, 3) + b"".join(arrays) + struct.pack("<Q", 3) + names
    read = read_params(save(tmp_path, data))
    assert [tensor.tolist() for tensor in read.values()] == [[0.5, -2.0]] * 3


def test_the_kinds_of_modules_saved_with_a_symbol_are_cut_off(tmp_path: Path) -> None:
    one = np.ones(1, "float32")
    read = read_params(save(tmp_path, written({"arg:fc.weight": one, "aux:bn1.running_mean": one})))
    assert list(read) == ["fc.weight", "bn1.running_mean"]


@pytest.mark.parametrize("version", ["v1", "v2", "legacy"])
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path, version: str) -> None:
    data = written(ARRAYS, version)
    cuts = range(0, len(data), 3)
    assert len(cuts) > 100
    for cut in cuts:
        with pytest.raises(UserError, match=r"damaged, truncated or not an MXNet \.params file"):
            read_params(save(tmp_path, data[:cut]))


def patched(data: bytes, at: int, form: str, value: int) -> bytes:
    new = struct.pack(form, value)
    return data[:at] + new + data[at + len(new) :]


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda data: patched(data, 0, "<Q", 0x113), "does not begin with 0x112"),
        (lambda data: patched(data, 16, "<Q", 2**60), "a list of"),
        (lambda data: patched(data, 28, "<i", 1), "a sparse array"),
        (lambda data: patched(data, 32, "<I", 0), "rank 0"),
        (lambda data: patched(data, 32, "<I", 99), "rank 99"),
        (lambda data: patched(data, 36, "<q", -2), "shape"),
        (lambda data: patched(data, 36, "<q", 2**50), "bytes are needed"),
        (lambda data: patched(data, 76, "<i", 12), "type 12"),
        (lambda data: data + b"\0", "1 bytes after the end"),
    ],
)
def test_what_the_format_does_not_allow_is_named(tmp_path: Path, harm, message: str) -> None:
    # 24 bytes of list, magic at 24, storage type 28, rank 32, four sizes 36, device 68, type 76
    with pytest.raises(UserError, match=message):
        read_params(save(tmp_path, harm(written(ARRAYS))))


def test_arrays_without_names_are_refused(tmp_path: Path) -> None:
    data = struct.pack("<QQQ", 0x112, 0, 1) + written_array(ARRAYS["bn1.gamma"], "v2")
    with pytest.raises(UserError, match="1 arrays and 0 names"):
        read_params(save(tmp_path, data + struct.pack("<Q", 0)))
