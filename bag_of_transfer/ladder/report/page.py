"""``report.html``: a single file that opens from disk and needs no network."""

import base64
import functools
import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from bag_of_transfer.ladder.metrics import label_of
from bag_of_transfer.ladder.report import machines, page_data, repeat
from bag_of_transfer.ladder.report.cell_files import damaged_files
from bag_of_transfer.ladder.report.documents import tables_of
from bag_of_transfer.ladder.report.drawing import COLOURS, DARK, Plot, inline_svg
from bag_of_transfer.ladder.report.findings import Finding, Top1
from bag_of_transfer.ladder.report.footnotes import not_done
from bag_of_transfer.ladder.report.results import LadderResults
from bag_of_transfer.ladder.statistics.over_seeds import verdict

__all__ = ["render"]


def render(
    ladder: LadderResults,
    findings: Sequence[Finding],
    top1: Top1,
    plots: Sequence[Plot],
    footnotes: Sequence[str],
) -> str:
    """Return the page as HTML; every text that comes from a folder is escaped.

    The page's content security policy forbids it to fetch anything or to run other scripts.
    """
    script = _read("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            ladder=ladder,
            script=Markup(script),
            script_hash=digest,
            style=Markup(_read("page.css")),
            colours=list(enumerate(zip(COLOURS, DARK, strict=True))),
            tables=tables_of(ladder, findings, top1),
            highest=_highest(ladder, findings),
            plots=_plots(plots),
            footnotes=footnotes,
            not_done=not_done(ladder),
            damaged=damaged_files(ladder.cells_of()),
            num_done=len(ladder.cells_of()),
            **_parts(ladder),
        )
    )


def _highest(
    ladder: LadderResults, findings: Sequence[Finding]
) -> list[tuple[Finding, str, str, str]]:
    """Return (metric, rung with the highest mean, that mean, verdict on it) per metric."""
    rows = []
    for finding in findings:
        means = {r: s.mean for r, s in finding.spreads.items() if s.mean is not None}
        if means:
            best = max(means, key=lambda rung: means[rung])
            comparison = finding.comparisons.get(best)
            text = "the reference itself" if comparison is None else verdict(comparison)
            rows.append((finding, ladder.rungs[best].label, f"{means[best]:.2f}", text))
    return rows


def _plots(plots: Sequence[Plot]) -> dict[str, list[tuple[Plot, Markup]]]:
    groups: dict[str, list[tuple[Plot, Markup]]] = {}
    for plot in plots:
        # Markup is safe here: matplotlib escapes the texts of a figure.
        groups.setdefault(plot.group, []).append((plot, Markup(inline_svg(plot))))
    return groups


def _parts(ladder: LadderResults) -> dict[str, Any]:
    rungs, rows = page_data.tricks(ladder)
    return {
        "trick_rungs": rungs,
        "trick_rows": rows,
        "changes": page_data.config_changes(ladder),
        "cards": page_data.cards(ladder),
        "galleries": page_data.galleries(ladder),
        "environment": machines.environment(ladder),
        "ladder_command": repeat.ladder_command(ladder),
        "new_folder": repeat.new_folder(ladder),
        "commands": repeat.cell_commands(ladder),
        "picture_px": page_data.PICTURE_PX,
        "max_pictures": page_data.MAX_PICTURES,
    }


@functools.cache  # compiling the templates takes longer than filling them
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["metric"] = label_of
    environment.filters["pretty"] = lambda text: str(text).replace("+-", "\N{PLUS-MINUS SIGN}")
    return environment


def _read(name: str) -> str:
    return (resources.files(__package__) / "templates" / name).read_text(encoding="utf-8")
