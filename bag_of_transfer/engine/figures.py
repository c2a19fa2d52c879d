"""Write figures as files; the same figure gives the same bytes."""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from bag_of_transfer.engine.atomic import write_bytes

__all__ = ["save_figure", "with_any_letters"]

DPI = 150
# What matplotlib says of letters that its font lacks, once for each of them in each figure.
LACKING = r"Glyph \d+ |Matplotlib currently does not support \w+ natively"


@contextmanager
def with_any_letters() -> Iterator[None]:
    """Let texts have letters that the font lacks, such as Chinese ones: boxes stand for them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", LACKING)
        yield


def save_figure(figure: Figure, stem: Path, kinds: Sequence[str] = ("png", "svg")) -> list[Path]:
    """Write ``stem`` + each kind's suffix, whole or not at all; a figure gives equal bytes."""
    paths = []
    for kind in kinds:
        data = io.BytesIO()
        # Without a salt an SVG's ids are random; without Date=None it holds the time.
        with rc_context({"svg.hashsalt": stem.name}), with_any_letters():
            metadata = {"Date": None} if kind == "svg" else None
            figure.savefig(data, format=kind, dpi=DPI, metadata=metadata)
        path = stem.with_name(f"{stem.name}.{kind}")
        write_bytes(path, data.getvalue())
        paths.append(path)
        figure.set_layout_engine("none")  # lay it out once only: it takes a third of each saving
    return paths
