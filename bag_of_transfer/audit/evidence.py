"""What the audit says of one trick, and the model that it looks at."""

from typing import Any, TypedDict

from mmengine.runner import Runner
from torch import nn

__all__ = ["Evidence", "bare_model", "not_seen"]


class Evidence(TypedDict):
    """One entry of ``tricks.json``."""

    on: bool
    value: Any
    evidence: str


def not_seen(evidence: str) -> Evidence:
    """Return the entry of a trick that is not at work."""
    return Evidence(on=False, value=None, evidence=evidence)


def bare_model(runner: Runner) -> nn.Module:
    """Return the model without DistributedDataParallel around it."""
    return getattr(runner.model, "module", runner.model)
