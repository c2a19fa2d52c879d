"""Check before training, on the meta device, that all parts of a network fit together.

On the meta device tensors have shapes but no values, which costs no memory and little time.  A
head that needs values (for instance to choose boxes) is checked up to that point.
Letters: B batch, C channels, H W pixels.
"""

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.registry import MODELS
from mmengine.structures import BaseDataElement
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm
from torch.nn.modules.conv import _ConvNd as Conv

from bag_of_transfer.engine.errors import UserError

__all__ = ["check_fit", "network_of_shapes", "try_network"]

SIDE = 128  # height and width of the image, so that 4 pixels are left at stride 32
BOX = (0.0, 8.0, 8.0, 64.0, 64.0)  # index of the image, then two corners


def check_fit(model: ConfigDict) -> None:
    """Build a network from its config and send the shape of an image through it.

    Args:
        model: Config of a detector or segmenter.  It is not changed, and no weights are read.

    Raises:
        UserError: See :func:`try_network`.
    """
    try:
        network = network_of_shapes(model)
    except Exception:  # a mistake elsewhere in the config; the Runner raises it
        return
    try_network(network, int(model.backbone.get("in_channels", 3)))


def network_of_shapes(model: ConfigDict) -> nn.Module:
    """Build a network without memory for its weights; a teacher's file is not read."""
    MODELS.get(model.type)  # imports the class now: only the network may be on the meta device
    model = copy.deepcopy(model)
    if "teacher_ckpt" in model:
        model.teacher_ckpt = None
    with torch.device("meta"):
        network: nn.Module = MODELS.build(model)
    network.eval()  # not chained: some of mm*'s networks return None here
    return network


def try_network(network: Any, in_channels: int) -> None:
    """Send the shape of an image with ``in_channels`` through backbone, neck and heads.

    Raises:
        UserError: If a layer gets another number of channels than it takes, or calls an operator
            that is not installed.
    """
    with torch.device("meta"), torch.no_grad(), _channels_checked(network), _unknown_ignored():
        maps = network.extract_feat(torch.empty(2, in_channels, SIDE, SIDE))
        for name, head in network.named_children():
            if name not in ("backbone", "neck", "data_preprocessor", "teacher"):
                _try_head(head, maps)


def _try_head(head: nn.Module, maps: Sequence[Tensor]) -> None:
    stages: list[Any] = list(head) if isinstance(head, nn.ModuleList) else [head]
    previous: Any = _samples()
    for stage in stages:
        with _unknown_ignored():
            if hasattr(stage, "_bbox_forward"):
                previous = stage._bbox_forward(maps, torch.tensor([BOX]))
            else:
                previous = _call(stage, maps, previous)


def _call(head: nn.Module, maps: Sequence[Tensor], previous: Any) -> Any:
    try:
        return head(maps)
    except TypeError:  # the head also takes the output of the previous one, or a sample per image
        return head(maps, previous)


def _samples() -> list[BaseDataElement]:
    size = (SIDE, SIDE)
    facts = dict(img_shape=size, batch_input_shape=size, pad_shape=size, ori_shape=size)
    return [BaseDataElement(metainfo=facts) for _ in range(2)]


@contextlib.contextmanager
def _unknown_ignored() -> Iterator[None]:
    """Raise the user's errors only; others may come from the missing values."""
    try:
        yield
    except UserError:
        raise
    except Exception:
        return


@contextlib.contextmanager
def _channels_checked(network: nn.Module) -> Iterator[None]:
    """Check, inside this context, that layers get as many channels as they take."""
    handles = [
        layer.register_forward_pre_hook(_Gate(name, *taken), prepend=True)
        for name, layer in network.named_modules()
        if (taken := _taken(layer)) is not None
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _taken(layer: nn.Module) -> tuple[int, int] | None:
    """Return the number of channels that a layer takes, and their dimension."""
    if isinstance(layer, Conv):
        return layer.in_channels, -len(layer.kernel_size) - 1
    if isinstance(layer, BatchNorm):
        return layer.num_features, 1
    if isinstance(layer, nn.GroupNorm):
        return layer.num_channels, 1
    if isinstance(layer, nn.Linear):
        return layer.in_features, -1
    return None


class _Gate:
    """Refuse an input with another number of channels than the layer takes."""

    def __init__(self, name: str, taken: int, dimension: int) -> None:
        self.name, self.taken, self.dimension = name, taken, dimension

    def __call__(self, layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        given = inputs[0] if inputs and isinstance(inputs[0], Tensor) else None
        if given is None or not given.shape or given.shape[self.dimension] == self.taken:
            return
        raise UserError(
            f"the layer takes {self.taken} channels and gets {given.shape[self.dimension]}",
            f"model.{self.name}",
            "set in_channels of this part to the channels of the part before it",
        )
