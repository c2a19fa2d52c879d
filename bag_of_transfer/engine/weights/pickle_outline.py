"""Find what a pickle holds and under which keys, without building any of it.

Every class and function that the pickle names becomes an inert object that only keeps the name.
"""

import _compat_pickle
import contextlib
import io
import pickle
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.weights.pickle_weight import is_bomb

__all__ = [
    "PICKLE",
    "TORCH_LEGACY",
    "Named",
    "full_name",
    "named_in",
    "read_outline",
    "refusal",
    "refuse_bomb",
]

TORCH_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # start of files of torch < 1.6
MAX_BYTES = 2**28  # of a pickle without its tensors; that of a checkpoint is below a mebibyte
MAX_KEY = 200  # letters of a dotted key: of lists in lists it would be as long as they are deep
PICKLE = "data.pkl"  # the name of the pickle in a file of torch.save
TABLES = ("collections.OrderedDict", "collections.defaultdict", "collections.Counter")


class Named:
    """An object in place of one that the pickle would build: it takes everything, does nothing.

    ``name`` is the class or function with its module, ``parts`` the arguments, state and items.
    """

    name = ""
    parts: list[Any]

    def __new__(cls, *arguments: Any, **more: Any) -> Any:
        """Keep the arguments."""
        self = super().__new__(cls)
        self.parts = [*arguments, *more.values()]
        return self

    def __init__(self, *arguments: Any, **more: Any) -> None:
        """Accept the arguments once more: Python calls this with them after ``__new__``."""

    def __setstate__(self, state: Any) -> None:
        """Keep the state."""
        self.parts.append(state)

    def __setitem__(self, key: Any, value: Any) -> None:
        """Keep an item."""
        self.parts.append({str(key): value})

    def append(self, item: Any) -> None:
        """Keep an item of a list or set."""
        self.parts.append(item)

    add = append

    def extend(self, items: Any) -> None:
        """Keep items of a list."""
        self.parts.extend(items)


class Table(dict):
    """A dict of any kind in the standard library: it keeps the items, and nothing else."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        """Keep the items of a dict, but not a factory of default values."""
        super().__init__(*(argument for argument in arguments if isinstance(argument, dict)))

    def __setstate__(self, state: Any) -> None:
        """Ignore attributes."""


def full_name(module: str, name: str) -> str:
    """Return the full name in Python 3, where for instance ``copy_reg`` is ``copyreg``."""
    mapped = _compat_pickle.NAME_MAPPING.get((module, name))
    return ".".join(mapped or (_compat_pickle.IMPORT_MAPPING.get(module, module), name))


class _Outliner(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        full = full_name(module, name)
        return Table if full in TABLES else type("Named", (Named,), {"name": full})

    def persistent_load(self, pid: Any) -> None:
        return None  # the storage of a tensor, which is not needed


def read_outline(path: Path) -> Any:
    """Read a file of ``torch.save``, or a bare pickle, with inert objects in place of real ones.

    Returns:
        Dicts, lists, numbers and texts; None if there is no such pickle in the file.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except Exception:  # broken bytes make pickle raise nearly anything
        return None


def _read(file: IO[bytes]) -> Any:
    if any(map(is_bomb, _pickles(file))):
        return None
    streams = islice(_pickles(file), 3)
    return [_Outliner(stream, encoding="latin1").load() for stream in streams][-1]


def _pickles(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """Yield a stream at the beginning of each pickle; what is yielded has to be read to its end.

    A legacy file holds the protocol, the machine that wrote it, the contents, names of storages.
    """
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                if entry.filename.endswith(PICKLE) and entry.file_size <= MAX_BYTES:
                    yield io.BytesIO(archive.read(entry))
        return
    file.seek(0)
    is_legacy = file.read(len(TORCH_LEGACY)) == TORCH_LEGACY
    if not is_legacy:
        file.seek(0)
    for _ in range(4 if is_legacy else 1):
        yield file


def refuse_bomb(path: Path) -> None:
    """Check that a file of ``torch.save``, or a bare pickle, holds no bomb; see :func:`is_bomb`.

    Raises:
        UserError: If it does.
    """
    found = False
    # Broken bytes make zipfile raise nearly anything: whoever reads the file says what is wrong.
    with path.open("rb") as file, contextlib.suppress(Exception):
        found = any(map(is_bomb, _pickles(file)))
    if found:
        what = "refused, because the file holds far more than its size (a bomb in a pickle)"
        raise UserError(what, path, "use another file")


def named_in(contents: Any) -> Iterator[tuple[str, Named]]:
    """Walk an outline and yield every object that is not a plain value, with its dotted key.

    The attributes of an object follow its key: ``args.callback``.
    """
    waiting: list[tuple[str, Any]] = [("", contents)]
    seen: dict[int, Any] = {}  # keeps the objects alive, or their ids would recur
    while waiting:
        path, value = waiting.pop()
        value = value() if isinstance(value, type) else value  # the class itself is the value
        if id(value) in seen:
            continue
        seen[id(value)] = value
        if isinstance(value, Named):
            yield path, value
        for key, part in reversed(_parts(value)):
            waiting.append(((f"{path}.{key}" if path and key else path or key)[:MAX_KEY], part))


def refusal(path: Path, name: str) -> UserError:
    """Return the error that says where the refused class or function is, and how to remove it."""
    objects = named_in(read_outline(path))
    keys = [key for key, named in objects if named.name in (name, f"builtins.{name}") and key]
    place = f" at {', '.join(keys[:3])}{' and others' if len(keys) > 3 else ''}" if keys else ""
    return UserError(
        f"refused, because reading the file would run code ({name}{place})",
        path,
        "use a file of tensors and plain values; if you trust this file, write one in Python, "
        "c = torch.load('FILE', weights_only=False); "
        "torch.save(dict(state_dict=c['state_dict']), 'NEW.pth')",
    )


def _parts(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(str(key), part) for key, part in value.items()]
    if isinstance(value, list):
        return [(str(number), part) for number, part in enumerate(value)]
    if isinstance(value, Named):
        return [("", part) for part in value.parts]
    return [("", part) for part in value] if isinstance(value, tuple | set | frozenset) else []
