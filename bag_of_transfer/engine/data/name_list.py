"""Read lists of names (images, classes), and compare spellings that look alike."""

import difflib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bag_of_transfer.engine.errors import UserError

__all__ = [
    "fold",
    "nearest",
    "read_class_names",
    "read_lines",
    "read_names",
    "refuse_variants",
    "unique_or_refuse",
]

STATE_BOTH = (
    "write one spelling everywhere; if they are two classes, state the classes in the config"
)


def read_lines(path: Path, what: str, if_missing: str) -> list[tuple[int, str]]:
    """Read a file with one name per line; empty lines and a byte order mark do not count.

    Args:
        path: UTF-8 text.
        what: What the names stand for, for errors: ``images``.
        if_missing: What to do if there is no such file, for the error.

    Returns:
        The number of each line, from 1, and its name without blanks around it.

    Raises:
        UserError: If the file is missing, empty or not text.
    """
    if not path.is_file():
        raise UserError(f"no such list of {what}", path, if_missing)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(
            f"the list of {what} is not UTF-8 text", path, "save it as UTF-8"
        ) from error
    names = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    if not names:
        raise UserError(f"the list names no {what}", path, "write one name per line")
    return names


def read_names(path: Path, what: str, if_missing: str) -> list[str]:
    """Read a file with one name per line, as :func:`read_lines`.

    Raises:
        UserError: As there, or if the file names something twice.
    """
    names = [name for _, name in read_lines(path, what, if_missing)]
    unique_or_refuse(names, "names", path)
    return names


def unique_or_refuse(values: Iterable[object], what: str, where: object) -> None:
    """Check that no value occurs more than once.

    Raises:
        UserError: If one does, with the number of such values and the first.
    """
    repeated = [value for value, count in Counter(values).items() if count > 1]
    if repeated:
        message = f"{what} occur more than once ({len(repeated)}, first: {repeated[0]})"
        raise UserError(message, where, "keep each of them once")


def read_class_names(path: Path, if_missing: str) -> list[str]:
    """Read a file with one class name per line.

    Raises:
        UserError: As :func:`read_names` and :func:`refuse_variants`.
    """
    names = read_names(path, "class names", if_missing)
    refuse_variants(dict.fromkeys(names, path))
    return names


def fold(name: str) -> str:
    """Return a name without what the eye cannot tell: case, width, hidden characters, blanks."""
    plain = unicodedata.normalize("NFKC", name)
    # Cf: zero-width blanks and joiners, soft hyphens, marks of direction.
    visible = "".join(letter for letter in plain if unicodedata.category(letter) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", visible.casefold()).split())


def refuse_variants(places: Mapping[str, object]) -> None:
    """Check that no two class names differ only in what the eye cannot tell; see :func:`fold`.

    Args:
        places: Each name, with the file or folder where it is used.

    Raises:
        UserError: If two do, with both names and places.
    """
    first: dict[str, str] = {}
    for name, place in places.items():
        other = first.setdefault(fold(name), name)
        if other != name:
            both = dict.fromkeys((str(places[other]), str(place)))
            what = "differ only in case, width, blanks or hidden characters"
            raise UserError(
                f"class names {other!r} and {name!r} {what}", ", ".join(both), STATE_BOTH
            )


def nearest(name: str, names: Sequence[str], cutoff: float = 0.6) -> str | None:
    """Return the likeliest intended spelling among ``names``; None if none is alike.

    Args:
        name: The spelling that was written.
        names: The spellings that may be meant.
        cutoff: In [0, 1], how alike they must be (difflib's ratio); 0 takes any.
    """
    folded = {fold(known): known for known in reversed(names)}
    if fold(name) in folded:
        return folded[fold(name)]
    alike = difflib.get_close_matches(name, names, n=1, cutoff=cutoff)
    return alike[0] if alike else None
