"""What a pickle holds and under which keys, found without building any of it.

Every class and function that the pickle names becomes an inert object that only remembers the name.
"""

import _compat_pickle
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from bag_of_transfer.engine.errors import UserError

__all__ = ["TORCH_LEGACY", "Named", "full_name", "named_in", "read_outline", "refusal"]

TORCH_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch.save's magic before 1.6
MAX_BYTES = 2**28  # of a pickle without its tensors; a checkpoint's has less than a mebibyte
TABLES = ("collections.OrderedDict", "collections.defaultdict", "collections.Counter")


class Named:
    """An object in the place of one that the pickle would build: takes everything, does nothing.

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
        """Accept them once more, as every class is called."""

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
    """A dict of any kind in the standard library: takes what dicts hold, and nothing else."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        """Keep the items of a dict; a factory of default values is none."""
        super().__init__(*(argument for argument in arguments if isinstance(argument, dict)))

    def __setstate__(self, state: Any) -> None:
        """Leave attributes out."""


def full_name(module: str, name: str) -> str:
    """Join the two as Python 3 calls them: ``copy_reg`` is ``copyreg``."""
    mapped = _compat_pickle.NAME_MAPPING.get((module, name))
    return ".".join(mapped or (_compat_pickle.IMPORT_MAPPING.get(module, module), name))


class _Outliner(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        full = full_name(module, name)
        return Table if full in TABLES else type("Named", (Named,), {"name": full})

    def persistent_load(self, pid: Any) -> None:
        return None  # a storage; tensors are not wanted


def read_outline(path: Path) -> Any:
    """Read a file of ``torch.save``, or a bare pickle, with inert objects in place of others.

    Returns:
        Dicts, lists, numbers and texts; None if there is no such pickle in the file.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except Exception:  # broken bytes make pickle raise nearly anything
        return None


def _read(file: IO[bytes]) -> Any:
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            entry = next(e for e in archive.infolist() if e.filename.endswith("/data.pkl"))
            with archive.open(entry) as inside:
                return None if entry.file_size > MAX_BYTES else _Outliner(inside).load()
    file.seek(0)
    is_legacy = file.read(len(TORCH_LEGACY)) == TORCH_LEGACY
    if not is_legacy:
        file.seek(0)
    for _ in range(2 if is_legacy else 0):  # the protocol and the machine that wrote it
        _Outliner(file, encoding="latin1").load()
    return _Outliner(file, encoding="latin1").load()


def named_in(contents: Any, path: str = "") -> Iterator[tuple[str, Named]]:
    """Walk an outline: every object that is no plain value, with its dotted key.

    The attributes of an object come behind its key: ``args.callback``.
    """
    waiting: list[tuple[str, Any]] = [(path, contents)]
    seen: dict[int, Any] = {}  # with the objects, or their ids would recur
    while waiting:
        path, found = waiting.pop()
        found = found() if isinstance(found, type) else found  # the class itself is the value
        if id(found) in seen:
            continue
        seen[id(found)] = found
        if isinstance(found, Named):
            yield path, found
        for key, part in reversed(_parts(found)):
            waiting.append((f"{path}.{key}" if path and key else path or key, part))


def refusal(path: Path, name: str) -> UserError:
    """Say under which keys the refused class or function lies, and how to strip the file."""
    found = named_in(read_outline(path))
    keys = [key for key, named in found if named.name in (name, f"builtins.{name}") and key]
    at = f" at {', '.join(keys[:3])}{' and others' if len(keys) > 3 else ''}" if keys else ""
    return UserError(
        f"refused, for reading the file would run code ({name}{at})",
        path,
        "use a file of tensors and plain values; of one that you trust, in Python "
        "c = torch.load('FILE', weights_only=False); "
        "torch.save(dict(state_dict=c['state_dict']), 'NEW.pth')",
    )


def _parts(found: Any) -> list[tuple[str, Any]]:
    if isinstance(found, dict):
        return [(str(key), part) for key, part in found.items()]
    if isinstance(found, list):
        return [(str(number), part) for number, part in enumerate(found)]
    if isinstance(found, Named):
        return [("", part) for part in found.parts]
    return [("", part) for part in found] if isinstance(found, tuple | set | frozenset) else []
