"""Draw the whole world into a folder, all of it or nothing, and check one that exists."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import Pool
from pathlib import Path

from bag_of_transfer.demo_world.files import digest_on_disk, write_picture
from bag_of_transfer.demo_world.manifest import (
    Manifest,
    counts,
    first_difference,
    make_manifest,
    read_manifest,
)
from bag_of_transfer.demo_world.sets import SPLITS, text_files
from bag_of_transfer.engine.atomic import write_json
from bag_of_transfer.engine.bars import track
from bag_of_transfer.engine.cores import available_cores
from bag_of_transfer.engine.errors import RefusedError, UserError
from bag_of_transfer.engine.worker_signals import leave_signals_to_the_parent

__all__ = ["MANIFEST_FILE", "check_world", "draw_world", "prepare_demo"]

MANIFEST_FILE = "manifest.json"
# A SIGTERM that reaches the group is taken by each worker within a few ms.  SIGTERM does not queue:
# the pool's own, sent earlier, would be lost, and the worker waited for without end.
TAKEN_S = 0.5
_STALE_S = 3600  # no drawing takes an hour: an older folder was left by a killed run
Job = tuple[int, int]  # number of the split, number of the picture


def prepare_demo(folder: Path, seed: int, golden_file: Path, update_golden: bool) -> Manifest:
    """Draw the world into ``folder``, or leave it if it is complete; print which, and the counts.

    Args:
        folder: Folder of the world.
        seed: Seed of the pictures.
        golden_file: The committed manifest of hashes, compared if its seed is ``seed``.
        update_golden: Draw in any case, and overwrite ``golden_file``.
    """
    golden = None if update_golden else read_manifest(golden_file)
    num_processes = available_cores()
    manifest = None
    if folder.is_dir() and not update_golden:
        manifest, wrong = check_world(folder, seed, golden, num_processes)
        print(f"{folder}: {f'to be drawn again: {wrong}' if wrong else 'complete, left as it is'}")
    manifest = manifest or draw_world(folder, seed, golden, num_processes)
    print("\n".join(counts(manifest)))
    if update_golden:
        write_json(golden_file, manifest)
    return manifest


def draw_world(folder: Path, seed: int, golden: Manifest | None, num_processes: int) -> Manifest:
    """Draw all pictures into a new folder beside ``folder``, check them, and move it there.

    Args:
        folder: Folder of the world; an earlier world there is replaced.
        seed: Seed of all pictures.
        golden: The expected manifest, compared if its seed is ``seed``.
        num_processes: Number of processes that draw.

    Returns:
        The manifest, which is also written to ``folder``.

    Raises:
        RefusedError: If ``folder`` holds a file that is not ours: it would be lost.
        UserError: If ``folder`` can't be written.
        RuntimeError: If the pixels differ from ``golden``.
    """
    _refuse_foreign(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _fresh_folder(folder) as fresh:
            manifest = _draw_into(fresh, seed, num_processes)
            wrong = _differs_from_golden(manifest, golden)
            if wrong:
                raise RuntimeError(f"the drawn pictures are not the committed ones: {wrong}")
            _replace(folder, fresh)
    except OSError as error:
        raise UserError(
            f"cannot write the pictures ({error.strerror or error})",
            folder,
            "choose a folder that can be written, with 100 MB free, by --data-root",
        ) from error
    return manifest


def check_world(
    folder: Path, seed: int, golden: Manifest | None, num_processes: int
) -> tuple[Manifest | None, str]:
    """Return the manifest of a complete, unchanged world of ``seed`` in ``folder``, and "".

    For any other folder, return None and what is wrong with it.
    """
    manifest = read_manifest(folder / MANIFEST_FILE)
    if manifest is None:
        return None, f"no {MANIFEST_FILE}"
    if manifest.get("seed") != seed:
        return None, f"its seed is {manifest.get('seed')}"
    wrong = _wrong_files(folder)
    if wrong:
        return None, wrong
    try:
        drawn = _manifest_by(partial(_read_job, folder), seed, num_processes, "checking pictures")
    except OSError as error:
        return None, f"a picture cannot be read ({error})"
    # Compared with golden, too: an older version of this program may have drawn the folder.
    wrong = first_difference(drawn, manifest) or _differs_from_golden(drawn, golden)
    return (None, wrong) if wrong else (manifest, "")


def _our_files() -> set[str]:
    pictures = (path for split in SPLITS for path in split.files())
    return {MANIFEST_FILE, *(path.as_posix() for path in (*text_files(), *pictures))}


def _files_in(folder: Path) -> set[str]:
    """Return the files below a folder; hidden ones, such as a ledger of contents, do not count."""
    files = (path for path in folder.rglob("[!.]*") if not path.is_dir())
    return {path.relative_to(folder).as_posix() for path in files}


def _wrong_files(folder: Path) -> str | None:
    ours = _our_files()
    for name in sorted(ours ^ _files_in(folder)):
        return f"{name} is {'missing' if name in ours else 'not one of ours'}"
    for path, text in text_files().items():
        if (folder / path).read_bytes() != text.encode():
            return f"{path} was changed"
    return None


def _draw_into(root: Path, seed: int, num_processes: int) -> Manifest:
    texts = text_files()
    for path in {*texts, *(path for split in SPLITS for path in split.files())}:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        (root / path).write_text(text, encoding="ascii", newline="\n")
    manifest = _manifest_by(partial(_draw_job, root, seed), seed, num_processes, "drawing pictures")
    write_json(root / MANIFEST_FILE, manifest)
    return manifest


def _manifest_by(
    job: Callable[[Job], bytes], seed: int, num_processes: int, description: str
) -> Manifest:
    """Call ``job`` for every picture, in processes, and return the manifest of the digests."""
    jobs = [(number, i) for number, split in enumerate(SPLITS) for i in range(split.num_pictures)]
    digests: dict[str, list[bytes]] = {split.key: [] for split in SPLITS}
    with Pool(num_processes, initializer=leave_signals_to_the_parent) as pool:
        results = pool.imap(job, jobs, chunksize=16)
        tracked = track(results, description, total=len(jobs))
        try:
            for (number, _), digest in zip(jobs, tracked, strict=True):
                digests[SPLITS[number].key].append(digest)
        except BaseException:
            time.sleep(TAKEN_S)
            raise
    return make_manifest(seed, digests)


def _draw_job(root: Path, seed: int, job: Job) -> bytes:
    return write_picture(root, SPLITS[job[0]], job[1], seed)


def _read_job(root: Path, job: Job) -> bytes:
    return digest_on_disk(root, SPLITS[job[0]], job[1])


def _differs_from_golden(manifest: Manifest, golden: Manifest | None) -> str | None:
    if golden is None or golden["seed"] != manifest["seed"]:
        return None
    return first_difference(manifest, golden)


def _refuse_foreign(folder: Path) -> None:
    if not folder.exists():
        return
    foreign = _files_in(folder) - _our_files() if folder.is_dir() else {"it is a file"}
    if foreign:
        raise RefusedError(
            f"not drawn by this tool ({min(foreign)})",
            folder,
            "move that away, or choose another --data-root",
        )


@contextmanager
def _fresh_folder(folder: Path) -> Iterator[Path]:
    """Create a hidden folder beside ``folder`` (a move must not cross file systems)."""
    for stale in folder.parent.glob(f".{folder.name}.*.drawing"):
        if time.time() - stale.stat().st_mtime > _STALE_S:
            shutil.rmtree(stale, ignore_errors=True)
    # Not tempfile.mkdtemp: its mode 0700 would hide the pictures from the user's group.
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}.drawing")
    fresh.mkdir()
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _replace(folder: Path, fresh: Path) -> None:
    """Replace ``folder`` with ``fresh``, and remove the old contents."""
    old = fresh.with_name(f".{folder.name}.{os.getpid()}.old.drawing")
    if folder.exists():
        os.rename(folder, old)
    os.rename(fresh, folder)
    shutil.rmtree(old, ignore_errors=True)
