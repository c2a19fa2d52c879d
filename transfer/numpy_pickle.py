"""Tensors out of detectron's ``.pkl`` files: pickles of NumPy arrays, read by an allow-list.

A pickle names functions and calls them.  Those that build arrays, numbers and strings are
allowed, each under the names that NumPy 1, NumPy 2 and Python 2 give them; whatever else a file
names, it is refused before anything is called.
"""

import codecs
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.errors import UserError

__all__ = ["NumpyPickle", "read_numpy_pickle"]

# Where the weights lie: detectron2's own files, and those of Detectron (Caffe2).
CONTAINERS = ("model", "blobs")


class NumpyPickle(dict[str, Tensor]):
    """The tensors by name, and who made the file, if it says so (``__author__``)."""

    author: str = ""


class _ForbiddenError(Exception):
    """The pickle names something that builds no array."""


def _reconstruct(subtype: Any, shape: Any, kind: Any) -> np.ndarray:
    # NumPy's own makes any class, of any size; the real shape and values come afterwards.
    if shape != (0,):
        raise _ForbiddenError(f"an array of {shape}")
    return np.ndarray((0,), np.uint8)


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise _ForbiddenError(f"encoding {encoding}")
    return codecs.encode(text, "latin1")


def _scalar(kind: np.dtype, data: Any) -> Any:
    raw = data.encode("latin1") if isinstance(data, str) else data
    return np.frombuffer(raw, kind)[0]


def _frombuffer(raw: Any, kind: np.dtype, shape: Any, order: str) -> np.ndarray:
    return np.frombuffer(raw, kind).reshape(shape, order="F" if order == "F" else "C")


ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): dict,
    **{
        (f"numpy.{core}.multiarray", name): function
        for core in ("core", "_core")
        for name, function in (("_reconstruct", _reconstruct), ("scalar", _scalar))
    },
    **{(f"numpy.{core}.numeric", "_frombuffer"): _frombuffer for core in ("core", "_core")},
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise _ForbiddenError(f"{module}.{name}") from None


def read_numpy_pickle(path: str | Path) -> NumpyPickle:
    """Read the arrays of a ``.pkl`` under ``model``, ``blobs`` or at the top.

    Raises:
        UserError: If the file would run code when read, is damaged, or holds no arrays.
    """
    data = Path(path).read_bytes()
    try:
        # latin1: strings of Python 2 hold the arrays' bytes.
        found = _Reader(io.BytesIO(data), encoding="latin1").load()
    except _ForbiddenError as error:
        raise UserError(
            f"refused, for reading the file would run code ({error})",
            path,
            "use a file that holds NumPy arrays only, from a source you trust",
        ) from error
    except Exception as error:  # broken bytes make pickle raise nearly anything
        raise UserError(
            f"damaged, truncated or no pickle of arrays ({type(error).__name__})",
            path,
            "copy or download it again",
        ) from error
    return _tensors(found, path)


def _tensors(found: Any, path: str | Path) -> NumpyPickle:
    top = found if isinstance(found, dict) else {}
    inside = next((top[key] for key in CONTAINERS if isinstance(top.get(key), dict)), top)
    read = NumpyPickle(
        (str(name), torch.from_numpy(value.copy()))
        for name, value in inside.items()
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiu"
    )
    read.author = str(top.get("__author__", ""))
    if not read:
        raise UserError("no arrays in the file", path, "give a file of weights")
    return read
