"""Check where a pipeline of val or test reads the truth, without reading a pixel.

Outputs are judged in the size of the file.  Truth that is read before an image is resized, turned
or cut is changed with it, as training needs it, and would be compared in another size.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from bag_of_transfer.engine.data.data_sets import parts_of
from bag_of_transfer.engine.errors import UserError

__all__ = ["check_truth_is_read"]

# Transforms of mmcv, mmdet and mmseg that move, turn, stretch or cut what was read before.
MOVING = frozenset(
    {
        *("Resize", "RandomResize", "RandomChoiceResize", "FixScaleResize", "FixShapeResize"),
        *("ResizeShortestEdge", "ResizeToMultiple", "RandomFlip", "RandomCrop", "CenterCrop"),
        *("MinIoURandomCrop", "RandomCenterCropPad", "Expand", "RandomAffine", "RandomShift"),
        *(
            "Rotate",
            "ShearX",
            "ShearY",
            "TranslateX",
            "TranslateY",
            "RandomRotate",
            "RandomRotFlip",
        ),
        *("Mosaic", "CachedMosaic", "RandomMosaic", "MixUp", "CachedMixUp", "CopyPaste"),
    }
)
LIBRARIES = ("mmcv", "mmengine", "mmdet", "mmseg", "bag_of_transfer")


def check_truth_is_read(
    dataset: Any, reads: Callable[[Any], bool], truth: str, example: str
) -> None:
    """Check that a data set's pipeline reads the truth, after what moves the image.

    Where it has transforms of other libraries or of the user's, one of them may read the truth.

    Args:
        dataset: That of val or test, wrapped or not.
        reads: Tells whether a transform reads the truth.
        truth: What it reads, for the error.
        example: The transform that reads it, for the error.

    Raises:
        UserError: If no transform reads it, or an image is moved afterwards.
    """
    for part in parts_of(dataset):
        steps = list(_steps(getattr(getattr(part, "pipeline", None), "transforms", ())))
        readers = [place for place, step in enumerate(steps) if reads(step)]
        where = f"the pipeline for {getattr(part, 'ann_file', '') or type(part).__name__}"
        if not readers and steps and all(map(_is_known, steps)):
            mend = f"state {example} in the pipeline, before the sample is packed"
            raise UserError(f"no {truth} to judge by: no transform reads them", where, mend)
        moving = [step for first in readers[:1] for step in steps[first:] if _moves(step)]
        if moving:
            names = (type(moving[0]).__name__, type(steps[readers[0]]).__name__)
            raise UserError(
                f"{names[0]} comes after {names[1]} and changes the {truth}, but outputs are "
                "judged in the size of the file",
                where,
                f"state {names[1]} after {names[0]} in val and test",
            )


def _steps(pipeline: Iterable[Any]) -> Iterator[Any]:
    """Yield the transforms in their order, also of groups; of alternatives for tests the first."""
    for step in pipeline:
        inner = getattr(step, "subroutines", None)  # of TestTimeAug: each is a whole pipeline
        inner = inner[:1] if inner else getattr(step, "transforms", None)
        inner = [inner] if callable(inner) else inner
        if isinstance(inner, list) and all(map(callable, inner)):  # albumentations has dicts
            yield from _steps(inner)
        else:
            yield step


def _is_known(step: Any) -> bool:
    return type(step).__module__.partition(".")[0] in LIBRARIES


def _moves(step: Any) -> bool:
    names = {kind.__name__ for kind in type(step).__mro__}
    return bool(names & MOVING) and getattr(step, "prob", None) != 0
