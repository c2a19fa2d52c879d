"""Download official files over HTTP; a later run continues a broken transfer where it stopped."""

import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from bag_of_transfer.archives.hashed_file import CHUNK, MB, speed_and_left
from bag_of_transfer.archives.records import Archive, DataSet
from bag_of_transfer.engine.bars import Step
from bag_of_transfer.engine.errors import UserError

__all__ = ["bytes_missing", "download"]

TIMEOUT_S = 60.0  # seconds without a byte
# Waits between tries that bring no byte; after a try that brings some, they start again.
WAITS_S = (1.0, 2.0, 4.0, 8.0)


class _InterruptedError(Exception):
    """The transfer stopped early; another try may continue it."""


def bytes_missing(data_set: DataSet, folder: Path) -> int:
    """Return the number of bytes that ``download`` will fetch, as far as sizes are known."""
    return sum(
        max((archive.size or 0) - _size(_wanted(archive, folder)), 0)
        for archive in data_set.archives
    )


def download(data_set: DataSet, folder: Path) -> dict[Archive, Path]:
    """Fetch all archives of a data set that are not in ``folder`` yet.

    A file has the suffix ``.part`` until it is complete; its hash is checked when it is unpacked.

    Raises:
        UserError: If the data set requires a log-in, an address can't be reached or offers a file
            of another size.
    """
    if data_set.login:
        names = ", ".join(archive.name for archive in data_set.archives)
        raise UserError(
            f"{data_set.title} can only be downloaded by hand, after a log-in ({names})",
            data_set.page,
            "fetch these files there and name their folder by --archives DIR",
        )
    folder.mkdir(parents=True, exist_ok=True)
    return {archive: _fetch(archive, folder / archive.name) for archive in data_set.archives}


def _wanted(archive: Archive, folder: Path) -> Path:
    whole = folder / archive.name
    return whole if whole.exists() else _part(whole)


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _fetch(archive: Archive, path: Path) -> Path:
    if path.exists():
        print(f"{path}: already there")
        return path
    part = _part(path)
    if archive.size is not None and _size(part) > archive.size:
        part.unlink()
    step = Step(f"downloading {path.name}, MB", archive.size and archive.size // MB)
    step.show(f"from {archive.url}" + (f", from byte {_size(part):,} on" if _size(part) else ""))
    try:
        failures, furthest = 0, _size(part)
        while True:
            try:
                _append(archive, part, step)
                break
            except _InterruptedError as error:
                failures = failures + 1 if _size(part) <= furthest else 1
                furthest = max(furthest, _size(part))
                if failures > len(WAITS_S):
                    raise _unreachable(archive, str(error)) from error
                time.sleep(WAITS_S[failures - 1])
        step.end("")
    finally:
        step.close()
    os.replace(part, path)
    return path


def _append(archive: Archive, part: Path, step: Step) -> None:
    """Fetch from where ``part`` ends to the end."""
    start = _size(part)
    if start and start == archive.size:
        return  # an earlier run was killed between the last byte and the renaming
    response = _open(archive, part, start)
    with response:
        if response.status == http.client.OK:
            start = 0  # the server does not support ranges: start from the first byte
        total = _total(response, start) or archive.size
        if None not in (total, archive.size) and total != archive.size:
            raise UserError(
                f"the address offers a file of {total:,} bytes instead of {archive.size:,}",
                archive.url,
                "fetch the file by hand and name its folder by --archives DIR",
            )
        with part.open("r+b" if part.exists() else "wb") as file:
            file.seek(start)
            file.truncate()
            done, begun = start, time.perf_counter()
            for chunk in _chunks(response):
                file.write(chunk)
                done += len(chunk)
                step.advance_to(done // MB)
                if step.due:
                    step.show(speed_and_left(done - start, (total or done) - done, begun))
            file.flush()
            os.fsync(file.fileno())
    if total is not None and done != total:
        raise _InterruptedError(f"the connection ended at byte {done:,} of {total:,}")


def _open(archive: Archive, part: Path, start: int) -> http.client.HTTPResponse:
    request = urllib.request.Request(archive.url)
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink()  # it is longer than the file, so not a part of it
        if error.code >= 500 or error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise _InterruptedError(f"HTTP {error.code}") from error
        raise _unreachable(archive, f"HTTP {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _InterruptedError(str(getattr(error, "reason", error))) from error
    return response


def _total(response: http.client.HTTPResponse, start: int) -> int | None:
    """Return the whole file's size, from the server's answer."""
    if response.status == http.client.PARTIAL_CONTENT:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != start:
            raise _InterruptedError("the server answers with another range")
        return int(match[2])
    length = response.headers.get("Content-Length")
    return int(length) if length else None


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            chunk = response.read1(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _InterruptedError(str(error)) from error
        if not chunk:
            return
        yield chunk


def _unreachable(archive: Archive, why: str) -> UserError:
    return UserError(
        f"{archive.name} cannot be downloaded ({why})",
        archive.url,
        "run again to go on, or fetch it by hand and name its folder by --archives DIR",
    )
