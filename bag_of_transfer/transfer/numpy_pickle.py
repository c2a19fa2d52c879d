"""Read pickles of NumPy arrays, such as Detectron's ``.pkl``, by a list of allowed names.

A pickle names functions and calls them.  Those that build arrays and plain records have
stand-ins (``engine/weights/plain_records.py``); a file that names others is refused before
anything is called.
"""

import io
import pickle
from pathlib import Path
from typing import Any

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.weights.pickle_outline import (
    Named,
    full_name,
    read_outline,
    refusal,
    refuse_bomb,
)
from bag_of_transfer.engine.weights.plain_records import STAND_INS
from bag_of_transfer.engine.weights.stand_ins import resolve
from bag_of_transfer.engine.weights.weight_files import ARRAYS, PADDLE, kind_of

__all__ = ["read_numpy_pickle"]


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        full = full_name(module, name)
        if full not in STAND_INS:
            raise pickle.UnpicklingError(f"GLOBAL {full}")
        return STAND_INS[full]


def read_numpy_pickle(path: str | Path) -> dict[str, Any]:
    """Read a pickled dict of arrays and plain values.

    Raises:
        UserError: If the file would run code when read, is damaged, of another kind, or not a dict.
    """
    path = Path(path)
    refuse_bomb(path)
    try:
        # latin1, because in pickles of Python 2 strings hold the arrays' bytes.
        contents = resolve(_Reader(io.BytesIO(path.read_bytes()), encoding="latin1").load())
    except Exception as error:  # broken bytes make pickle raise nearly anything
        raise _unreadable(path, error) from error
    kind = kind_of(path)
    if kind == PADDLE or not isinstance(contents, dict):
        raise _of_kind(path)
    return contents


def _of_kind(path: Path) -> UserError:
    kind = kind_of(path)
    if kind in (None, ARRAYS):
        what = "damaged, truncated or not a pickle of arrays"
        return UserError(what, path, "copy or download it again")
    return UserError(kind.name, path, kind.mend)


def _unreadable(path: Path, error: Exception) -> UserError:
    is_refused = isinstance(error, pickle.UnpicklingError) and str(error).startswith("GLOBAL ")
    if is_refused and not isinstance(read_outline(path), Named):  # _of_kind names whole networks
        return refusal(path, str(error).removeprefix("GLOBAL "))
    return _of_kind(path)
