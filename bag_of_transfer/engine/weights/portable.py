"""What makes a checkpoint one that any machine can read, without the program that wrote it."""

import copy
from typing import Any

from torch import Tensor

from bag_of_transfer.engine.weights.origin import as_plain

__all__ = ["make_portable"]


def make_portable(checkpoint: dict[str, Any]) -> None:
    """Make a checkpoint's values plain, and bring its tensors to the CPU.

    The log's history is taken out.  mmengine brings tensors to the CPU before its hooks add theirs,
    and EMAHook swaps the average in from the GPU.  What is on the CPU already is not copied.

    Args:
        checkpoint: Changed; what it shares with the run is not.
    """
    hub = checkpoint["message_hub"]
    hub["log_scalars"] = {}
    # Resuming would warn about a key without its value.
    info = hub["runtime_info"]
    hub["resumed_keys"] = {key: on for key, on in hub["resumed_keys"].items() if key in info}
    for part in ("meta", "message_hub"):
        checkpoint[part] = as_plain(checkpoint[part])
    for part, value in checkpoint.items():
        checkpoint[part] = _on_cpu(value)


def _on_cpu(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.cpu()  # itself if it is there
    if isinstance(value, dict):
        copied = copy.copy(value)  # with what torch notes at a network's state
        for key, item in value.items():  # a Counter, of milestones, adds in its update
            copied[key] = _on_cpu(item)
        return copied
    return type(value)(map(_on_cpu, value)) if type(value) in (list, tuple) else value
