"""A page: a single file that opens from disk and needs no network.

Templates extend ``base.html.j2``; ``page.css`` has the look of all pages, ``page.js`` what a
reader can do with them.
"""

import base64
import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from typing import Any

from jinja2 import ChoiceLoader, Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from bag_of_transfer.pages.plots import COLOURS, DARK, Plot, inline_svg

__all__ = ["inline_plots", "render_page"]

Filters = Mapping[str, Callable[[Any], str]]


def render_page(package: str, template: str, filters: Filters, **values: Any) -> str:
    """Fill a template of a package; every text is escaped.

    The page's content security policy forbids it to fetch anything or to run other scripts.

    Args:
        package: The package whose folder ``templates`` has the template.
        template: Its name; it extends ``base.html.j2``.
        filters: Functions that the template calls by their names.
        **values: What the template shows.
    """
    script = _read(__package__, "page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = _environment(package)
    environment.filters.update(filters)
    return environment.get_template(template).render(
        script=Markup(script),
        script_hash=digest,
        style=Markup(_read(__package__, "page.css")),
        colours=list(enumerate(zip(COLOURS, DARK, strict=True))),
        **values,
    )


def inline_plots(plots: Iterable[Plot]) -> dict[str, list[tuple[Plot, Markup]]]:
    """Return plots with their drawings, by their groups, for the macro in ``figures.html.j2``."""
    groups: dict[str, list[tuple[Plot, Markup]]] = {}
    for plot in plots:
        # Markup is safe here: matplotlib escapes the texts of a figure.
        groups.setdefault(plot.group, []).append((plot, Markup(inline_svg(plot))))
    return groups


@functools.cache  # compiling the templates takes longer than filling them
def _environment(package: str) -> Environment:
    folders = [FunctionLoader(functools.partial(_found, each)) for each in (package, __package__)]
    environment = Environment(
        loader=ChoiceLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["pretty"] = lambda text: str(text).replace("+-", "\N{PLUS-MINUS SIGN}")
    environment.filters["breakable"] = _breakable
    return environment


def _breakable(text: object) -> Markup:
    """Let a long name be broken behind its underscores, not within a word."""
    return escape(text).replace("_", Markup("_<wbr>"))


def _found(package: str, name: str) -> str | None:
    try:
        return _read(package, name)
    except FileNotFoundError:
        return None


def _read(package: str, name: str) -> str:
    return (resources.files(package) / "templates" / name).read_text(encoding="utf-8")
