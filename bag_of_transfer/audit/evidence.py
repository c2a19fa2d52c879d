"""What the audit says of one trick."""

from typing import Any, TypedDict

__all__ = ["Evidence", "not_seen"]


class Evidence(TypedDict):
    """One entry of ``tricks.json``."""

    on: bool
    value: Any
    evidence: str


def not_seen(evidence: str) -> Evidence:
    """Return the entry of a trick that is not at work."""
    return Evidence(on=False, value=None, evidence=evidence)
