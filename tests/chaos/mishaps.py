"""What may befall a run: signals, a disk that is full or cannot be written, damaged files."""

import os
import random
import resource
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bag_of_transfer.engine.run_files import CURVE, LAST_CHECKPOINT, manifest_of, position_of

__all__ = ["MISHAPS", "Disk", "Mishap"]

KILL, TERM, INT, USR1 = signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1
DISK_MB = 64
FILLER = "filler"


@dataclass(frozen=True)
class Mishap:
    """One kind.

    Args:
        codes: Exit codes with which the run may end.
        signals: Sent at random moments, one after another.
        damage: Called with the work dir before the run goes on; whether there was such a file.
        in_run: Called in the run's process.
        disk: What is done to the disk meanwhile.
    """

    codes: tuple[int, ...]
    signals: tuple[signal.Signals, ...] = ()
    damage: Callable[[Path, random.Random], bool] | None = None
    in_run: Callable[[], None] = lambda: None
    disk: str = ""


class Disk:
    """A small file system of its own.

    Args:
        folder: Where it is mounted; a plain folder where that is not allowed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        options = ["-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
        self.is_own = self._call("mount", *options)

    def spoil(self, how: str, draw: random.Random) -> None:
        """Make it ``full``, but for less than a few checkpoints, or ``read-only``."""
        if how == "read-only":
            self._call("mount", "-o", "remount,ro", str(self.folder))
        elif how == "full":
            state = os.statvfs(self.folder)
            free = state.f_bavail * state.f_frsize
            with (self.folder / FILLER).open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, free - draw.randrange(4096, 2**20))

    def mend(self, how: str) -> None:
        """Undo it."""
        if how == "read-only":
            self._call("mount", "-o", "remount,rw", str(self.folder))
        (self.folder / FILLER).unlink(missing_ok=True)

    def remove(self) -> None:
        """Unmount it."""
        if self.is_own:
            self._call("umount", "-l", str(self.folder))

    @staticmethod
    def _call(*words: str) -> bool:
        try:
            return subprocess.run(words, capture_output=True).returncode == 0
        except OSError:
            return False


def newest(work_dir: Path) -> Path | None:
    """Return the checkpoint of the latest position."""
    found = [path for path in work_dir.glob("*.pth") if position_of(path)]
    return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)


def flip_a_bit(work_dir: Path, draw: random.Random) -> bool:
    path = newest(work_dir)
    if path:
        data = bytearray(path.read_bytes())
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        path.write_bytes(data)
    return path is not None


def cut(path: Path | None, draw: random.Random) -> bool:
    if path is None or not path.is_file():
        return False
    path.write_bytes(path.read_bytes()[: draw.randrange(max(path.stat().st_size, 1))])
    return True


def cut_manifest(work_dir: Path, draw: random.Random) -> bool:
    path = newest(work_dir)
    return cut(path and manifest_of(path), draw)


def empty_pointer(work_dir: Path, draw: random.Random) -> bool:
    path = work_dir / LAST_CHECKPOINT
    there = path.is_file()
    if there:
        path.write_text("")
    return there


def leave_temporaries(work_dir: Path, draw: random.Random) -> bool:
    work_dir.mkdir(exist_ok=True)
    for name in (".epoch_1.pth.4194300.tmp", ".curve.jsonl.00000000-4194301-00000000.tmp"):
        path = work_dir / name
        path.write_bytes(b"half")
        os.utime(path, (0, 0))  # long ago: of another machine, they stay for an hour
    return True


def limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))


MISHAPS = {
    "SIGKILL": Mishap((0, -9), (KILL,)),
    "SIGTERM": Mishap((0, 143), (TERM,)),
    "Ctrl-C twice": Mishap((0, 130), (INT, INT)),
    "SIGUSR1, then SIGKILL": Mishap((0, -9), (USR1, KILL)),
    "full disk": Mishap((0, 2), disk="full"),
    "files may not grow": Mishap((0, 2), in_run=limit_files),
    "read-only disk": Mishap((2,), disk="read-only"),
    "flipped bit in the newest checkpoint": Mishap((0, 3, -9), (KILL,), flip_a_bit),
    "cut manifest": Mishap((0, -9), (KILL,), cut_manifest),
    "cut curve.jsonl": Mishap((0, -9), (KILL,), lambda folder, draw: cut(folder / CURVE, draw)),
    "empty last_checkpoint": Mishap((0, -9), (KILL,), empty_pointer),
    "left temporaries": Mishap((0, -9), (KILL,), leave_temporaries),
}
