"""Write MXNet's .params files, by the description of the format alone."""

import struct

import numpy as np

FLAGS = {"float32": 0, "float64": 1, "float16": 2, "uint8": 3, "int32": 4, "int8": 5, "int64": 6}


def written_array(array: np.ndarray, version: str) -> bytes:
    sizes = struct.pack(f"<{array.ndim}{'I' if version == 'legacy' else 'q'}", *array.shape)
    shape = struct.pack("<I", array.ndim) + sizes
    head = {
        "v3": struct.pack("<Ii", 0xF993FACA, 0),
        "v2": struct.pack("<Ii", 0xF993FAC9, 0),
        "v1": struct.pack("<I", 0xF993FAC8),
        "legacy": b"",
    }[version]
    where = struct.pack("<ii", 2, 5)  # on GPU number 5
    return head + shape + where + struct.pack("<i", FLAGS[str(array.dtype)]) + array.tobytes()


def written(arrays: dict[str, np.ndarray], version: str = "v2") -> bytes:
    data = struct.pack("<QQQ", 0x112, 0, len(arrays))
    data += b"".join(written_array(array, version) for array in arrays.values())
    data += struct.pack("<Q", len(arrays))
    for name in arrays:
        data += struct.pack("<Q", len(name)) + name.encode()
    return data
