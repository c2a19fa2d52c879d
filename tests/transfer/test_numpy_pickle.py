"""Detectron's .pkl: arrays are read, everything else is refused before it runs."""

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.weights.weight_containers import find_weights
from bag_of_transfer.transfer.numpy_pickle import read_numpy_pickle
from bag_of_transfer.transfer.tensor_file import read_tensors

ARRAYS = {
    "conv1_w": np.arange(12, dtype=np.float32).reshape(2, 6),
    "turned": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "single": np.array([7], np.int64),
}


def save(tmp_path: Path, contents: Any, protocol: int = 2) -> Path:
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(contents, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("container", ["model", "blobs", None])
def test_arrays_are_read(tmp_path: Path, container: str | None, protocol: int) -> None:
    contents: dict[str, Any] = {**ARRAYS, "lr": np.float64(0.1), "name": "R-50"}
    if container:
        contents = {container: OrderedDict(contents), "__author__": "torchvision"}
    contents = read_numpy_pickle(save(tmp_path, contents, protocol))
    assert contents.get("__author__", "") == ("torchvision" if container else "")
    weights = find_weights(contents, tmp_path)
    assert weights.container == (container or "")
    read = weights.tensors
    assert list(read) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert torch.equal(read[name], torch.from_numpy(np.ascontiguousarray(array)))


def test_a_file_of_python_2_is_read(tmp_path: Path) -> None:
    # {"w": array([1.5, -2.0], float32)} as Python 2 and NumPy 1.11 write it, bytes as a str
    data = (
        b"\x80\x02}q\x00U\x01wq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\n"
        b"q\x03K\x00\x85U\x01b\x87Rq\x04(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R"
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"U\x08\x00\x00\xc0\x3f\x00\x00\x00\xc0tbs."
    )
    (tmp_path / "x.pkl").write_bytes(data)
    assert read_numpy_pickle(tmp_path / "x.pkl")["w"].tolist() == [1.5, -2.0]


class Evil:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (os.system, ("touch {}",), "system"),
        (eval, ("open({!r}, 'w')",), r"eval"),
        (getattr, ("x", "upper"), "getattr"),
        (np.memmap, ("{}", "uint8", "w+", 0, (9,)), "memmap"),
        (np._core.multiarray._reconstruct, (np.memmap, (0,), b"b"), "memmap"),
        (np._core.multiarray._reconstruct, (np.ndarray, (10**15,), b"b"), "an array of"),
    ],
)
def test_what_would_run_code_is_refused_and_does_not_run(
    tmp_path: Path, function: Any, arguments: tuple[Any, ...], named: str
) -> None:
    mark = str(tmp_path / "ran")
    filled = tuple(a.format(mark) if isinstance(a, str) else a for a in arguments)
    path = save(tmp_path, {"model": ARRAYS, "x": Evil(function, *filled)})
    with pytest.raises(UserError, match=rf"reading the file would run code \(.*{named}"):
        read_numpy_pickle(path)
    assert not Path(mark).exists()


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    import _codecs

    path = save(tmp_path, {"x": Evil(_codecs.encode, "x", "zlib_codec")})
    with pytest.raises(UserError, match="encoding zlib_codec"):
        read_numpy_pickle(path)


@pytest.mark.parametrize("cut", [0, 1, 50, 300])
def test_a_truncated_file_is_refused(tmp_path: Path, cut: int) -> None:
    path = save(tmp_path, {"model": ARRAYS})
    assert path.stat().st_size > 300
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UserError, match="damaged, truncated or not a pickle of arrays"):
        read_numpy_pickle(path)


@pytest.mark.parametrize("contents", [{"model": {"a": 1}}, {}, {"a": np.array(["x"])}])
def test_a_file_without_arrays_of_numbers_is_refused(tmp_path: Path, contents: Any) -> None:
    with pytest.raises(UserError, match="no weights in the file"):
        read_tensors(save(tmp_path, contents))
