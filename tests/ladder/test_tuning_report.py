"""The report's searches: derived again from the runs' scores, as tables, plots and footnotes."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bag_of_transfer.ladder.report.costs import tuning_minutes
from bag_of_transfer.ladder.report.documents import table_file, tables_of
from bag_of_transfer.ladder.report.findings import Top1, find, find_top1
from bag_of_transfer.ladder.report.footnotes import footnotes
from bag_of_transfer.ladder.report.plots import draw_plots
from bag_of_transfer.ladder.report.publish import publish
from bag_of_transfer.ladder.report.results import LadderResults, read_results
from bag_of_transfer.ladder.report.summary import overview, summarise
from bag_of_transfer.ladder.report.tables import markdown
from bag_of_transfer.ladder.report.tuning_plots import tuning_plots
from bag_of_transfer.ladder.report.tuning_tables import tuning_tables
from tests.ladder import drawn_ladder as drawn

LR, DECAY = "optim_wrapper.optimizer.lr", "optim_wrapper.optimizer.weight_decay"
# Detection's mean on val; "lost" is a run that lost its loss.
DETECTION: Mapping[str, Mapping[float, float | str]] = {
    "scratch": {0.01: 40.0, 0.02: 44.0, 0.04: 42.0},
    "b_standard": {0.01: 47.0, 0.02: 46.0, 0.04: "lost"},
    "d_all": {0.01: 30.0, 0.02: 35.0, 0.04: 33.0},
    "public": {0.01: 1.0, 0.02: 2.0, 0.04: 0.0},
}


def run_tried(folder: Path, rung: str, task: str, tried: str, score: float | str) -> None:
    """Draw a run of a search of a minute, whose score is the mean over two seeds."""
    for seed, shift in ((8, -1.0), (9, 1.0)):
        own = folder / f"tuning/seed{seed}/{rung}/{task}/{tried}"
        record = {**drawn.record(rung, task, seed), "train": {"seconds": 60.0}}
        if isinstance(score, str):
            drawn.write(own / "cell.json", {**record, "lost": score, "train": {}, "seconds": 30.0})
            continue
        drawn.write(own / "cell.json", record)
        metrics = {"top1": score + shift, "mAP_voc07": score + shift}
        drawn.write(own / "metrics.json", {"metrics": metrics})


def tuned_ladder(
    folder: Path,
    scores: Callable[[str, float], float | str],
    rates: tuple[float, ...],
    tried: tuple[float, ...],
) -> LadderResults:
    """Draw a ladder that tunes detection's rate: stated are ``rates``, run are ``tried``."""
    draw_plan(folder)
    state(folder, tasks={"detection": {LR: list(rates)}})
    for rung in drawn.BASE:
        for rate in tried:
            run_tried(folder, rung, "detection", f"{LR}={rate}", scores(rung, rate))
    return read_results(folder)


def draw_plan(folder: Path) -> Path:
    """Draw a ladder of one seed of which no cell was run."""
    drawn.write(folder / "ladder.json", drawn.plan(1))
    return folder


def state(folder: Path, **tuned: Mapping[str, Mapping[str, list[Any]]]) -> None:
    """Add to the plan what is tuned: ``tasks={"detection": {key: values}}``."""
    plan = json.loads((folder / "ladder.json").read_text())
    for kind, by_name in tuned.items():
        for name, tune in by_name.items():
            plan[kind][name]["tune"] = tune
    drawn.write(folder / "ladder.json", {**plan, "tuning_seeds": [8, 9]})


@pytest.fixture(scope="module")
def ladder(tmp_path_factory: pytest.TempPathFactory) -> LadderResults:
    folder, rates = tmp_path_factory.mktemp("tuned") / "drawn", (0.01, 0.02, 0.04)

    def score(rung: str, rate: float) -> float | str:
        return DETECTION[rung].get(rate, 0.0)

    return tuned_ladder(folder, score, rates, (0.005, *rates))


def notes_of(ladder: LadderResults) -> str:
    return "\n".join(footnotes(ladder, find(ladder), find_top1(ladder)))


def test_the_table_has_what_was_tried_and_chosen_for_each_rung(ladder: LadderResults) -> None:
    (table,) = tuning_tables(ladder, "detection")
    assert table.caption == f"detection: {LR}, chosen by mAP (VOC07) on val"
    rows = markdown(table).splitlines()[2:]
    assert rows[0] == (
        "| scratch | 0.005: 0.00; 0.01: 40.00; 0.02: 44.00; 0.04: 42.00 | 0.02 | 2 | 8.0 |"
    )
    # B's best lay at the edge, so that all rungs were tried with one value more.
    assert rows[1] == (
        "| B-standard | 0.005: 0.00; 0.01: 47.00; 0.02: 46.00; 0.04: loss lost | 0.01 | 2 | 7.0 |"
    )


def test_the_tables_files_the_summary_and_the_page_have_it(ladder: LadderResults) -> None:
    findings, top1 = find(ladder), find_top1(ladder)
    caption = tuning_tables(ladder, "detection")[0].caption
    assert caption in table_file(ladder, findings, top1, "det", [])
    assert caption not in table_file(ladder, findings, top1, "seg", [])
    document, screen = overview(ladder, findings, top1)
    assert caption in document
    assert "0.04: loss lost" in " ".join(screen.split())
    assert max(map(len, screen.splitlines())) <= 100


def test_chosen_values_and_their_cost_are_in_the_summary(ladder: LadderResults) -> None:
    found = summarise(ladder, find(ladder), find_top1(ladder))
    chosen = {rung: tried[LR] for rung, tried in found["tuned"]["detection"].items()}
    assert chosen == {"scratch": 0.02, "b_standard": 0.01, "d_all": 0.02, "public": 0.02}
    assert found["tuning_minutes"] == {"detection": 31.0}


def test_the_plot_marks_what_was_chosen_and_what_was_lost(ladder: LadderResults) -> None:
    (plot,) = (p for p in draw_plots(ladder, [], Top1({}, {})) if p.group == "detection")
    assert plot.name == "tuning-detection-optim-wrapper-optimizer-lr"
    (axes,) = plot.figure.axes
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == f"{LR}\nring: chosen\ncross: the loss was lost"
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert list(lines["scratch"].get_xdata()) == [0.005, 0.01, 0.02, 0.04]
    assert list(lines["scratch"].get_ydata()) == [0, 40, 44, 42]
    assert list(lines["B-standard"].get_xdata()) == [0.005, 0.01, 0.02]  # 0.04 was lost
    rings = [line for line in axes.get_lines() if line.get_markersize() > 10]
    assert [list(ring.get_xdata()) for ring in rings] == [[0.02], [0.01], [0.02], [0.02]]
    crosses = [line for line in axes.get_lines() if line.get_marker() == "x"]
    assert [list(cross.get_xdata()) for cross in crosses] == [[0.04]]
    assert "B-standard 0.01" in plot.alt


def test_footnotes_name_the_seeds_and_the_cost(ladder: LadderResults) -> None:
    notes = notes_of(ladder)
    assert "the mean score on val over the seeds 8, 9" in notes
    assert "Tuning took 31 min 0 s of training (detection 31 min 0 s)" in notes
    assert "pretraining: not tuned, each rung has the recipe of its config: " in notes
    assert "segmentation: one recipe for all rungs" in notes
    assert "edge" not in notes


def test_runs_of_values_that_are_no_longer_tried_count_nowhere(tmp_path: Path) -> None:
    def score(rung: str, rate: float) -> float | str:
        return f"{LR} is {rate}: refused" if rate > 1 else 50 - abs(rate - 0.02)

    rates = (0.01, 0.02, 0.04)
    before = tuned_ladder(tmp_path / "before", score, rates, rates)
    after = tuned_ladder(tmp_path / "after", score, rates, (*rates, 2.0))
    run_tried(tmp_path / "after", "renamed", "detection", f"{LR}=0.01", 50.0)
    run_tried(tmp_path / "after", "scratch", "segmentation", f"{LR}=0.01", 50.0)
    assert notes_of(after) == notes_of(before)
    assert tuning_minutes(after) == tuning_minutes(before)


def test_a_plan_without_tune_is_footnoted_in_every_table(tmp_path: Path) -> None:
    ladder = read_results(draw_plan(tmp_path))
    note = "one recipe for all rungs: a difference may be the recipe's"
    assert f"detection, segmentation: {note}" in notes_of(ladder)
    for option, said in (("model.backbone.type=ResNetB", note), ("lr=1", "its own for D, all")):
        own = replace(ladder.rungs["d_all"], label="D, all", task_options=(option,))
        assert said in notes_of(replace(ladder, rungs={**ladder.rungs, "d_all": own}))
    assert not ladder.tunings
    assert not any(
        "chosen" in t.caption for t in tables_of(ladder, find(ladder), find_top1(ladder))
    )


def test_a_best_value_that_stays_at_the_edge_is_footnoted(tmp_path: Path) -> None:
    def rising(rung: str, rate: float) -> float:
        return 50 + 100 * rate if rung == "d_all" else 50 - abs(rate - 0.02)

    ladder = tuned_ladder(tmp_path, rising, (0.01, 0.02, 0.04), (0.01, 0.02, 0.04, 0.08, 0.16))
    assert f"is still at the edge of what was tried for {drawn.EVIL} (0.16)" in notes_of(ladder)
    (table,) = tuning_tables(ladder, "detection")
    assert [row[2].remark for row in table.rows] == ["", "", "at the edge", ""]


def test_a_search_that_is_not_done_says_how_far_it_is(tmp_path: Path) -> None:
    ladder = tuned_ladder(tmp_path, lambda rung, rate: 1.0, (0.01, 0.02), (0.01,))
    assert f"detection: {LR} is not chosen yet, 4 of 8 values are tried." in notes_of(ladder)
    (table,) = tuning_tables(ladder, "detection")
    assert (table.rows[0][1].text, table.rows[0][2].text) == (
        "0.01: 1.00; 0.02: not done",
        "not yet",
    )
    assert list(tuning_plots(ladder, "detection"))


def test_rungs_that_were_tried_with_other_values_are_footnoted(tmp_path: Path) -> None:
    draw_plan(tmp_path)
    state(tmp_path, rungs={"b_standard": {LR: [0.1, 0.2, 0.4]}, "d_all": {LR: [0.2, 0.4, 0.8]}})
    for rate in (0.1, 0.2, 0.4, 0.8):
        for rung in ("b_standard", "d_all"):
            score = 50 - abs(rate - (0.2 if rung == "b_standard" else 0.4))
            run_tried(tmp_path, rung, "pretraining", f"{LR}={rate}", score)
    ladder = read_results(tmp_path)
    assert (
        "pretraining: not all rungs were tried with the same values: "
        f"B-standard with {LR} 0.1, 0.2, 0.4. {drawn.EVIL} with {LR} 0.2, 0.4, 0.8."
    ) in notes_of(ladder)
    assert len(tuning_tables(ladder, "pretraining")) == 1


def test_a_student_whose_values_were_widened_on_is_footnoted(tmp_path: Path) -> None:
    draw_plan(tmp_path)
    tune = {LR: [0.1, 0.2, 0.4]}
    state(tmp_path, rungs={"b_standard": tune, "d_all": tune})  # b teaches d
    for rung, best in (("b_standard", 0.2), ("d_all", 0.8)):
        for rate in (0.1, 0.2, 0.4, 0.8, 1.6):
            run_tried(tmp_path, rung, "pretraining", f"{LR}={rate}", 50 - abs(rate - best))
    notes = notes_of(read_results(tmp_path))
    assert f"B-standard with {LR} 0.1, 0.2, 0.4. {drawn.EVIL} with {LR} 0.1, 0.2, 0.4, 0.8" in notes


def test_values_of_several_keys_are_named(tmp_path: Path) -> None:
    draw_plan(tmp_path)
    state(tmp_path, rungs={"b_standard": {LR: [0.1], DECAY: [0.0, 0.5]}})
    for decay, score in ((0.0, 50.0), (0.5, 60.0), (1.0, 40.0)):
        run_tried(tmp_path, "b_standard", "pretraining", f"{LR}=0.1,{DECAY}={decay}", score)
    ladder = read_results(tmp_path)
    (table,) = tuning_tables(ladder, "pretraining")
    assert table.rows[0][2].text == "lr=0.1, weight_decay=0.5"
    (plot,) = tuning_plots(ladder, "pretraining")  # none of the single learning rate
    assert plot.figure.axes[0].get_xscale() == "linear"  # 0 has no logarithm
    assert list(plot.figure.axes[0].get_lines()[0].get_ydata()) == [50, 60, 40]


def test_of_very_many_values_the_best_are_named_and_the_others_counted(tmp_path: Path) -> None:
    draw_plan(tmp_path)
    rates, decays = [0.1 * n for n in range(1, 6)], [0.0, 0.5, 1.0, 2.0]
    state(tmp_path, rungs={"b_standard": {LR: rates, DECAY: decays}})
    for number, rate in enumerate(rates):
        for decay in decays[:3]:
            tried = f"{LR}={rate!r},{DECAY}={decay!r}"
            run_tried(tmp_path, "b_standard", "pretraining", tried, 50.0 - number - decay)
    (table,) = tuning_tables(read_results(tmp_path), "pretraining")
    told = table.rows[0][1].text.split("; ")
    assert told[:2] == ["lr=0.1, weight_decay=0.0: 50.00", "lr=0.1, weight_decay=0.5: 49.50"]
    assert told[12:] == ["3 not better", "5 not done"]


def test_a_key_of_a_single_value_has_no_plot(tmp_path: Path) -> None:
    draw_plan(tmp_path)
    state(tmp_path, tasks={"detection": {LR: [0.1], DECAY: [0.0, 0.5]}})
    for rung in drawn.BASE:
        for decay in (0.0, 0.5, 1.0):
            run_tried(tmp_path, rung, "detection", f"{LR}=0.1,{DECAY}={decay}", 50.0 - decay)
    (plot,) = tuning_plots(read_results(tmp_path), "detection")
    assert plot.title == f"Which {DECAY} each rung was given"


def test_words_are_tried_side_by_side(tmp_path: Path) -> None:
    draw_plan(tmp_path)
    key, words = "model.decode_head.loss_decode.reduction", ["mean", "sum", "none"]
    state(tmp_path, rungs={"b_standard": {key: words}})
    for number, value in enumerate(words):
        run_tried(tmp_path, "b_standard", "pretraining", f"{key}={value}", 50.0 + number)
    ladder = read_results(tmp_path)
    (plot,) = tuning_plots(ladder, "pretraining")
    (axes,) = plot.figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == words


def test_a_published_copy_chooses_the_same_values(ladder: LadderResults, tmp_path: Path) -> None:
    publish(ladder.folder, tmp_path / "copy")
    copy = read_results(tmp_path / "copy")
    assert copy.tunings == ladder.tunings
    assert notes_of(copy) == notes_of(ladder)


def test_a_published_copy_keeps_the_best_epoch_where_it_counts(tmp_path: Path) -> None:
    folder = tmp_path / "drawn"
    tuned_ladder(folder, lambda rung, rate: 10.0, (0.01, 0.02), (0.01, 0.02))
    plan = json.loads((folder / "ladder.json").read_text())
    drawn.write(folder / "ladder.json", {**plan, "selection": "val"})
    for seed in (8, 9):
        curve = folder / f"tuning/seed{seed}/d_all/detection/{LR}=0.02/curve.jsonl"
        curve.write_text('{"epoch": 1, "mAP_voc07": 90.0}\n{"epoch": 2, "mAP_voc07": 1.0}\n')
    publish(folder, tmp_path / "copy")
    for each in (folder, tmp_path / "copy"):
        means = read_results(each).tunings[0].progress.means["d_all"]
        assert means[(LR, 0.02),] == 90.0


def test_values_that_are_no_list_are_a_damaged_plan(tmp_path: Path) -> None:
    draw_plan(tmp_path)
    state(tmp_path, tasks={"detection": {LR: [[0.1]]}})
    with pytest.raises(ValueError, match=r"tune\.optim_wrapper.* not a single value"):
        read_results(tmp_path)
