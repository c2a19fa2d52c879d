"""Predict images and videos one after another, write what is drawn of them, and keep the rows."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from bag_of_transfer.engine.bars import track
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.tasks import task_named
from bag_of_transfer.prediction import drawing
from bag_of_transfer.prediction.crops import write_crops
from bag_of_transfer.prediction.inputs import Source
from bag_of_transfer.prediction.pairs import draw_pair
from bag_of_transfer.prediction.picture_names import MASKS, name_pictures
from bag_of_transfer.prediction.png_file import write_png
from bag_of_transfer.prediction.predictor import Predictor
from bag_of_transfer.prediction.record_file import Rows
from bag_of_transfer.prediction.results import MIN_SCORE, NUM_TOP, Boxes, Mask, Result
from bag_of_transfer.prediction.truth import Truths
from bag_of_transfer.prediction.videos import SUFFIX, Video, write_video

__all__ = ["Choices", "Work", "summary"]


class Choices(NamedTuple):
    """What the user may choose.

    Args:
        batch_size: Largest number of images per forward pass.
        min_score: Boxes with a lower score are neither drawn nor recorded.
        save_crops: Whether to cut out each detected object.
        every: Of a video, predict the frames whose numbers this divides.
        truths: What annotations say of the images, to be drawn beside the predictions.
    """

    batch_size: int = 8
    min_score: float = MIN_SCORE
    save_crops: bool = False
    every: int = 1
    truths: Truths | None = None


def summary(record: Mapping[str, Any], path: Path) -> str:
    """Return in a line how much was predicted, and where that is.

    Args:
        record: The first entries of the record.
        path: The record.
    """
    done = [_count(record["num_images"], "image")] if record["num_images"] else []
    if record.get("num_videos"):
        videos = _count(record["num_videos"], "video")
        done.append(f"{_count(record['num_frames'], 'frame')} of {videos}")
    but = [f"{record['num_left_out']} left out"] if record["num_left_out"] else []
    if record.get("num_empty"):
        but.append(f"{record['num_empty']} with nothing above {record['min_score']:g}")
    if record.get("num_with_truth", record["num_images"]) < record["num_images"]:
        but.append(f"{record['num_images'] - record['num_with_truth']} without truth")
    return f"{' and '.join(done)} -> {path}" + (f" ({', '.join(but)})" if but else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


class Work:
    """What is predicted so far.

    Args:
        predictor: The trained network.
        out_dir: An existing folder.
        choices: What the user has chosen.

    Attributes:
        left_out: The reasons, by the files that cannot be read.
        cut_short: How much could be read, by the videos that end early.
    """

    def __init__(self, predictor: Predictor, out_dir: Path, choices: Choices) -> None:
        self.left_out: dict[Path, str] = {}
        self.cut_short: dict[Path, str] = {}
        self._predictor, self._out_dir, self._choices = predictor, out_dir, choices
        self._images, self._videos = Rows(out_dir), Rows(out_dir)
        self._num_frames = self._num_empty = self._num_with_truth = 0
        self._has_videos = False

    @property
    def num_done(self) -> int:
        """Return the number of images and videos that were predicted."""
        return len(self._images) + len(self._videos)

    def counts(self) -> dict[str, int]:
        """Return the numbers of images, videos, frames, results without a box, and left out."""
        of_videos = {"num_videos": len(self._videos), "num_frames": self._num_frames}
        is_detector = task_named(self._predictor.task).result == "boxes"
        return {
            "num_images": len(self._images),
            **(of_videos if self._has_videos else {}),
            **({"num_empty": self._num_empty} if is_detector else {}),
            **({"num_with_truth": self._num_with_truth} if self._choices.truths else {}),
            "num_left_out": len(self.left_out),
        }

    def lists(self) -> dict[str, Rows]:
        """Return the rows of images, and of videos if there are any."""
        return {"images": self._images} | ({"videos": self._videos} if self._has_videos else {})

    def do(self, sources: Sequence[Source]) -> None:
        """Predict all images, then all videos."""
        named = list(zip(sources, name_pictures(sources), strict=True))
        names = {source.path: name for source, name in named if not source.is_video}
        results = self._predictor.stream(names, self._choices.batch_size, self._leave_out)
        for result in track(results, "predicting", total=len(names)) if names else ():
            self._add_image(result, names[result.path])
        for source, name in named:
            if source.is_video:
                self._add_video(source, name)

    def _leave_out(self, path: Path, error: UserError) -> None:
        self.left_out[path] = error.what

    def _add_image(self, result: Result, name: str) -> None:
        row: dict[str, Any] = {"file": result.path, "size": result.size, "picture": f"{name}.png"}
        try:
            truth = self._choices.truths and self._choices.truths(result.path, result.size)
            pair = draw_pair(result, truth, self._choices.min_score) if truth else None
        except UserError as error:
            self.left_out[result.path] = f"{error.what} in {error.where}"
            return
        drawn, more = self._shown(result, name)
        if truth and pair:
            drawn = pair
            self._num_with_truth += 1
            more["truth"] = truth.record(result.classes)
        write_png(self._out_dir / row["picture"], drawn)
        self._images.add(row | more)

    def _shown(self, result: Result, name: str) -> tuple[Image.Image, dict[str, Any]]:
        """Return the picture, and the entries of the record; write its mask, cut out objects."""
        if isinstance(result, Mask):
            mask = {"mask": f"{MASKS}/{name}.png"}
            labels = Image.fromarray(np.ascontiguousarray(result.mask))
            write_png(self._out_dir / mask["mask"], labels)
            return result.draw(), mask | result.record()
        if not isinstance(result, Boxes):
            return result.draw(), result.record()
        kept = result.above(self._choices.min_score)
        drawn, record = result.draw(self._choices.min_score), kept.record()
        if not len(kept.scores):
            self._num_empty += 1
            record["highest_score"] = result.scores.max() if len(result.scores) else None
        if self._choices.save_crops:
            record["crops"] = write_crops(kept, self._out_dir, name)
        return drawn, record

    def _add_video(self, source: Source, name: str) -> None:
        self._has_videos = True
        try:
            video = Video.of_file(source.path)
        except UserError as error:
            self._leave_out(source.path, error)
            return
        rows, written = Rows(self._out_dir), f"{name}{SUFFIX}"
        total = -(-video.num_stated // self._choices.every) or None
        frames = track(self._frames(video, name, rows), f"predicting {source.path.name}", total)
        fps = video.fps / self._choices.every
        ended = write_video(self._out_dir / written, frames, fps)
        if not ended and video.lacks(len(rows), self._choices.every):
            self.cut_short[video.path] = f"{len(rows)} of {total} frames could be read"
        self._num_frames += len(rows)
        facts = {"file": video.path, "size": video.size, "video": written, "fps": video.fps}
        stated_frames = {"num_frames": len(rows), "num_stated": video.num_stated}
        self._videos.add(facts | stated_frames, frames=rows)
        if ended:
            raise ended

    def _frames(self, video: Video, name: str, rows: Rows) -> Iterator[Image.Image]:
        """Yield drawn frames, and add their rows."""
        numbers: deque[int] = deque()

        def pixels() -> Iterator[np.ndarray]:
            for number, frame in video.frames(self._choices.every):
                numbers.append(number)
                yield frame

        height = 0
        for result in self._predictor.frames(video.path, pixels(), self._choices.batch_size):
            number = numbers.popleft()
            drawn, more = self._shown(result, f"{name}{SUFFIX}/{number:06}")
            height = height or _height_of_frames(result)
            sheet = Image.new("RGB", (drawn.width, height), "white")
            sheet.paste(drawn)
            yield sheet
            rows.add({"frame": number, "seconds": number / video.fps, **more})


def _height_of_frames(result: Result) -> int:
    """Return the height of a video's pictures, with room for the same lines below all of them."""
    picture, _ = drawing.enlarged(result.image())
    lines = 2 if isinstance(result, Boxes) else NUM_TOP  # that there is none, or a legend
    return drawing.with_lines(picture, ["x"] * lines).height
