"""The names in pickles that are read as data: plain records that checkpoints hold beside weights.

A pickle names classes and calls them.  Here every name that is read has a stand-in of ours, which
runs nothing; any other name is refused.
"""

import datetime
import decimal
import fractions
import pathlib
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from mmengine.logging import HistoryBuffer

from bag_of_transfer.engine.weights.numpy_stand_ins import Array, DType, from_bytes
from bag_of_transfer.engine.weights.stand_ins import (
    DataOf,
    History,
    Range,
    Record,
    StandIn,
    Uuid,
    resolve,
)

__all__ = ["STAND_INS"]


def _at_once(name: str, make: Callable[..., Any]) -> type[StandIn]:
    """Return a class whose call, and whose ``__new__``, returns what ``make`` returns."""

    def new(cls: type, *arguments: Any) -> Any:
        return make(*arguments)

    return type(name, (StandIn,), {"__new__": new})


def _reconstruct(subtype: Any, shape: Any, kind: Any) -> Any:
    # NumPy's function builds any class, of any size; the real shape and values come afterwards.
    if subtype is not STAND_INS["numpy.ndarray"] or shape != (0,):
        raise pickle.UnpicklingError(
            f"GLOBAL {getattr(subtype, '__name__', '')} an array of {shape}"
        )
    return subtype()


def _scalar(dtype: Any, raw: Any = b"") -> Any:
    kind = resolve(dtype)
    return resolve(raw) if kind.hasobject else from_bytes(raw, kind, (), "C")[()]


def _buffer(raw: Any, dtype: Any, shape: Any, order: str) -> np.ndarray:
    return from_bytes(raw, resolve(dtype), shape, order)


def _path(kind: type[pathlib.PurePath]) -> Callable[..., pathlib.PurePath]:
    return lambda *parts: kind(*(str(part) for part in parts))


def _method(owner: Any, name: str) -> str:
    # A HistoryBuffer pickles its methods as getattr(HistoryBuffer, "mean").
    if owner is not STAND_INS[HISTORY] or name not in ("min", "max", "mean", "current"):
        raise pickle.UnpicklingError(f"GLOBAL getattr {getattr(owner, '__name__', '')} {name}")
    return name


def _again(kind: Any, base: Any, state: Any) -> Any:
    # Protocols 0 and 1 build an object without arguments in this way.
    if not (isinstance(kind, type) and issubclass(kind, Record | DataOf | Uuid | History)):
        raise pickle.UnpicklingError("GLOBAL copyreg._reconstructor")
    return kind()


def _ordered(*arguments: Any) -> OrderedDict:
    """Return a dict that also takes attributes, as the libraries' own kinds of dicts do."""
    return OrderedDict(*(argument for argument in arguments if isinstance(argument, Mapping)))


def _fraction(*parts: Any) -> fractions.Fraction:
    # "1/3" or two whole numbers; a text like 1e999999999 would fill the memory
    return fractions.Fraction(*map(int, "/".join(map(str, parts)).split("/")))


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"GLOBAL _codecs.encode with encoding {encoding}")
    return text.encode("latin1")


def _deque(items: Any = (), longest: Any = None) -> list:
    return list(items)


HISTORY = f"{HistoryBuffer.__module__}.{HistoryBuffer.__qualname__}"
RECORDS = ("argparse.Namespace", "types.SimpleNamespace", "collections.ChainMap")
DATA_OF = ("collections.UserDict", "collections.UserList", "collections.UserString")
# Dicts with attributes, of Lightning, YACS and others, as configs and hyper-parameters.
DICTS = (
    "addict.addict.Dict",
    "easydict.EasyDict",
    "lightning.fabric.utilities.data.AttributeDict",
    "lightning.pytorch.utilities.parsing.AttributeDict",
    "mmcv.utils.config.ConfigDict",
    "mmengine.config.config.ConfigDict",
    "munch.Munch",
    "pytorch_lightning.utilities.parsing.AttributeDict",
    "yacs.config.CfgNode",
)
PURE = {"Posix": pathlib.PurePosixPath, "Windows": pathlib.PureWindowsPath}
PATHS = {f"{name}Path": kind for name, kind in PURE.items()}
PATHS |= {f"Pure{name}Path": kind for name, kind in PURE.items()}
PATHS |= {"Path": pathlib.PurePosixPath, "PurePath": pathlib.PurePosixPath}
BUILTINS = "bool dict float int list object str tuple type".split()
NUMPY_TYPES = sorted({kind.__name__ for kind in np.sctypeDict.values()})

# By the full name in the file; NumPy 1 and 2 call a package core and _core.
STAND_INS: dict[str, type[StandIn]] = {
    **{name: type(name, (Record,), {}) for name in RECORDS},
    **{name: type(name, (DataOf,), {}) for name in DATA_OF},
    **{f"builtins.{name}": type(f"builtins.{name}", (StandIn,), {}) for name in BUILTINS},
    **{f"numpy.{name}": type(f"numpy.{name}", (StandIn,), {}) for name in NUMPY_TYPES},
    "builtins.range": type("builtins.range", (Range,), {}),
    "uuid.UUID": type("uuid.UUID", (Uuid,), {}),
    "numpy.dtype": type("numpy.dtype", (DType,), {}),
    "numpy.ndarray": type("numpy.ndarray", (Array,), {}),
    HISTORY: type(HISTORY, (History,), {}),
    **{
        name: _at_once(name, make)
        for name, make in {
            **dict.fromkeys(DICTS, _ordered),
            **{f"pathlib.{name}": _path(kind) for name, kind in PATHS.items()},
            **{f"pathlib._local.{name}": _path(kind) for name, kind in PATHS.items()},
            **{
                f"numpy.{core}.{function}": make
                for core in ("core", "_core")
                for function, make in (
                    ("multiarray._reconstruct", _reconstruct),
                    ("multiarray.scalar", _scalar),
                    ("numeric._frombuffer", _buffer),
                )
            },
            "_codecs.encode": _encode,
            "builtins.bytes": lambda: b"",
            "builtins.complex": complex,
            "builtins.frozenset": frozenset,
            "builtins.getattr": _method,
            "builtins.set": set,
            "builtins.slice": slice,
            "collections.Counter": _ordered,
            "collections.OrderedDict": _ordered,
            "collections.defaultdict": lambda factory=None, *items: _ordered(*items),
            "collections.deque": _deque,
            "copyreg._reconstructor": _again,
            "datetime.date": datetime.date,
            "datetime.datetime": datetime.datetime,
            "datetime.time": datetime.time,
            "datetime.timedelta": datetime.timedelta,
            "datetime.timezone": datetime.timezone,
            "decimal.Decimal": lambda text: decimal.Decimal(str(text)),
            "fractions.Fraction": _fraction,
            "torch.torch_version.TorchVersion": lambda text: str(text),
        }.items()
    },
}
