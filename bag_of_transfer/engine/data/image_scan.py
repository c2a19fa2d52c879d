"""Find images that can't be decoded before training meets them in its third hour.

Every file is decoded in full once; the result is kept in ``work_dirs/.scans`` with the file's size
and time of change, so the second start of a run only has to list the folder.
"""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from PIL import Image

from bag_of_transfer.engine.atomic import write_text
from bag_of_transfer.engine.bars import track
from bag_of_transfer.engine.cores import share_of_cores
from bag_of_transfer.engine.data.image_reader import decode_file, orientation_of, read_error
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.json_file import read_json_or_none
from bag_of_transfer.engine.log_file import warn
from bag_of_transfer.engine.quantities import few

__all__ = [
    "ImageFacts",
    "find_unreadable",
    "image_facts",
    "inspect_all",
    "leave_out",
    "limited_scans",
    "num_glanced",
    "scan_files",
    "stamp_of",
]

SCAN_DIR = Path("work_dirs/.scans")
QUIET_BELOW = 2000  # images: scanned in a few seconds (docs/images.md)
NUM_NAMED = 20  # more names in one warning than fit on a screen do not help
SPREAD = 64  # files between two that a limited scan reads one after the other
TRANSPOSED = 5  # of Exif's orientations, this and the following swap width and height
CHUNK = 32  # one future per image would cost gigabytes for ImageNet

T = TypeVar("T")
Finding = list[Any]  # what JSON can hold; the first item is the error, "" if all is well
Cache = dict[str, dict[str, list[Any]]]  # folder -> file name -> [size, mtime in ns, finding]


class ImageFacts(NamedTuple):
    """Result of one full decode; sizes in pixels as training sees them, after Exif rotation."""

    error: str
    width: int
    height: int


def find_unreadable(paths: Sequence[Path]) -> dict[Path, str]:
    """Decode each image in full; return those that fail, each with the reason in a few words."""
    return {path: facts.error for path, facts in image_facts(paths).items() if facts.error}


def leave_out(
    bad: Mapping[Path, str], num_images: int, max_unreadable: int, where: object
) -> set[Path]:
    """Return the images to leave out because they can't be read, and count them in one warning.

    Args:
        bad: The images that can't be read, each with the reason.
        num_images: Number of images of the data set.
        max_unreadable: Largest number of images that may be left out; 0 allows none.
        where: The folder or file list, for the message.

    Raises:
        UserError: If more than ``max_unreadable`` images can't be read.
    """
    if not bad:
        return set()
    if len(bad) > max_unreadable:
        first, why = next(iter(bad.items()))
        raise UserError(
            f"{len(bad)} of {num_images} images can't be read (first: {first.name}: {why})",
            where,
            f"mend them or raise max_unreadable (now {max_unreadable})",
        )
    named = few([f"{path.name} ({why})" for path, why in bad.items()], NUM_NAMED)
    warn(f"{where}: left out {len(bad)} of {num_images} images that can't be read: {named}")
    return set(bad)


def image_facts(paths: Sequence[Path]) -> dict[Path, ImageFacts]:
    """Decode each image in full, or take it from the cache; return facts in order of ``paths``."""
    findings = scan_files(paths, _inspect, "images-2", _glance)
    return {path: ImageFacts(*finding) for path, finding in findings.items()}


@contextlib.contextmanager
def limited_scans(seconds: float | None) -> Iterator[None]:
    """Let scans take about so many seconds together; what is left gets a glance (a dry run).

    Args:
        seconds: None: no limit.
    """
    _limit.seconds, _limit.glanced = seconds, {}
    try:
        yield
    finally:
        _limit.seconds, _limit.glanced = None, {}


def num_glanced() -> int:
    """Return how many files have got a glance only, inside of :func:`limited_scans`."""
    return sum(map(len, _limit.glanced.values()))


class _Limit:
    def __init__(self) -> None:
        self.seconds: float | None = None  # that scans may still take
        self.glanced: dict[str, dict[Path, Finding]] = {}  # by the kind of scan


_limit = _Limit()


def scan_files(
    paths: Sequence[Path],
    inspect: Callable[[Path], Finding],
    kind: str,
    glance: Callable[[Path], Finding] | None = None,
) -> dict[Path, Finding]:
    """Call ``inspect`` on each file that is new or changed, on all cores; take the rest from disk.

    Args:
        paths: Any number of files; a missing one is passed to ``inspect`` like every other.
        inspect: Thread-safe; returns a list for JSON whose first item is the error, "" for none.
            Findings with an error are not kept: a disk may fail for a moment only.
        kind: Name and version of what ``inspect`` finds; each kind has its own cache.
        glance: Reads less, in place of ``inspect`` where :func:`limited_scans` leaves no time;
            None: all is inspected.

    Returns:
        Path to finding, in the order of ``paths``.
    """
    store = _store_of(paths, kind)
    cache = _read_cache(store)
    stamps = {path: stamp_of(path) for path in paths}
    findings = {path: _remembered(cache, path, stamp) for path, stamp in stamps.items()}
    to_do = [path for path, finding in findings.items() if finding is None]
    done: dict[Path, Finding] = {}
    try:
        found = _within_limit(to_do, inspect) if glance else inspect_all(to_do, inspect)
        for path, finding in found:
            done[path] = finding
    finally:  # after an interruption, the next scan goes on where this one stopped
        if done:
            _write_cache(store, _merge(cache, done, stamps))
    if glance and len(done) < len(to_do):
        done |= _glanced([path for path in to_do if path not in done], glance, kind)
    return {path: done[path] if old is None else old for path, old in findings.items()}


def _within_limit(
    paths: Sequence[Path], inspect: Callable[[Path], Finding]
) -> Iterator[tuple[Path, Finding]]:
    """Inspect all files, or evenly spread ones as long as the limit lets scans go on."""
    if _limit.seconds is None:
        yield from inspect_all(paths, inspect)
        return
    if not _limit.seconds:
        return
    begun, until = time.monotonic(), time.monotonic() + _limit.seconds
    spread = [path for start in range(SPREAD) for path in paths[start::SPREAD]]
    with contextlib.closing(inspect_all(spread, inspect)) as found:
        for pair in found:
            yield pair
            if time.monotonic() >= until:
                break
    _limit.seconds = max(0.0, _limit.seconds - (time.monotonic() - begun))


def _glanced(
    paths: Sequence[Path], glance: Callable[[Path], Finding], kind: str
) -> dict[Path, Finding]:
    """Glance at each file that no scan of this kind has glanced at before."""
    seen = _limit.glanced.setdefault(kind, {})
    seen |= inspect_all([path for path in paths if path not in seen], glance, "reading headers")
    return {path: seen[path] for path in paths}


def _shown_size(path: Path) -> tuple[int, int]:
    """Return width and height as training sees them, from a picture's header alone."""
    with Image.open(path) as image:
        if image.format == "PNG" and "exif" not in image.info:
            return image.size  # asked for its Exif, Pillow would decode all of it
        return image.size if orientation_of(image) < TRANSPOSED else image.size[::-1]


def _glance(path: Path) -> Finding:
    try:
        return ["", *_shown_size(path)]
    except Exception as error:  # as below
        return [read_error(path, error), 0, 0]


def _inspect(path: Path) -> Finding:
    """Decode as training does, so scan and training agree about every file."""
    try:
        height, width = decode_file(path).shape[:2]
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error...
        return [read_error(path, error), 0, 0]
    return ["", width, height]


def inspect_all(
    paths: Sequence[Path], inspect: Callable[[Path], T], what: str = "reading every image once"
) -> Generator[tuple[Path, T]]:
    """Call ``inspect``, which is thread-safe, on each file, on all cores; with a bar if it is long.

    Args:
        paths: The files.
        inspect: What is called.
        what: What that does, for the bar.

    Yields:
        Each file with what was found, in the order of ``paths``.
    """
    if not paths:
        return
    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    pool = ThreadPoolExecutor(min(share_of_cores(), len(chunks)))
    results = pool.map(lambda chunk: [(path, inspect(path)) for path in chunk], chunks)
    pairs: Iterable[tuple[Path, T]] = (pair for chunk in results for pair in chunk)
    if len(paths) > QUIET_BELOW:
        pairs = track(pairs, what, total=len(paths))
    try:
        yield from pairs
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def stamp_of(path: str | Path) -> list[int]:
    """Return size and time of change, by which a changed file is known; [] if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]


def _store_of(paths: Iterable[Path], kind: str) -> Path:
    folders = sorted({os.path.abspath(path.parent) for path in paths})
    digest = hashlib.sha256(os.fsencode("\n".join([kind, *folders]))).hexdigest()
    return SCAN_DIR / f"{digest[:16]}.json"


def _remembered(cache: Cache, path: Path, stamp: list[int]) -> Finding | None:
    entry = cache.get(os.path.abspath(path.parent), {}).get(path.name)
    if not isinstance(entry, list) or len(entry) != 3 or entry[:2] != stamp:
        return None
    return entry[2] if isinstance(entry[2], list) else None


def _merge(cache: Cache, done: dict[Path, Finding], stamps: dict[Path, list[int]]) -> Cache:
    for path, finding in done.items():
        if not finding[0]:
            folder = cache.setdefault(os.path.abspath(path.parent), {})
            folder[path.name] = [*stamps[path], finding]
    return cache


def _read_cache(store: Path) -> Cache:
    cache = read_json_or_none(store) or {}  # it may be missing or damaged
    return {folder: entries for folder, entries in cache.items() if isinstance(entries, dict)}


def _write_cache(store: Path, cache: Cache) -> None:
    with contextlib.suppress(OSError):  # without a cache the next scan takes longer, that is all
        write_text(store, json.dumps(cache))
