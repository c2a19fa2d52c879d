"""Read the frames of a video one by one, and write the drawn ones into another, with OpenCV."""

import contextlib
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from bag_of_transfer.engine.atomic import replacing
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.interruption import TerminatedError
from bag_of_transfer.engine.plain_files import mend_of

__all__ = ["SUFFIX", "Video", "is_video", "write_video"]

SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm")  # what is taken for a video
SUFFIX, CODEC = ".mp4", "mp4v"  # of what is written: OpenCV's packages hold this encoder
UNKNOWN_FPS = 25.0  # taken where the file states none
MAX_FPS = 240.0  # a header with more is broken
# The first bytes, by content: FFmpeg would take a play list of addresses for a video, too.
MP4_PARTS = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
MATROSKA = b"\x1a\x45\xdf\xa3"
MAX_PIXELS = 179_000_000  # of a frame: as many as images may have
ALWAYS_LOST = 2  # frames: headers count some that no reader gives
LOST_SHARE = 0.01


def is_video(name: str) -> bool:
    """Return whether a file is named like a video; hidden files are not."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


@dataclass(frozen=True)
class Video:
    """A video file.

    Attributes:
        path: The file.
        size: Width and height of its frames.
        fps: Frames per second.
        num_stated: Number of frames that the file states; 0 if it states none.
    """

    path: Path
    size: tuple[int, int]
    fps: float
    num_stated: int

    @classmethod
    def of_file(cls, path: Path) -> "Video":
        """Look at a video, and read its first frame.

        Raises:
            UserError: If it is none, or not one frame can be read.
        """
        with _opened(path) as capture:
            is_whole, pixels = capture.read()
            if not is_whole:
                raise _unreadable(path, "no frame in it can be decoded")
            fps, count = (capture.get(p) for p in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT))
        stated = int(count) if math.isfinite(count) and count > 0 else 0
        fps = fps if 0 < fps <= MAX_FPS else UNKNOWN_FPS
        return cls(path, (pixels.shape[1], pixels.shape[0]), fps, stated)

    def frames(self, every: int = 1) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the number of each ``every``-th frame, from 0, and its pixels, RGB, H x W x 3.

        Raises:
            UserError: If the file has vanished or is another one now.
        """
        with _opened(self.path) as capture:
            number = 0
            while capture.grab():
                if number % every == 0:
                    is_whole, pixels = capture.retrieve()
                    if not is_whole:
                        return
                    yield number, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
                number += 1

    def lacks(self, num_read: int, every: int = 1) -> bool:
        """Return whether clearly fewer frames could be read than the file states."""
        expected = -(-self.num_stated // every)
        return expected - num_read > max(ALWAYS_LOST, LOST_SHARE * expected)


def write_video(path: Path, pictures: Iterable[Image.Image], fps: float) -> BaseException | None:
    """Write pictures of one size as a video; after Ctrl-C or SIGTERM, those until then.

    Args:
        path: The file, whose suffix says the format; it is whole or absent.
        pictures: One at least; where sizes are odd, which encoders refuse, a white line is added.
        fps: Pictures per second.

    Returns:
        What has interrupted the iteration, for the caller to raise; None if nothing has.

    Raises:
        UserError: If OpenCV cannot write such a file, or frames are lost.
    """
    rest = iter(pictures)
    first = next(rest)
    size = (first.width + first.width % 2, first.height + first.height % 2)
    ended: BaseException | None = None
    num_written = 0
    with replacing(path) as aside, _writer(aside.with_suffix(path.suffix), size, fps) as writer:
        if not writer.isOpened():
            raise UserError("the video cannot be written", path, "check the folder and the disk")
        try:
            for picture in chain([first], rest):
                frame = Image.new("RGB", size, "white")
                frame.paste(picture)
                writer.write(cv2.cvtColor(np.asarray(frame), cv2.COLOR_RGB2BGR))
                num_written += 1
        except (KeyboardInterrupt, TerminatedError) as signal:
            ended = signal
        writer.release()
        aside.with_suffix(path.suffix).replace(aside)
    if _num_frames(path) < num_written:  # OpenCV does not say so
        raise UserError("frames of the video are lost", path, "look if the disk is full")
    return ended


@contextlib.contextmanager
def _writer(path: Path, size: tuple[int, int], fps: float) -> Iterator[cv2.VideoWriter]:
    """Yield what writes a file, whose name says the format, and leave no file behind."""
    _hush()
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*CODEC), fps, size)
    try:
        yield writer
    finally:
        writer.release()
        path.unlink(missing_ok=True)


def _num_frames(path: Path) -> int:
    with _opened(path) as capture:
        return int(capture.get(cv2.CAP_PROP_FRAME_COUNT))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[cv2.VideoCapture]:
    _check_content(path)
    _hush()
    capture = cv2.VideoCapture(os.path.abspath(path), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            raise _unreadable(path, "it is cut off or broken, or needs a decoder that is missing")
        sides = (capture.get(p) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if math.prod(sides) > MAX_PIXELS:
            raise _unreadable(path, f"its frames have more than {MAX_PIXELS} pixels")
        yield capture
    finally:
        capture.release()


def _check_content(path: Path) -> None:
    try:
        if not path.is_file():
            raise _unreadable(path, "not a file" if path.exists() else "no such file")
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    is_avi = head[:4] == b"RIFF" and head[8:12] == b"AVI "
    if not (is_avi or head[:4] == MATROSKA or head[4:8] in MP4_PARTS):
        raise _unreadable(path, "not a video" if head else "empty file")


def _unreadable(path: Path, why: str) -> UserError:
    return UserError(f"the video can't be read ({why})", path, mend_of(path))


def _hush() -> None:
    """Keep OpenCV and FFmpeg from writing to stderr, where tools report errors in one line."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # read when the first video is opened
    cv2.setLogLevel(0)
