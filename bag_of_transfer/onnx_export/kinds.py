"""What is exported of each kind of network: one record each, completed by the kind's own module."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from bag_of_transfer.engine.config.input_channels import in_channels_of
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.tasks import ResultKind
from bag_of_transfer.onnx_export.preparation import Preparation
from bag_of_transfer.prediction.network import Trained

__all__ = [
    "Answer",
    "Difference",
    "Exported",
    "Kind",
    "Output",
    "few",
    "kind_of",
    "largest",
    "prepare",
    "refuse_unless",
    "takes_bgr",
]

Answer = Mapping[str, np.ndarray]  # by the names of the outputs
# Imported when such a network is exported: two of them import a whole library.
MODULES: dict[ResultKind, str] = {
    "classes": "bag_of_transfer.onnx_export.classifier",
    "mask": "bag_of_transfer.onnx_export.segmenter",
    "boxes": "bag_of_transfer.onnx_export.detector",
}


class Output(NamedTuple):
    """A tensor that comes out: the names of its axes that may change, and what it holds."""

    axes: dict[int, str]
    means: str


class Difference(NamedTuple):
    """What was compared, the largest difference, and the largest that is allowed.

    Where things that differ were counted, ``among`` is the number of all of them; else 0.
    """

    of: str
    found: float
    allowed: float
    among: int = 0

    def __str__(self) -> str:
        return f"{self.of} {self.found:.2g} (allowed {self.allowed:.2g})"

    @property
    def is_small(self) -> bool:
        """Return whether the difference is allowed; one that is no number is not."""
        return self.found <= self.allowed


class Exported(nn.Module):
    """A trained network and what prepares its images.

    Args:
        network: The network.
        preparation: Normalises the images, and pads them for networks that need it.
    """

    def __init__(self, network: Any, preparation: nn.Module) -> None:
        super().__init__()
        self.network, self.preparation = network, preparation


def few(among: int) -> int:
    """Return how many of some boxes may differ: an overlap may be as large as nms allows."""
    return max(2, int(0.01 * among))


class Kind(NamedTuple):
    """A kind of network.

    Args:
        outputs: What the exported network gives, in order.
        build: Makes the module that is exported; it refuses networks that it does not know.
        sample: The class of the data samples that the network wants with its images; None: none.
        answer: Turns what the network's ``test_step`` gives for a batch into the outputs.
        compare: Compares the exported network's answer with that of the network itself.
    """

    outputs: dict[str, Output]
    build: Callable[[Trained], nn.Module]
    sample: type | None
    answer: Callable[[Any], Answer]
    compare: Callable[[Answer, Answer], list[Difference]]


def kind_of(trained: Trained) -> Kind:
    """Return the record of a trained network."""
    kind: Kind = import_module(MODULES[trained.task.result]).KIND
    return kind


def takes_bgr(trained: Trained) -> bool:
    """Return whether the network's own preprocessor is given BGR: mmdet's and mmseg's readers."""
    return trained.task.packs_samples and in_channels_of(trained.cfg.model) == 3


def prepare(trained: Trained, divisor: int = 1, value: float = 0.0) -> Preparation:
    """Return the module that does the work of the network's preprocessor.

    Args:
        trained: The network.
        divisor: Height and width become multiples of it.
        value: What the network sees in the padding.
    """
    stated = trained.cfg.model.get("data_preprocessor") or {}
    turns = bool(stated.get("bgr_to_rgb") or stated.get("rgb_to_bgr"))
    preprocessor: Any = trained.network.data_preprocessor
    return Preparation(preprocessor, takes_bgr(trained) and not turns, divisor, value)


def refuse_unless(same: Mapping[str, bool], network: nn.Module) -> None:
    """Refuse a network with a part whose work the export does anew, and would do otherwise.

    Args:
        same: By part, whether it works as the export does.
        network: The network, for the error.

    Raises:
        UserError: If a part does not.
    """
    for part, is_same in same.items():
        if not is_same:
            what = f"{part} gives its answer in a way that the export does not know"
            mend = "only the networks listed in docs/export.md can be exported"
            raise UserError(what, type(network).__name__, mend)


def largest(differences: np.ndarray) -> float:
    """Return the largest absolute value; 0 of none."""
    return float(np.abs(differences).max()) if differences.size else 0.0
