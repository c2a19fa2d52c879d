"""``compile=True`` in a config: torch compiles the backbone, the part that takes the time.

mmengine would compile the whole training step, which breaks up at every hook, list and data
sample, and is compiled again for every size of a detector's images.
"""

import inspect
import os
import shutil
from collections.abc import Mapping

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from torch import nn

from bag_of_transfer.engine.errors import UserError, chain

__all__ = ["compile_backbone", "compiling_mistake", "follow_compiler"]

# What torch's default backend calls: C++ for kernels of a CPU, C for the launchers of a GPU's.
COMPILERS = {"cpu": ("CXX", ("g++", "clang++", "c++")), "cuda": ("CC", ("gcc", "clang", "cc"))}


def follow_compiler(cfg: Config) -> str | None:
    """Switch ``compile`` off in a config where this machine has no compiler; say so.

    A bare Debian has none.  A backend that the config names may do without.
    """
    options = cfg.get("compile")
    backend = options.get("backend", "inductor") if isinstance(options, Mapping) else "inductor"
    if not options or backend != "inductor":
        return None
    variable, names = COMPILERS["cuda" if torch.cuda.is_available() else "cpu"]
    candidates = [os.environ[variable]] if os.environ.get(variable) else names
    if any(shutil.which(name.split()[0]) for name in candidates):
        return None
    cfg.compile = False
    return f"compile: off, there is no compiler here ({', '.join(candidates)})"


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
