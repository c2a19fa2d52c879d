"""Watch what Python does while a file is read: programs, connections, and files written outside."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Watch", "watching"]

RUNS = {
    *("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "subprocess.Popen"),
    *("pty.spawn", "ctypes.dlopen", "socket.connect", "socket.getaddrinfo", "webbrowser.open"),
}
WRITES = {
    *("os.mkdir", "os.remove", "os.rmdir", "os.rename", "os.link", "os.symlink", "os.truncate"),
    *("os.chmod", "os.chown", "os.utime", "shutil.rmtree", "shutil.move"),
}
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
MAX_SECONDS = 20  # of the processor; the slowest file of the corpus takes less than one


class Watch:
    """What was seen: runs, and paths that were written outside of a folder.

    Args:
        folder: The only folder in which files may be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.runs, self.outside = os.path.realpath(folder), [], []
        self.grown_mb = 0.0

    def see(self, event: str, args: tuple[Any, ...]) -> None:
        """Note an event of Python's audit hooks."""
        if event in RUNS:
            self.runs.append((event, str(args)[:100]))
        elif event in WRITES or (event == "open" and args[2] and args[2] & ~os.O_CLOEXEC & 0o1103):
            path = args[1] if event in ("os.rename", "os.link", "os.symlink") else args[0]
            relative = (
                isinstance(args[-1], int) and args[-1] >= 0 and event != "open"
            )  # to a folder
            if (
                not relative
                and isinstance(path, str | bytes | os.PathLike)
                and not self._is_inside(path)
            ):
                self.outside.append((event, os.fspath(path)))

    def _is_inside(self, path: Any) -> bool:
        real = os.path.realpath(os.fsdecode(path))
        return real == "/dev/null" or os.path.commonpath([real, self.folder]) == self.folder


_watches: list[Watch] = []


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _watches:
        watch = _watches.pop()  # what it does itself is not seen
        watch.see(event, args)
        _watches.append(watch)


sys.addaudithook(_hook)


@contextmanager
def watching(folder: Path) -> Iterator[Watch]:
    """Note what happens in the block, and end it if it takes long."""
    watch = Watch(folder)
    before = _reset_peak()
    handler = signal.signal(signal.SIGPROF, _too_long)
    signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
    _watches.append(watch)
    try:
        yield watch
    finally:
        _watches.clear()
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)
        watch.grown_mb = _memory("VmHWM") - before


def _too_long(*_: Any) -> None:
    raise TimeoutError(f"more than {MAX_SECONDS} s")


def _reset_peak() -> float:
    if not RESET.exists():
        return 0.0
    RESET.write_text("5")
    return _memory("VmRSS")


def _memory(what: str) -> float:
    """Return a figure of this process in megabytes; 0 on systems without it."""
    lines = STATUS.read_text().splitlines() if RESET.exists() else []
    return next((int(line.split()[1]) / 1e3 for line in lines if line.startswith(what)), 0.0)
