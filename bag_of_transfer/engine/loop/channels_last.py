"""``channels_last``: in which order a network holds its numbers, values of a pixel together or not.

Convolutions are fastest channels-last on GPUs with tensor cores and on CPUs with bf16.  With AVX2
alone forward passes are, too, but the gradients of the weights take two to seven times as long
where the maps are large (docs/decisions/0010-channels-last-by-rule.md).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from mmengine.device import get_device
from torch import nn

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.json_file import parse_json
from bag_of_transfer.engine.processes import of_first_process

__all__ = [
    "FP32",
    "KEY",
    "Facts",
    "channels_last_line",
    "choose_channels_last",
    "follow_run",
    "is_channels_last",
    "lay_out",
]

KEY = "channels_last"
FULL_WIDTH = 512  # channels; ResNets have so many in stage 4, slim ones nowhere
FP32 = "OptimWrapper"  # the wrapper without mixed precision


class Facts(NamedTuple):
    """What decides the layout of a run that does not state it.

    Args:
        task: ``cls``, ``det`` or ``seg``.
        widest: The most input channels that a convolution larger than 1x1 has, groups aside.
        device: ``cpu``, ``cuda``, ...
        instructions: The best that torch uses on this CPU, as torch names them.
        wrapper: The type of the optimizer wrapper, which sets the precision.
    """

    task: str | None
    widest: int
    device: str
    instructions: str
    wrapper: str


def is_channels_last(facts: Facts) -> bool:
    """Return the layout for a network that is trained: all but one kind are channels-last.

    Channels first are detectors and segmenters of full width in FP32 on a CPU with AVX2 and
    nothing newer.  Classifiers soon have small maps, slim networks have few channels.
    """
    slow = facts.device == "cpu" and facts.instructions == "AVX2" and facts.wrapper == FP32
    return not (slow and facts.task in ("det", "seg") and facts.widest >= FULL_WIDTH)


def choose_channels_last(cfg: Config, network: nn.Module) -> bool:
    """Return the layout that the config states; else choose it, and state it there.

    All processes take what the first one chose.

    Raises:
        UserError: If the config states neither True nor False.
    """
    stated = _stated(cfg)
    if stated is None:
        facts = Facts(
            cfg.get("task"),
            _widest(network),
            get_device(),
            torch.backends.cpu.get_cpu_capability(),
            (cfg.get("optim_wrapper") or {}).get("type", FP32),
        )
        cfg[KEY] = stated = of_first_process(is_channels_last(facts))
    return stated


def follow_run(cfg: Config, meta: Mapping[str, Any], where: object) -> None:
    """Let the config state the layout of a checkpoint's run, unless it states one.

    Runs from before there was a choice were channels-last.

    Args:
        cfg: Of a run that goes on, or of what is computed with its network.
        meta: The checkpoint's.
        where: The checkpoint, for the error.

    Raises:
        UserError: If the config states neither True nor False, or the checkpoint is damaged.
    """
    if _stated(cfg) is not None:
        return
    stored, config = meta.get("config_json"), None
    if isinstance(stored, str):
        config = parse_json(stored, where, "take another checkpoint", finite=False).get("config")
    cfg[KEY] = not (isinstance(config, Mapping) and config.get(KEY) is False)


def channels_last_line(cfg: Config) -> str:
    """Return the line that says which layout a run has.

    torch draws other numbers into a weight of the other layout: such a run begins with other
    weights, as with another seed.
    """
    order = "last" if cfg[KEY] else "first"
    changes = "changes it, the weights that are drawn, and how numbers are rounded"
    return f"layout: channels {order} ({KEY}={not cfg[KEY]} {changes})"


def lay_out(network: nn.Module, channels_last: bool) -> None:
    """Give a network's weights a layout, and its preprocessor's batches the same.

    Else the first convolution would lay out each batch, in each direction.
    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network.to(memory_format=layout)
    preprocessor = getattr(network, "data_preprocessor", None)
    if isinstance(preprocessor, nn.Module):
        for number, hook in [*preprocessor._forward_hooks.items()]:
            if hook is _images_channels_last:
                del preprocessor._forward_hooks[number]
        if channels_last:
            preprocessor.register_forward_hook(_images_channels_last)


def _images_channels_last(preprocessor: nn.Module, given: Any, data: Any) -> Any:
    images = data.get("inputs") if isinstance(data, dict) else None
    if isinstance(images, torch.Tensor) and images.ndim == 4:
        data["inputs"] = images.contiguous(memory_format=torch.channels_last)
    return data


def _stated(cfg: Config) -> bool | None:
    stated = cfg.get(KEY)
    if stated is None or isinstance(stated, bool):
        return stated
    raise UserError(f"{KEY}={stated!r} is not understood", KEY, "say True or False")


def _widest(network: nn.Module) -> int:
    return max(
        (
            module.in_channels // module.groups
            for module in network.modules()
            if isinstance(module, nn.Conv2d) and max(module.kernel_size) > 1
        ),
        default=0,
    )
