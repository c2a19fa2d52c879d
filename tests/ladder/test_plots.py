"""Plots: what they show, their files, their colours, and how they stand in a page."""

import json
import re
import shutil
import warnings
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from bag_of_transfer.engine.figures import save_figure
from bag_of_transfer.ladder.report.costs import pretraining_minutes
from bag_of_transfer.ladder.report.drawing import style_of
from bag_of_transfer.ladder.report.findings import find, find_top1
from bag_of_transfer.ladder.report.gain_plots import gain_plot
from bag_of_transfer.ladder.report.plots import class_changes, draw_plots
from bag_of_transfer.ladder.report.results import LadderResults, read_results
from bag_of_transfer.pages.plots import COLOURS, DARK, Plot, inline_svg
from tests.ladder import drawn_ladder as drawn


@pytest.fixture(scope="module")
def ladder(tmp_path_factory: pytest.TempPathFactory) -> LadderResults:
    return read_results(drawn.draw_ladder(tmp_path_factory.mktemp("ladder") / "drawn"))


@pytest.fixture(scope="module")
def plots(ladder: LadderResults) -> dict[str, Plot]:
    return {plot.name: plot for plot in draw_plots(ladder, find(ladder), find_top1(ladder))}


def points(plot: Plot, axes: int = 0) -> dict[str, tuple[list[float], list[float]]]:
    """Labelled lines by label."""
    lines = plot.figure.axes[axes].get_lines()
    named = [line for line in lines if not str(line.get_label()).startswith("_")]
    return {
        str(line.get_label()): (list(line.get_xdata()), list(line.get_ydata())) for line in named
    }


def test_every_kind_of_plot_is_drawn_for_every_task(plots: dict[str, Plot]) -> None:
    metrics = ("detection-map-voc07", "segmentation-pixacc", "segmentation-miou")
    # Top-1 is known of two rungs only: that is no plot.
    kinds = [f"{kind}-{metric}" for kind in ("rungs", "gains", "cost") for metric in metrics]
    tasks = ["classes-detection", "classes-segmentation"]
    curves = ["curves-detection", "curves-segmentation", "curves-pretraining"]
    assert set(plots) == {*kinds, *tasks, *curves}


def test_a_rungs_mean_interval_and_seeds_are_drawn(plots: dict[str, Plot]) -> None:
    lines = plots["rungs-detection-map-voc07"].figure.axes[0].get_lines()
    interval, seeds, mean = lines[3:6]  # of B-standard
    # 48 -+ 2.484, see test_tables
    assert list(interval.get_xdata()) == pytest.approx([45.516, 50.484], abs=1e-3)
    assert list(seeds.get_xdata()) == [47, 49, 48]
    assert list(mean.get_xdata()) == [48]
    assert interval.get_linestyle() == "-"
    label = plots["rungs-detection-map-voc07"].figure.axes[0].get_xlabel()
    assert label == "mAP (VOC07) in %\nsolid line: 95 % interval over seeds"


def test_a_steps_gain_interval_seeds_and_the_papers_are_drawn(ladder: LadderResults) -> None:
    published = {**ladder.rungs["b_standard"].published, "mAP_voc07": 78.30}
    rungs = {**ladder.rungs, "d_all": replace(ladder.rungs["d_all"], published=published)}
    stated = replace(ladder, rungs=rungs)
    plot = gain_plot(stated, find(stated)[0])
    assert plot is not None
    assert plot.name == "gains-detection-map-voc07"
    axes = plot.figure.axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[0] == "B-standard\nagainst scratch"
    _, interval, seeds, mean, other, ticks, own, paper, *_ = axes.get_lines()
    # B-standard - scratch: 7, 5, 6, and D - B-standard in seeds 0 and 2: -1, 1; see test_tables
    assert list(interval.get_xdata()) == pytest.approx([1.62, 10.38], abs=0.01)
    assert list(seeds.get_xdata()) == [7, 5, 6]
    assert list(mean.get_xdata()) == [6]
    assert list(other.get_xdata()) == pytest.approx([-37.54, 37.54], abs=0.01)
    assert (list(ticks.get_xdata()), list(own.get_xdata())) == ([-1, 1], [0])
    assert list(paper.get_xdata()) == pytest.approx([78.30 - 77.54])
    assert "cross: the paper's" in axes.get_xlabel()
    assert f"{drawn.EVIL} against B-standard +0.00" in plot.alt


def test_intervals_over_images_are_dashed_around_their_own_metric(tmp_path: Path) -> None:
    folder = drawn.draw_ladder(tmp_path / "one", seeds=1, whole=True)
    for rung, found in (("scratch", 3), ("b_standard", 2), ("d_all", 4)):
        drawn.draw_detections(folder / f"seed0/{rung}/detection", found=found)
    ladder = read_results(folder)
    made = {plot.name: plot for plot in draw_plots(ladder, find(ladder), find_top1(ladder))}
    plot = made["rungs-detection-map-area"]
    interval, _, mean = plot.figure.axes[0].get_lines()[:3]
    images = find(ladder)[0].images["scratch"]
    assert list(interval.get_xdata()) == [images.low, images.high]
    assert interval.get_linestyle() == "--"
    assert list(mean.get_xdata()) == [75]
    means = "dashed line: 95 % interval over test images"
    assert plot.figure.axes[0].get_xlabel() == f"mAP (area) in %\n{means}"
    assert means in plot.alt
    beside = made["rungs-detection-map-voc07"].figure.axes[0]
    assert beside.get_xlabel() == "mAP (VOC07) in %"  # no bar


def test_two_points_are_no_plot(tmp_path: Path) -> None:
    folder = drawn.draw_ladder(tmp_path / "two", seeds=1, whole=True)
    plan = json.loads((folder / "ladder.json").read_text())
    plan["rungs"] = {name: plan["rungs"][name] for name in ("scratch", "b_standard")}
    drawn.write(folder / "ladder.json", plan)
    for path in folder.glob("seed0/*/*/curve.jsonl"):
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    ladder = read_results(folder)
    names = {plot.name for plot in draw_plots(ladder, find(ladder), find_top1(ladder))}
    assert names <= {"classes-detection", "classes-segmentation"}  # a point for each class


def test_curves_that_some_rungs_share_are_drawn_once(tmp_path: Path) -> None:
    folder = drawn.draw_ladder(tmp_path / "some", seeds=1, whole=True)
    path = folder / "seed0/d_all/detection/curve.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**each, "lr": 0.5}) + "\n" for each in lines))
    ladder = read_results(folder)
    made = {plot.name: plot for plot in draw_plots(ladder, find(ladder), find_top1(ladder))}
    found = points(made["curves-detection"], 2)
    assert set(found) == {"scratch = B-standard = public | file", drawn.EVIL}
    assert found[drawn.EVIL][1] == [0.5] * 3


def test_carry_over_leaves_out_what_has_no_measured_top1(
    ladder: LadderResults, monkeypatch
) -> None:
    monkeypatch.setattr("bag_of_transfer.ladder.report.plots.MIN_POINTS", 2)
    made = {plot.name: plot for plot in draw_plots(ladder, find(ladder), find_top1(ladder))}
    found = points(made["carry-over-detection-map-voc07"])
    assert found == {"B-standard": ([48.0], [48.0]), drawn.EVIL: ([57.0], [47.5])}


def test_cost_is_the_time_of_training_in_minutes(
    ladder: LadderResults, plots: dict[str, Plot]
) -> None:
    # seconds: 120, 180, 360; D's teacher is B-standard; nobody knows what the public file cost
    assert pretraining_minutes(ladder) == {"scratch": 0.0, "b_standard": 3.0, "d_all": 6.0}
    label = plots["cost-segmentation-miou"].figure.axes[0].get_xlabel()
    assert label == "pretraining in minutes, teacher's included"
    found = points(plots["cost-segmentation-miou"])
    assert found["scratch"] == ([0.0], [47.0])
    assert found["B-standard"] == ([3.0], [49.0])
    assert set(found) == {"scratch", "B-standard", drawn.EVIL}


def test_a_teacher_that_only_teaches_costs_as_well(ladder: LadderResults, tmp_path: Path) -> None:
    folder = drawn.draw_ladder(tmp_path / "drawn", whole=True)
    plan = json.loads((folder / "ladder.json").read_text())
    plan["rungs"]["d_all"]["teacher"] = "large"
    drawn.write(folder / "ladder.json", plan)
    assert "d_all" not in pretraining_minutes(read_results(folder))  # not recorded
    for seed, seconds in enumerate((600, 900, 6000)):
        record = drawn.record("large", "pretraining", seed)
        record["train"]["seconds"] = seconds
        drawn.write(folder / f"seed{seed}/large/pretraining/cell.json", record)
    assert pretraining_minutes(read_results(folder))["d_all"] == 3 + 15
    drawn.write(folder / "seed2/large/pretraining/cell.json", {**record, "status": "failed"})
    assert pretraining_minutes(read_results(folder))["d_all"] == 3 + 12.5
    plan["rungs"]["d_all"]["teacher"] = None
    drawn.write(folder / "ladder.json", plan)
    alone = read_results(folder)
    plot = next(p for p in draw_plots(alone, find(alone), find_top1(alone)) if "cost" in p.name)
    assert plot.figure.axes[0].get_xlabel() == "pretraining in minutes"


def test_class_changes_are_paired_and_sorted(ladder: LadderResults) -> None:
    changes = class_changes(ladder, "detection")
    # cat: the mean of the paired differences; dog is at 50 everywhere
    assert changes["cat"] == {"b_standard": 6.0, "d_all": 6.5, "public": 18.5}
    assert changes["dog"] == {"b_standard": 0.0, "d_all": 0.0, "public": 0.0}
    assert list(changes)[-1] == "dog"


def test_class_changes_name_what_per_class_holds(plots: dict[str, Plot]) -> None:
    assert plots["classes-detection"].title == "Change per class: AP (area)"
    label = plots["classes-detection"].figure.axes[0].get_xlabel()
    assert label == "AP (area): points against scratch"
    assert plots["classes-segmentation"].title == "Change per class: IoU"


def test_a_rung_that_finds_nothing_has_its_cost_too(ladder: LadderResults) -> None:
    zero = {**ladder.cells[0].result, "metrics": {"mAP_voc07": 0.0}}
    cells = [
        replace(cell, result=zero) if (cell.rung, cell.task) == ("scratch", "detection") else cell
        for cell in ladder.cells
    ]
    none = replace(ladder, cells=tuple(cells))
    made = {plot.name: plot for plot in draw_plots(none, find(none), find_top1(none))}
    assert points(made["cost-detection-map-voc07"])["scratch"] == ([0.0], [0.0])


def test_labels_that_are_cut_alike_are_numbered(ladder: LadderResults) -> None:
    long = "ResNet-D with all tricks, "
    labels = dict(zip(ladder.rungs, ("none", f"{long}20 epochs", f"{long}30 epochs"), strict=False))
    rungs = {
        name: replace(rung, label=labels.get(name, name)) for name, rung in ladder.rungs.items()
    }
    named = replace(ladder, rungs=rungs)
    made = {plot.name: plot for plot in draw_plots(named, find(named), find_top1(named))}
    shown = ["none", "ResNet-D with all... (2)", "ResNet-D with all... (3)"]
    assert list(points(made["cost-detection-map-voc07"])) == shown
    ticks = made["rungs-detection-map-voc07"].figure.axes[0].get_yticklabels()
    assert [tick.get_text() for tick in ticks] == [*shown, "public"]


def test_letters_that_the_font_lacks_cost_no_lines(ladder: LadderResults, tmp_path: Path) -> None:
    rungs = {
        name: replace(rung, label=f"{rung.label} \u6a21\u578b")
        for name, rung in ladder.rungs.items()
    }
    named = replace(ladder, rungs=rungs)
    plot = draw_plots(named, find(named), find_top1(named))[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_figure(plot.figure, tmp_path / plot.name)
        assert "\u6a21\u578b" in inline_svg(plot)


def test_without_any_spread_a_plot_says_why_it_has_no_correlation(
    ladder: LadderResults, monkeypatch
) -> None:
    monkeypatch.setattr("bag_of_transfer.ladder.report.plots.MIN_POINTS", 2)
    flat = {**ladder.cells[0].result, "metrics": {"mAP_voc07": 1.0}}
    cells = [replace(c, result=flat) if c.task == "detection" else c for c in ladder.cells]
    alike = replace(ladder, cells=tuple(cells))
    made = {plot.name: plot for plot in draw_plots(alike, find(alike), find_top1(alike))}
    title = made["carry-over-detection-map-voc07"].figure.axes[0].get_title(loc="left")
    assert title == "no rank correlation: one of them is the same in all rungs"


def test_no_two_rungs_look_alike(ladder: LadderResults) -> None:
    rungs = {f"r{number}": ladder.rungs["scratch"] for number in range(72)}
    many = replace(ladder, rungs=rungs)
    assert len({tuple(style_of(many, rung).values()) for rung in rungs}) == 72


def test_tasks_of_any_script_have_files_of_their_own(tmp_path: Path) -> None:
    folder = drawn.draw_ladder(tmp_path / "drawn", seeds=1, whole=True)
    plan = json.loads((folder / "ladder.json").read_text())
    names = ["\u691c\u51fa", "\u5206\u5272", "one_more", "one-more"]
    plan["tasks"] = {name: plan["tasks"]["detection"] for name in names}
    drawn.write(folder / "ladder.json", plan)
    for rung in plan["rungs"]:
        for name in names:
            own = Path(
                shutil.copytree(folder / f"seed0/{rung}/detection", folder / f"seed0/{rung}/{name}")
            )
            record = json.loads((own / "cell.json").read_text())
            drawn.write(own / "cell.json", {**record, "task": name})
    ladder = read_results(folder)
    made = [plot.name for plot in draw_plots(ladder, find(ladder), find_top1(ladder))]
    curves = [name for name in made if name.startswith("curves")]
    ends = ["\u691c\u51fa", "\u5206\u5272", "one-more", "one-more-2", "pretraining"]
    assert curves == [f"curves-{end}" for end in ends]
    assert len(set(made)) == len(made)


def test_of_many_classes_both_ends_are_shown(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(drawn, "CLASSES", tuple(f"class{number}" for number in range(50)))
    folder = drawn.draw_ladder(tmp_path / "many", seeds=1, whole=True)
    for cell in folder.glob("seed0/b_standard/detection/metrics.json"):
        # every class gains its own number
        text = re.sub(
            r'"class(\d+)": [\d.]+', lambda m: f'"class{m[1]}": 2{m[1]}', cell.read_text()
        )
        cell.write_text(text)
    ladder = read_results(folder)
    made = {plot.name: plot for plot in draw_plots(ladder, find(ladder), find_top1(ladder))}
    plot = made["classes-detection"]
    labels = [text.get_text() for text in plot.figure.axes[0].get_yticklabels()]
    everything = list(class_changes(ladder, "detection"))
    assert labels == everything[:10] + everything[-10:]
    assert "20 of 51" in plot.title  # 50 and dog


def test_curves_show_metric_and_learning_rate(plots: dict[str, Plot]) -> None:
    plot = plots["curves-pretraining"]
    assert points(plot, 0)["B-standard"] == ([1, 2, 3], [26.0, 36.0, 46.0])
    # Losses and learning rates of all rungs are the same: they are drawn once, and that is said.
    assert points(plot, 1) == {"all rungs": ([1, 2, 3], [2.0, 1.0, 2.0 / 3])}
    assert points(plot, 2) == {"all rungs": ([1, 2, 3], [0.1, 0.05, 0.1 / 3])}
    assert len(plot.figure.axes[2].get_lines()) == 1
    assert [text.get_text() for text in plot.figure.axes[2].get_legend().get_texts()] == [
        "all rungs"
    ]
    labels = [axes.get_ylabel() for axes in plot.figure.axes]
    assert labels == ["val top-1 in %", "training loss", "learning rate"]


def test_val_read_once_is_no_curve(tmp_path: Path) -> None:
    folder = drawn.draw_ladder(tmp_path / "drawn", seeds=1, whole=True)
    for path in folder.glob("seed0/*/pretraining/curve.jsonl"):
        *lines, last = [json.loads(line) for line in path.read_text().splitlines()]
        lines = [{key: line[key] for key in line if key != "top1"} for line in lines]
        path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, last]))
    ladder = read_results(folder)
    made = {plot.name: plot for plot in draw_plots(ladder, find(ladder), find_top1(ladder))}
    labels = [axes.get_ylabel() for axes in made["curves-pretraining"].figure.axes]
    assert labels == ["training loss", "learning rate"]
    assert len(made["curves-detection"].figure.axes) == 3


def test_files_are_png_and_svg(plots: dict[str, Plot], tmp_path: Path) -> None:
    paths = save_figure(plots["rungs-segmentation-miou"].figure, tmp_path / "miou")
    assert [path.name for path in paths] == ["miou.png", "miou.svg"]
    with Image.open(paths[0]) as picture:
        assert picture.width == 750  # 5 inches at 150 dots
    ET.fromstring(paths[1].read_text())


def test_inline_svg_has_its_own_ids_and_the_pages_colours(plots: dict[str, Plot]) -> None:
    svgs = {name: inline_svg(plot) for name, plot in plots.items()}
    ids = [found for svg in svgs.values() for found in re.findall(r'\bid="([^"]+)"', svg)]
    assert len(ids) > 100
    assert len(set(ids)) == len(ids)
    for name, svg in svgs.items():
        used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', svg))
        assert used
        assert used <= set(re.findall(r'\bid="([^"]+)"', svg)), name
        assert "http" not in svg
        assert not [colour for colour in COLOURS if colour.lower() in svg]
        assert "var(--ink)" in svg
        ET.fromstring(svg)  # well-formed: names are escaped
    assert "var(--rung-1)" in svgs["rungs-detection-map-voc07"]


def test_a_dollar_in_a_name_is_no_formula(tmp_path: Path) -> None:
    folder = drawn.draw_ladder(tmp_path / "drawn", seeds=1, whole=True)
    text = (folder / "ladder.json").read_text().replace("B-standard", "$B_{x$ y")
    (folder / "ladder.json").write_text(text)
    ladder = read_results(folder)
    for plot in draw_plots(ladder, find(ladder), find_top1(ladder))[:2]:
        assert "$B_{x$ y" in inline_svg(plot)


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = np.array([int(to_hex(colour)[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("colours", "panel"), [(COLOURS, "#f5f6f8"), (DARK, "#1d2127")])
def test_rungs_colours_stand_out_from_the_page(colours: tuple[str, ...], panel: str) -> None:
    css = Path(__file__).parents[2].joinpath("bag_of_transfer/pages/templates/page.css").read_text()
    assert f"--panel: {panel}" in css
    assert len(set(colours)) == 8
    assert min(contrast(colour, panel) for colour in colours) >= 3
