"""Stand-ins for NumPy's dtypes and arrays in a pickle; they are rebuilt from checked parts."""

import pickle
import re
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from bag_of_transfer.engine.weights.stand_ins import StandIn

__all__ = ["Array", "DType", "from_bytes", "text_of"]

# One kind and size of values; not a list of fields, which NumPy also takes as text.
PLAIN_DTYPE = re.compile(r"[<>=|]?(\?|[a-zA-Z]\d{0,9})")


class DType(StandIn):
    """A dtype of NumPy, rebuilt from its text, because NumPy's ``__setstate__`` checks nothing."""

    def value(self, plain: Callable[[Any], Any]) -> np.dtype:
        """Return the rebuilt dtype.

        Raises:
            UnpicklingError: If the text is not one kind and size of values.
        """
        spec = text_of(self.arguments[0])
        order: Any = "="
        inner, names, fields, size = None, None, None, -1
        if self.state is not None:
            order = text_of(self.state[1])
            inner, names, fields, size = self.state[2:6]
        if names:
            return self._with_fields(names, fields, size, plain)
        if inner:
            return np.dtype((plain(inner[0]), inner[1]))
        if not PLAIN_DTYPE.fullmatch(spec):
            raise pickle.UnpicklingError(f"GLOBAL numpy.dtype of {spec[:20]}")
        if spec[0] in "mM" and self.state is not None and len(self.state) > 8:
            unit, count = self.state[8][-1][:2]
            spec += "" if text_of(unit) == "generic" else f"[{int(count)}{text_of(unit)}]"
        return np.dtype(spec).newbyteorder(order)

    def _with_fields(
        self, names: Any, fields: Any, size: Any, plain: Callable[[Any], Any]
    ) -> np.dtype:
        parts = [fields[name] for name in names]
        formats, offsets = [plain(part[0]) for part in parts], [part[1] for part in parts]
        layout: Any = {"names": list(names), "formats": formats, "offsets": offsets}
        return np.dtype(layout | ({"itemsize": size} if size >= 0 else {}))


class Array(StandIn):
    """An array of NumPy: shape, dtype and bytes, or a list of plain values."""

    def value(self, plain: Callable[[Any], Any]) -> np.ndarray:
        """Return the array rebuilt from its bytes, or from resolved values."""
        shape, dtype, is_fortran, raw = self.state[1:5]
        order: Literal["F", "C"] = "F" if is_fortran else "C"
        dtype = plain(dtype)
        if dtype.hasobject and isinstance(raw, list):
            array = np.empty(len(raw), object)
            array[:] = plain(raw)
            return array.reshape(shape, order=order)
        return from_bytes(raw, dtype, shape, order)


def from_bytes(raw: Any, dtype: np.dtype, shape: Any, order: Any) -> np.ndarray:
    """Return an array of numbers or texts, never of objects."""
    data = raw.encode("latin1") if isinstance(raw, str) else raw  # from Python 2, bytes are text
    if dtype.itemsize == 0:
        return np.zeros(shape, dtype)
    return np.frombuffer(data, dtype).reshape(shape, order="F" if order == "F" else "C").copy()


def text_of(raw: Any) -> str:
    """Return a text that may be bytes, as Python 2 pickled texts."""
    return raw.decode("latin1") if isinstance(raw, bytes) else str(raw)
