"""Write figures as files; the same figure gives the same bytes."""

import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from bag_of_transfer.engine.atomic import write_bytes

__all__ = ["save_figure"]

DPI = 150


def save_figure(figure: Figure, stem: Path, kinds: Sequence[str] = ("png", "svg")) -> list[Path]:
    """Write ``stem`` + each kind's suffix, whole or not at all; a figure gives equal bytes."""
    paths = []
    for kind in kinds:
        data = io.BytesIO()
        # Without a salt an SVG's ids are random; without Date=None it holds the time.
        with rc_context({"svg.hashsalt": stem.name}):
            metadata = {"Date": None} if kind == "svg" else None
            figure.savefig(data, format=kind, dpi=DPI, metadata=metadata)
        path = stem.with_name(f"{stem.name}.{kind}")
        write_bytes(path, data.getvalue())
        paths.append(path)
        figure.set_layout_engine("none")  # lay it out once only: it takes a third of each saving
    return paths
