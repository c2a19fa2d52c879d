"""The look of plots, in files and on pages."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bag_of_transfer.engine.figures import with_any_letters
from bag_of_transfer.engine.printable import printable
from bag_of_transfer.engine.quantities import shortened

__all__ = [
    "COLOURS",
    "DARK",
    "INK",
    "LINE",
    "MAX_LABEL",
    "MIN_POINTS",
    "Plot",
    "axes_of",
    "file_name",
    "finish",
    "inline_svg",
    "legend_above",
    "short_label",
    "with_unique_names",
]

# Their contrast with the page's light and dark background is at least 3 to 1 (WCAG 2.2, 1.4.11).
# The order is the same in both: on a dark page, DARK[i] replaces COLOURS[i].
COLOURS = (
    *("#5F6670", "#0072B2", "#C74E00", "#008A65", "#B0457F", "#8F6400", "#6A3FB5", "#0B7F94"),
)
DARK = ("#A6AEB8", "#4FB3EE", "#FF8A4C", "#35C99A", "#EE8FC2", "#DDAA3C", "#B296FF", "#4CC6DB")
INK, LINE = "#1C2127", "#C9CED6"  # text and rules; the page replaces them with its own colours
MAX_LABEL = 24  # characters
MIN_POINTS = 3  # two make no curve, and a plot with fewer says less than the table
SIZE_INCHES = (5.0, 3.5)  # 360 pt wide: about a phone's width, where text of 10 pt is readable


@dataclass(frozen=True)
class Plot:
    """A figure, the name of its files, its heading, and a description for who cannot see it."""

    group: str  # the plots of one group stand below one heading
    name: str
    title: str
    alt: str
    figure: Figure


def file_name(*parts: str) -> str:
    """Return words joined to a file's name: letters of any script and digits, in lower case."""
    return re.sub(r"[\W_]+", "-", "-".join(parts)).strip("-").lower()


def with_unique_names(plots: Sequence[Plot]) -> list[Plot]:
    """Return the plots with a number added to repeated names, so that each has its own files."""
    taken: set[str] = set()
    unique = []
    for plot in plots:
        name, number = plot.name, 1
        while name in taken:
            number += 1
            name = f"{plot.name}-{number}"
        taken.add(name)
        unique.append(replace(plot, name=name))
    return unique


def axes_of(num_rows: int = 1, height: float | None = None) -> tuple[Figure, Any]:
    """Return a new figure and its axes, one below the other; ``height`` in inches."""
    size = (SIZE_INCHES[0], height or SIZE_INCHES[1])
    figure = Figure(figsize=size, layout="constrained")
    figure.patch.set_alpha(1.0)
    return figure, figure.subplots(num_rows, 1, squeeze=False)[:, 0]


def short_label(text: str, most: int = MAX_LABEL) -> str:
    """Return a label that a plot has room for: ``most`` characters."""
    text = shortened(printable(text), most)
    return text.replace("$", r"\$")  # matplotlib would take a dollar for the start of a formula


def finish(axes: Axes, xlabel: str, ylabel: str) -> None:
    """Label the axes and remove lines that carry no information."""
    axes.set_xlabel(xlabel, color=INK, fontsize=10.5)
    axes.set_ylabel(ylabel, color=INK, fontsize=10.5)
    axes.tick_params(colors=INK, labelsize=10, length=3)
    axes.grid(color=LINE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)


def legend_above(axes: Axes) -> None:
    """Add a legend above the plot, where it cannot hide a point."""
    figure = axes.get_figure(root=True)
    handles, labels = axes.get_legend_handles_labels()
    if figure is not None and handles:
        look: dict[str, Any] = {"frameon": False, "fontsize": 10, "labelcolor": INK}
        figure.legend(handles, labels, loc="outside upper left", ncols=2, **look)


def inline_svg(plot: Plot) -> str:
    """Return a plot as SVG for a page with several plots, in the page's own colours.

    Texts stay texts; ids begin with the plot's name, so that no two plots share one.
    """
    data = io.BytesIO()
    with (
        rc_context({"svg.hashsalt": plot.name, "svg.fonttype": "none"}),
        with_any_letters(),
    ):
        plot.figure.savefig(data, format="svg", transparent=True, metadata=NO_METADATA)
    text = data.getvalue().decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'\b(id|xlink:href)="(#?)', rf'\1="\2{plot.name}-', text)
    text = text.replace("url(#", f"url(#{plot.name}-").replace("xlink:href", "href")
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text)
    text = re.sub(r'(<svg\b[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg\b[^>]*?) height="[^"]*"', r"\1", text, count=1)
    return _page_colours(text).replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)


NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


def _page_colours(svg: str) -> str:
    names = {INK: "var(--ink)", LINE: "var(--line)"}
    names |= {colour: f"var(--rung-{number})" for number, colour in enumerate(COLOURS)}
    for colour, name in names.items():
        svg = svg.replace(colour.lower(), name)
    return svg
