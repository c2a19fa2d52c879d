"""Read tensors from MXNet's ``.params`` files (GluonCV's model zoo) without MXNet.

Source of the format: ``NDArray::Save``, ``NDArray::Load`` and ``LegacyLoad`` in MXNet 1.x,
``src/ndarray/ndarray.cc``.  All numbers are little-endian::

    uint64 0x112, uint64 reserved
    uint64 count, then the arrays
    uint64 count, then the names: uint64 length and the bytes of each

An array is a shape, int32 device type, int32 device id, int32 type flag and the values.  The
shape begins with a uint32 magic: 0xF993FAC9 or 0xF993FACA (followed by an int32 storage type, 0
for dense) or 0xF993FAC8; then come uint32 rank and int64 sizes.  The oldest files have no magic:
rank and sizes are uint32.
"""

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bag_of_transfer.engine.errors import UserError

__all__ = ["LIST_MAGIC", "read_params"]

LIST_MAGIC = struct.pack("<Q", 0x112)
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
# NumPy's types by type flag; the flags are those of mshadow/base.h.
KINDS = ("<f4", "<f8", "<f2", "u1", "<i4", "i1", "<i8")
MAX_RANK = 32  # the limit of NumPy before 2.0; a convolution has 4


class _DamagedError(Exception):
    """The bytes do not follow the format; the message says where."""


class _Bytes:
    """Bytes that are read from the beginning to the end, and never beyond."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = memoryview(data), 0

    def take(self, size: int) -> memoryview:
        if size > len(self.data) - self.at:
            left = len(self.data) - self.at
            raise _DamagedError(f"{size} bytes are needed at {self.at}, {left} are left")
        self.at += size
        return self.data[self.at - size : self.at]

    def numbers(self, form: str) -> tuple[Any, ...]:
        return struct.unpack(f"<{form}", self.take(struct.calcsize(f"<{form}")))

    def number(self, form: str) -> int:
        return int(self.numbers(form)[0])


def read_params(path: str | Path) -> dict[str, Tensor]:
    """Read the arrays of a ``.params`` file by name, without ``arg:`` and ``aux:``.

    Raises:
        UserError: If the file is not one of MXNet, is truncated or damaged, or holds sparse
            arrays or arrays without names.
    """
    data = _Bytes(Path(path).read_bytes())
    try:
        if bytes(data.take(16)[:8]) != LIST_MAGIC:
            raise _DamagedError("it does not begin with 0x112")
        arrays = [_array(data) for _ in range(_count(data))]
        names = [bytes(data.take(data.number("Q"))).decode() for _ in range(_count(data))]
        if len(names) != len(arrays):
            raise _DamagedError(f"{len(arrays)} arrays and {len(names)} names")
        if data.at != len(data.data):
            raise _DamagedError(f"{len(data.data) - data.at} bytes after the end")
    except (_DamagedError, UnicodeDecodeError) as error:
        raise UserError(
            f"damaged, truncated or not an MXNet .params file ({error})",
            path,
            "copy or download it again",
        ) from error
    named = zip(names, arrays, strict=True)
    return {name.removeprefix("arg:").removeprefix("aux:"): array for name, array in named}


def _count(data: _Bytes) -> int:
    count = data.number("Q")
    if count > len(data.data):  # each entry takes a byte or more: such a loop would not end
        raise _DamagedError(f"a list of {count}")
    return count


def _array(data: _Bytes) -> Tensor:
    shape = _shape(data)
    data.take(8)  # device type and number
    flag = data.number("i")
    if not 0 <= flag < len(KINDS):
        raise _DamagedError(f"type {flag} at {data.at}")
    kind = np.dtype(KINDS[flag])
    values = np.frombuffer(data.take(math.prod(shape) * kind.itemsize), kind)
    return torch.from_numpy(values.reshape(shape).copy())


def _shape(data: _Bytes) -> tuple[int, ...]:
    magic = data.number("I")
    if magic in (V2, V3) and data.number("i") != 0:
        raise _DamagedError(f"a sparse array at {data.at}")
    rank, size = (data.number("I"), "q") if magic in (V1, V2, V3) else (magic, "I")
    # Rank 0 means an empty array in V1 and V2; no layer of a ResNet has one.
    if not 0 < rank <= MAX_RANK:
        raise _DamagedError(f"an array of rank {rank} at {data.at}")
    shape = data.numbers(f"{rank}{size}")
    if min(shape) < 0:
        raise _DamagedError(f"an array of shape {shape} at {data.at}")
    return shape
