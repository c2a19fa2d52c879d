"""The import names that this toolkit had before it was one package."""

__all__ = ["current_name"]

PACKAGE = __name__.partition(".")[0]
FORMER = frozenset(
    {
        *("archives", "audit", "classification", "demo_world", "detection"),
        *("engine", "ladder", "prediction", "segmentation", "transfer"),
    }
)


def current_name(module: str) -> str | None:
    """Return today's name of a module; None for one that never was this toolkit's."""
    return f"{PACKAGE}.{module}" if module.partition(".")[0] in FORMER else None
