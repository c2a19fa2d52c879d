"""Read arrays of NumPy that may come from somebody else: no objects, and no more than stated."""

import io
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.plain_files import read_file

__all__ = ["BROKEN_ARRAY", "MAX_UNPACKED", "read_arrays"]

MAX_UNPACKED = 2**30  # bytes; the counts of COCO's 5000 images take 40 million
# What NumPy and zipfile raise for broken bytes, or for a header that states too much.
BROKEN_ARRAY = (
    *(OSError, ValueError, EOFError, KeyError, SyntaxError, MemoryError, RecursionError),
    *(tokenize.TokenError, zipfile.BadZipFile, zlib.error, NotImplementedError),
)


def read_arrays(path: Path, mend: str) -> dict[str, np.ndarray]:
    """Read the arrays in a ``.npz`` file by their names.

    Args:
        path: The file.
        mend: How to mend a damaged file, for the error.

    Raises:
        UserError: If the file is missing or damaged, holds objects, or would unpack to more than a
            gibibyte.
    """
    try:
        data = io.BytesIO(read_file(path))
        with zipfile.ZipFile(data) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_UNPACKED:
            raise UserError(f"the arrays unpack to {size} bytes", path, mend)
        with np.load(data, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if not all(isinstance(array, np.ndarray) for array in arrays.values()):
            raise ValueError("an entry is no array")  # NumPy returns the bytes of others
        return arrays
    except UserError:
        raise
    except BROKEN_ARRAY as error:
        what = f"not a file of arrays ({type(error).__name__}, {error})".replace(": ", ", ")
        raise UserError(what, path, mend) from error
