"""``compile=True`` in a config: torch compiles the backbone, the part that takes the time.

mmengine would compile the whole training step, which breaks up at every hook, list and data
sample, and is compiled again for every size of a detector's images.
"""

import inspect
from collections.abc import Mapping

import torch
from mmengine.logging import print_log
from torch import nn

from bag_of_transfer.engine.errors import UserError, chain

__all__ = ["compile_backbone", "compiling_mistake"]


def compile_backbone(network: nn.Module, options: object) -> None:
    """Compile the backbone in place; its tensors keep their names.

    Args:
        network: Its ``backbone`` is compiled when it first computes.
        options: The config's ``compile``: True, arguments of ``torch.compile``, or False or None.

    Raises:
        UserError: If it is neither, or the network has no backbone.
    """
    if options is None or options is False:
        return
    arguments = {} if options is True else options
    backbone = getattr(network, "backbone", None)
    accepted = set(inspect.signature(torch.compile).parameters) - {"model"}
    if not isinstance(arguments, Mapping) or not arguments.keys() <= accepted:
        mend = f"say True, or a dict of {', '.join(sorted(accepted))}"
        raise UserError(f"compile={options!r} is not understood", "compile", mend)
    if not isinstance(backbone, nn.Module):
        raise UserError("the network has no backbone to compile", "compile", "leave it out")
    backbone.compile(**arguments)
    print_log("compile: the backbone, at its first step (this takes a while)", logger="current")


def compiling_mistake(error: BaseException) -> UserError | None:
    """Return why torch could not compile here (no C++ compiler, no Triton, ...), if that failed."""
    for cause in chain(error):
        if type(cause).__module__.startswith(("torch._dynamo", "torch._inductor")):
            first_part = str(cause).split("\n\n")[0]
            reason = " ".join(first_part.split()).replace(": ", ", ").rstrip(".")[:200]
            return UserError(
                f"the backbone cannot be compiled here ({reason})",
                "compile",
                "leave compile out, or install what is missing; --debug shows where it failed",
            )
    return None
