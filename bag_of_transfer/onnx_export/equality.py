"""Whether an exported network gives the answers of the network that it was made from.

Both see the same images.  torch computes in another order than onnxruntime, so the last digits
differ, and where two classes or two overlaps are equal up to these digits, so may the answer.
"""

from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from bag_of_transfer.engine.errors import UserError, without_colons
from bag_of_transfer.engine.quantities import counted
from bag_of_transfer.onnx_export.kinds import Answer, Difference, few, kind_of, takes_bgr
from bag_of_transfer.onnx_export.pictures import resized
from bag_of_transfer.prediction.network import Trained

__all__ = [
    "INPUT",
    "NO_SUCH_SIZE",
    "Checked",
    "UnequalError",
    "answer_of",
    "as_rgb",
    "check",
    "together",
]

INPUT = "image"
NO_SUCH_SIZE = (RuntimeError, ValueError, AssertionError)  # what networks raise that take others
SILENT = 4  # of onnxruntime: it raises what it would also write before our own line
# Images in a batch, height, width: no multiples of a stride, wide and tall, small and of a photo.
ODD = ((5, 65, 97), (2, 97, 65), (1, 333, 500))


class UnequalError(UserError):
    """The exported network does not answer as the network that it was made from."""

    exit_code = 1


class Checked(NamedTuple):
    """Which images were compared, and the differences."""

    images: str
    differences: tuple[Difference, ...]

    def __str__(self) -> str:
        return f"{self.images}: {', '.join(map(str, self.differences))}"

    @property
    def is_right(self) -> bool:
        """Return whether all differences are allowed."""
        return all(difference.is_small for difference in self.differences)


def as_rgb(trained: Trained, images: Tensor) -> np.ndarray:
    """Return a batch of the network's pipeline as the exported network takes it."""
    return (images.flip(1) if takes_bgr(trained) else images).numpy()


def answer_of(trained: Trained, images: Tensor) -> Answer:
    """Return what the network itself answers, under the names of the exported outputs.

    Args:
        trained: The network.
        images: uint8, B C H W, as its pipeline gives them.
    """
    kind, network = kind_of(trained), trained.network
    size = tuple(images.shape[-2:])
    meta = dict(img_shape=size, ori_shape=size, pad_shape=size, scale_factor=(1.0, 1.0))
    data: dict[str, Any] = {"inputs": images}
    if kind.sample:
        samples = [kind.sample(metainfo=meta) for _ in images]
        data = {"inputs": list(images), "data_samples": samples}
    tester: Any = network
    with torch.no_grad():
        return kind.answer(tester.test_step(data))


def check(
    path: Path, trained: Trained, batches: Sequence[Tensor], out: Path, any_size: bool
) -> list[Checked]:
    """Compare the answers of the file with those of the network, image by image.

    Args:
        path: The exported network.
        trained: The network itself.
        batches: Images B C H W as its pipeline gives them.
        out: The name that the file will have, for the error.
        any_size: Whether images of other sizes are tried, too.

    Returns:
        What was compared, for each batch.

    Raises:
        UnequalError: If the answers differ.
        UserError: If they differ for other sizes only.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = SILENT
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    checked = [_compared(session, trained, batch, "") for batch in batches]
    wrong = next((one for one in [*checked, together(checked)] if not one.is_right), None)
    if wrong:
        what = f"onnxruntime's answers are not torch's ({without_colons(wrong)})"
        raise UnequalError(what, out, "nothing was written; report it with the config")
    if any_size:
        pictures = [picture for batch in batches for picture in batch]
        checked += _at_odd_sizes(session, trained, pictures, out)
    return checked


def together(checked: Sequence[Checked]) -> Checked:
    """Return what was counted in all batches: a few in each are too many."""
    counts = [each for one in checked for each in one.differences if each.among]
    among = sum(each.among for each in counts)
    alone = sum(each.found for each in counts)
    total = Difference(f"{among} boxes, without a partner", alone, few(among), among)
    return Checked("all images together", (total,) if counts else ())


def _compared(session: Any, trained: Trained, batch: Tensor, what: str) -> Checked:
    names = [output.name for output in session.get_outputs()]
    values = session.run(names, {INPUT: as_rgb(trained, batch)})
    ours = dict(zip(names, values, strict=True))
    found = kind_of(trained).compare(ours, answer_of(trained, batch))
    count, _, height, width = batch.shape
    images = f"{counted(count, 'image')}{what} of {height} x {width}"
    return Checked(images, tuple(found))


def _at_odd_sizes(
    session: Any, trained: Trained, pictures: Sequence[Tensor], out: Path
) -> list[Checked]:
    lines = []
    for number, height, width in ODD:
        chosen = islice(cycle(pictures), number)
        batch = torch.stack([resized(picture, (height, width)) for picture in chosen])
        try:
            answer_of(trained, batch)
        except NO_SUCH_SIZE:  # Inception-V3 takes no fewer than 75 pixels
            continue
        try:
            checked = _compared(session, trained, batch, ", resized,")
            reason = "" if checked.is_right else without_colons(checked)
        except Exception as error:  # onnxruntime's errors have no common class
            reason = without_colons(str(error).strip().splitlines()[0])[:200]
        if reason:
            what = f"the exported network is right for images of the data's size only ({reason})"
            raise UserError(what, out, "nothing was written; name that size, --size HxW")
        lines.append(checked)
    return lines
