"""``--deterministic``: the same numbers each time on the same hardware, or an error.

mmengine's ``randomness.deterministic`` asks torch for deterministic operations.  Here it is
checked that nothing else of the config chooses operations by their speed.
"""

import os
from collections.abc import Mapping

import torch
from mmengine.config import Config

from bag_of_transfer.engine.config.tool_flags import DETERMINISTIC
from bag_of_transfer.engine.errors import UserError

__all__ = ["deterministic_mistake", "follow_determinism"]

# Sizes with which cuBLAS computes the same each time (torch.use_deterministic_algorithms).
WORKSPACE, SIZES = "CUBLAS_WORKSPACE_CONFIG", (":4096:8", ":16:8")
REFUSED = "does not have a deterministic implementation"  # how torch refuses an operation


def follow_determinism(cfg: Config) -> str | None:
    """Check what a deterministic run must not have, and set what it needs; say so.

    Without ``randomness.deterministic`` nothing is done.

    Raises:
        UserError: If ``env_cfg.cudnn_benchmark`` or ``compile`` chooses kernels by their speed, or
            the environment lets cuBLAS choose.
    """
    if not (cfg.get("randomness") or {}).get("deterministic"):
        return None
    if (cfg.get("env_cfg") or {}).get("cudnn_benchmark"):
        raise _chosen_by_speed("env_cfg.cudnn_benchmark")
    if _tries_kernels(cfg.get("compile")):
        raise _chosen_by_speed("compile")
    if torch.cuda.is_available():
        sizes = os.environ.setdefault(WORKSPACE, SIZES[0])
        if sizes not in SIZES:
            what = f"{WORKSPACE}={sizes} lets cuBLAS choose how it computes"
            raise UserError(what, DETERMINISTIC, f"unset it, or set it to {' or '.join(SIZES)}")
    return "deterministic: an operation that cannot be so ends the run at its first step"


def _tries_kernels(options: object) -> bool:
    """Return whether ``torch.compile`` times several kernels and takes the fastest."""
    if not isinstance(options, Mapping):
        return False
    inner = options.get("options") or {}
    return "max-autotune" in str(options.get("mode")) or any("autotune" in key for key in inner)


def _chosen_by_speed(key: str) -> UserError:
    what = f"{key} takes the fastest kernels, which may be others each time"
    return UserError(what, f"{key} and {DETERMINISTIC}", "leave one of the two out")


def deterministic_mistake(error: BaseException) -> UserError | None:
    """Return which operation cannot be deterministic, if that is why a step failed."""
    text = str(error)
    if not isinstance(error, RuntimeError) or REFUSED not in text:
        return None
    operation = text.partition(REFUSED)[0].strip()
    mend = "leave --deterministic out, compute on a CPU, or train a network without it"
    return UserError(f"{operation} cannot be deterministic here", DETERMINISTIC, mend)
