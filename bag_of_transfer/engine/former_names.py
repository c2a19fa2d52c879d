"""The import names that modules of this toolkit had before: without the package, without a room."""

from pathlib import Path

__all__ = ["current_name"]

PACKAGE = __name__.partition(".")[0]
FORMER = frozenset(
    {
        *("archives", "audit", "classification", "demo_world", "detection"),
        *("engine", "ladder", "prediction", "segmentation", "transfer"),
    }
)
ENGINE = Path(__file__).parent


def current_name(module: str) -> str | None:
    """Return today's name of a module; None for one that never had another.

    ``engine.schedules`` was a name before there was one package, and
    ``bag_of_transfer.engine.image_reader`` was one before ``engine`` had rooms.
    """
    place = module.removeprefix(f"{PACKAGE}.")
    if place.partition(".")[0] not in FORMER:
        return None
    current = f"{PACKAGE}.{_with_room(place)}"
    return current if current != module else None


def _with_room(place: str) -> str:
    top, _, name = place.partition(".")
    if top != "engine" or not name.isidentifier():
        return place
    room = next((path.parent.name for path in ENGINE.glob(f"*/{name}.py")), None)
    return f"{top}.{room}.{name}" if room else place
