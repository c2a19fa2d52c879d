"""``report.html``: a single file that opens from disk and needs no network."""

from collections.abc import Sequence
from typing import Any

from bag_of_transfer.ladder.metrics import label_of
from bag_of_transfer.ladder.report import machines, page_data, repeat
from bag_of_transfer.ladder.report.cell_files import damaged_files
from bag_of_transfer.ladder.report.documents import tables_of
from bag_of_transfer.ladder.report.findings import Finding, Top1
from bag_of_transfer.ladder.report.footnotes import not_done
from bag_of_transfer.ladder.report.results import LadderResults
from bag_of_transfer.ladder.report.steps import read_steps
from bag_of_transfer.ladder.report.trick_tables import trick_tables
from bag_of_transfer.ladder.statistics.over_seeds import BETTER, WORSE, verdict
from bag_of_transfer.pages.page import inline_plots, render_page
from bag_of_transfer.pages.plots import Plot

__all__ = ["render"]


def render(
    ladder: LadderResults,
    findings: Sequence[Finding],
    top1: Top1,
    plots: Sequence[Plot],
    footnotes: Sequence[str],
) -> str:
    """Return the page as HTML, see :func:`bag_of_transfer.pages.page.render_page`."""
    return render_page(
        __package__,
        "page.html.j2",
        {"metric": label_of},
        ladder=ladder,
        tables=tables_of(ladder, findings, top1),
        highest=_highest(ladder, findings),
        plots=inline_plots(plots),
        footnotes=footnotes,
        not_done=not_done(ladder),
        damaged=damaged_files(ladder.cells_of()),
        is_marked=any(step.besides for step in read_steps(ladder)),
        num_done=len(ladder.cells_of()),
        **_parts(ladder),
    )


def _highest(
    ladder: LadderResults, findings: Sequence[Finding]
) -> list[tuple[Finding, str, str, str]]:
    """Return (metric, rung with the highest mean, that mean, verdict on it) per metric.

    A rung that is not shown to be better is not named: its mean may be the highest by chance.
    """
    rows = []
    for finding in findings:
        means = {r: s.mean for r, s in finding.spreads.items() if s.mean is not None}
        verdicts = {rung: verdict(each) for rung, each in finding.comparisons.items()}
        if not verdicts or not means:
            continue
        reference = ladder.rungs[ladder.reference].label
        of_others = set(verdicts.values())
        better = [rung for rung in means if verdicts.get(rung) == BETTER]
        if better:
            best = max(better, key=lambda rung: means[rung])
            of_several = f", the highest mean of {len(better)} such rungs" * (len(better) > 1)
            says = f"against {reference}: {BETTER}{of_several}"
            rows.append((finding, ladder.rungs[best].label, f"{means[best]:.2f}", says))
        elif of_others == {WORSE} and ladder.reference in means:
            mean = f"{means[ladder.reference]:.2f}"
            rows.append((finding, reference, mean, "all others are worse"))
        else:
            says = f"against {reference}: {', '.join(sorted(of_others))}"
            rows.append((finding, "none", "", says))
    return rows


def _parts(ladder: LadderResults) -> dict[str, Any]:
    return {
        "tricks": trick_tables(ladder),
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
