"""Predict image files with a config and a checkpoint; images of the same size form batches."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

import backbones  # noqa: F401  registers ResNetA..D
import bag_of_transfer.detection
import bag_of_transfer.segmentation  # noqa: F401  lets configs say _base_ = "mmseg::..."
from bag_of_transfer.engine.arguments import check_count
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.loop.channels_last import KEY, lay_out
from bag_of_transfer.prediction.network import choose_device, load_trained, scope_of
from bag_of_transfer.prediction.pipeline import Item, build_load, ignores_orientation, pipeline_of
from bag_of_transfer.prediction.results import RESULTS, Boxes, Classes, Mask, Result

__all__ = ["Predictor"]

T = TypeVar("T")
PathLike = str | Path
Unreadable = Callable[[Path, UserError], None]

WINDOW = 4  # batches that are read ahead to find images of the same size; more cost memory


class Predictor:
    """A trained classifier, detector or segmenter.

    Args:
        config: The config of its training.
        checkpoint: A ``.pth`` or a run's ``last_checkpoint``.
        device: ``auto`` (a GPU where there is one), ``cpu`` or ``cuda``.
        cfg_options: Overrides, ``{"model.test_cfg.rcnn.score_thr": 0.2}`` or ``["a.b=1"]``.

    Attributes:
        classes: Names in label order.
        config: The config as it was read, with the overrides.
        device: Where the network is.

    Raises:
        UserError: If a file is missing or wrong, or the two do not belong together.
    """

    def __init__(
        self,
        config: PathLike,
        checkpoint: PathLike,
        device: str = "auto",
        cfg_options: Sequence[str] | Mapping[str, Any] = (),
    ) -> None:
        self.device = choose_device(device)
        trained = load_trained(Path(config), Path(checkpoint), cfg_options)
        self._task, self.classes, self.config = trained.task, trained.classes, trained.cfg
        lay_out(trained.network, trained.cfg[KEY])
        self.network: Any = trained.network.to(self.device)
        with scope_of(self._task.scope):
            self._load = build_load(trained.cfg, self._task)
        self._upright = not ignores_orientation(pipeline_of(trained.cfg))

    @property
    def task(self) -> str:
        """Return ``cls``, ``det`` or ``seg``."""
        return self._task.name

    def __call__(
        self, paths: PathLike | Iterable[PathLike], batch_size: int = 8
    ) -> list[Classes] | list[Boxes] | list[Mask]:
        """Predict images, in the order of ``paths``.

        Args:
            paths: Image files, or one file; :meth:`frames` takes pixels.
            batch_size: Largest number of images per forward pass.

        Raises:
            UserError: See :meth:`stream`.
        """
        return list(self.stream(paths, batch_size))  # type: ignore[return-value]  # by the task

    def stream(
        self,
        paths: PathLike | Iterable[PathLike],
        batch_size: int = 8,
        on_unreadable: Unreadable | None = None,
    ) -> Iterator[Result]:
        """Predict any number of images, in order, with few of them in memory.

        Args:
            paths: Image files, or one file.
            batch_size: Largest number of images per forward pass.
            on_unreadable: Called with an image that cannot be read and the error; the image is
                then left out.  None: raise the error.

        Yields:
            A result per image.

        Raises:
            UserError: If ``batch_size`` is less than 1, something is no path, or, without
                ``on_unreadable``, an image cannot be read.
        """
        check_count(batch_size, "batch size")
        is_one = isinstance(paths, str | os.PathLike) or not isinstance(paths, Iterable)
        several: Any = [paths] if is_one else paths
        read = (item for path in map(_path, several) for item in self._read(path, on_unreadable))
        for items in _chunks(read, WINDOW * batch_size):
            yield from self._in_order(items, batch_size)

    def frames(
        self, path: PathLike, frames: Iterable[np.ndarray], batch_size: int = 8
    ) -> Iterator[Result]:
        """Predict the frames of a video, or other pixels, in order, with one batch in memory.

        Args:
            path: The video, or any name, for the results.
            frames: Pixels, RGB, H x W x 3, uint8.
            batch_size: Largest number of frames per forward pass.

        Yields:
            A result per frame.

        Raises:
            UserError: If ``batch_size`` is less than 1, or a frame is anything else.
        """
        check_count(batch_size, "batch size")
        for chunk in _chunks(map(_checked_frame, frames), batch_size):
            items = [self._load.frame(Path(path), frame) for frame in chunk]
            yield from self._in_order(items, batch_size)

    def _in_order(self, items: Sequence[Item], batch_size: int) -> Iterator[Result]:
        results: dict[int, Result] = {}
        for indices in _groups([self._batch_shape(item) for item in items], batch_size):
            batch = self._predict([items[index] for index in indices])
            results.update(zip(indices, batch, strict=True))
        yield from (results[index] for index in range(len(items)))

    def _read(self, path: Path, on_unreadable: Unreadable | None) -> list[Item]:
        try:
            return [self._load.file(path)]
        except UserError as error:
            if on_unreadable is None:
                raise
            on_unreadable(path, error)
            return []

    def _batch_shape(self, item: Item) -> tuple[int, ...]:
        """Return the shape that the image has in a batch by itself.

        Padding it further, to the size of a larger image, would change the network's input at the
        borders, and so the result.
        """
        divisor = getattr(self.network.data_preprocessor, "pad_size_divisor", 1)
        channels, height, width = item.inputs.shape
        return channels, -(-height // divisor), -(-width // divisor)

    def _predict(self, items: Sequence[Item]) -> list[Result]:
        inputs: Any = [item.inputs for item in items]
        if self._task.packs_samples:
            data = {"inputs": inputs, "data_samples": [item.sample for item in items]}
        else:
            data = {"inputs": torch.stack(inputs)}
        with torch.no_grad():
            outputs = self.network.test_step(data)
        return [self._result(item, out) for item, out in zip(items, outputs, strict=True)]

    def _result(self, item: Item, output: Any) -> Result:
        facts = (item.path, item.size, self.classes, self._upright)
        result = RESULTS[self._task.result].of_output(facts, output)
        return result if item.frame is None else replace(result, frame=item.frame)


def _path(path: object) -> Path:
    if isinstance(path, str | os.PathLike):
        return Path(path)
    mend = "give image files; frames(NAME, [PIXELS]) takes pixels"
    raise UserError(f"{type(path).__name__} is no path", "paths", mend)


def _checked_frame(frame: np.ndarray) -> np.ndarray:
    """Return a frame; one of other values or channels, or of none, would be predicted wrongly."""
    shape, kind = getattr(frame, "shape", None), getattr(frame, "dtype", None)
    has_pixels = isinstance(frame, np.ndarray) and frame.size > 0
    if has_pixels and kind == np.uint8 and frame.shape[2:] == (3,):
        return frame
    what = f"a frame is {type(frame).__name__} of shape {shape} and type {kind}"
    raise UserError(what, "frames", "give arrays of RGB pixels, H x W x 3, uint8")


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def _groups(shapes: Sequence[tuple[int, ...]], most: int) -> list[list[int]]:
    """Return groups of the indices of equal shapes, with at most ``most`` in a group."""
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for index, shape in enumerate(shapes):
        by_shape.setdefault(shape, []).append(index)
    return [group for same in by_shape.values() for group in _chunks(same, most)]
