"""The report page, read by a parser: whole, escaped, and without anything from elsewhere."""

import base64
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bag_of_transfer.ladder.report.costs import pretraining_minutes
from bag_of_transfer.ladder.report.findings import find, find_top1
from bag_of_transfer.ladder.report.footnotes import footnotes
from bag_of_transfer.ladder.report.page import render
from bag_of_transfer.ladder.report.page_data import (
    MAX_PICTURES,
    PICTURE_PX,
    config_changes,
    data_uri,
    galleries,
)
from bag_of_transfer.ladder.report.plots import class_changes
from bag_of_transfer.ladder.report.repeat import cell_commands
from bag_of_transfer.ladder.report.results import LadderResults, read_results
from bag_of_transfer.ladder.report.trick_tables import trick_tables
from bag_of_transfer.pages.table import Table
from tests.ladder import drawn_ladder as drawn

VOID = {"meta", "link", "img", "input", "br", "hr", "wbr"}


@dataclass
class Node:
    tag: str
    attributes: dict[str, str]
    children: list["Node | str"] = field(default_factory=list)

    def walk(self) -> Iterator["Node"]:
        yield self
        for child in self.children:
            if isinstance(child, Node):
                yield from child.walk()

    def all(self, tag: str) -> list["Node"]:
        return [node for node in self.walk() if node.tag == tag]

    @property
    def text(self) -> str:
        parts = [child.text if isinstance(child, Node) else child for child in self.children]
        return " ".join(" ".join(parts).split())


class Tree(HTMLParser):
    """Builds a tree and refuses tags that do not close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open = [Node("root", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Node(tag, {n: v or "" for n, v in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


@pytest.fixture(scope="module")
def html(reported: Path) -> str:
    return (reported / "report.html").read_text()


@pytest.fixture(scope="module")
def page(html: str) -> Node:
    tree = Tree()
    tree.feed(html)
    assert [node.tag for node in tree.open] == ["root"]
    return tree.open[0]


@pytest.fixture(scope="module")
def ladder(reported: Path) -> LadderResults:
    return read_results(reported)


def test_ids_are_unique_and_links_lead_somewhere(page: Node) -> None:
    ids = Counter(node.attributes["id"] for node in page.walk() if "id" in node.attributes)
    assert len(ids) > 50
    assert max(ids.values()) == 1
    named = [
        node.attributes["aria-labelledby"]
        for node in page.walk()
        if "aria-labelledby" in node.attributes
    ]
    links = [node.attributes["href"][1:] for node in page.all("a")]
    assert len(links) >= 8
    assert set(named) | set(links) <= set(ids)


def test_nothing_comes_from_elsewhere(html: str, page: Node) -> None:
    assert not re.search(r"https?://|//[a-z]+\.|@import", html)
    sources = [n.attributes[a] for n in page.walk() for a in ("src", "srcset") if a in n.attributes]
    assert sources
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    hrefs = {n.attributes["href"] for n in page.walk() if "href" in n.attributes}
    assert {href[:5] for href in hrefs if not href.startswith("#")} == {"data:"}


def test_the_page_forbids_itself_the_network_and_foreign_scripts(page: Node) -> None:
    (policy,) = (n.attributes["content"] for n in page.all("meta") if "http-equiv" in n.attributes)
    (script,) = page.all("script")
    digest = base64.b64encode(hashlib.sha256("".join(map(str, script.children)).encode()).digest())
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest.decode()}'" in policy


def test_names_are_escaped(html: str, page: Node) -> None:
    assert "<b>" not in html
    assert "<iter>" not in html
    assert "<i>" not in html
    assert drawn.EVIL_CLASS not in html
    assert drawn.EVIL in page.text
    assert drawn.REASON in page.text
    labels = [n.attributes.get("aria-label", "") for n in page.walk()]
    assert any(drawn.EVIL_CLASS in label for label in labels)


def test_tables_hold_the_figures(page: Node) -> None:
    tables = {t.all("caption")[0].text: t for t in page.all("table") if t.all("caption")}
    assert list(tables) == [
        "detection: measured and published",
        "detection: what each step gains in mAP (VOC07), paired",
        "detection: difference to scratch, paired",
        "segmentation: measured and published",
        "segmentation: what each step gains in pixAcc, paired",
        "segmentation: what each step gains in mIoU, paired",
        "segmentation: difference to scratch, paired",
        "pretraining: what each step gains in top-1, paired",
        "What differs between rungs besides what they state",
        "Tricks in each rung's pretraining",
        "How each trick was found out",
    ]
    rows = [
        [cell.text for cell in row.children if isinstance(cell, Node)]
        for row in tables["detection: measured and published"].all("tr")
    ]
    assert rows[0][0].startswith("rung")
    assert rows[2][1:4] == [
        "48.00 \u00b1 2.00 n 3 of 3, matched",
        "76.14",
        "48.00 \u00b1 1.00 n 3 of 3, matched",
    ]
    for table in tables.values():
        heads = table.all("thead")[0].all("th")
        assert all(head.attributes["aria-sort"] == "none" for head in heads)
        assert all(len(head.all("button")) == 1 for head in heads)


def test_failed_missing_and_damaged_are_listed_with_their_reasons(page: Node) -> None:
    (section,) = (n for n in page.all("section") if n.attributes.get("id") == "undone")
    rows = [[c.text for c in row.children if isinstance(c, Node)] for row in section.all("tr")]
    assert rows[1:4] == [
        ["b_standard / segmentation / seed 2", "missing", "not begun"],
        ["d_all / detection / seed 1", "failed", drawn.REASON],
        ["public / segmentation / seed 0", "unfinished", "running, or cut off"],
    ]
    assert rows[4][:2] == ["d_all / pretraining / seed 2", "done, but tricks.json is damaged"]
    assert "3 cells have no results, 1 damaged file" in page.text


def test_images_and_plots_have_words(page: Node) -> None:
    assert all(image.attributes["alt"] for image in page.all("img"))
    plots = [node for node in page.walk() if node.attributes.get("role") == "img"]
    assert len(plots) == 14
    assert all(len(plot.attributes["aria-label"]) > 20 for plot in plots)
    assert page.all("html")[0].attributes["lang"] == "en"
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("nav")) == 1


def texts(table: Table) -> list[list[str]]:
    return [[f"{entry.text} {entry.remark}".strip() for entry in row] for row in table.rows]


def test_tricks_are_those_of_the_rungs_that_were_pretrained(ladder: LadderResults) -> None:
    states, evidence = trick_tables(ladder)
    assert states.columns[:3] == ("rung", "mixup", "warmup")
    on = states.columns.index("lr decay")
    assert [[*row[:2], row[on]] for row in texts(states)] == [
        ["B-standard", "off", "on cosine"],
        [drawn.EVIL, "on", "on cosine"],
    ]
    assert texts(evidence)[:3] == [
        ["mixup", "off", "alpha <i>0.2</i>", "B-standard"],
        ["mixup", "on: 0.2", "alpha <i>0.2</i>", drawn.EVIL],
        ["warmup", "off", "lr 0.01 at batch 1", "B-standard"],
    ]
    assert f"B-standard, {drawn.EVIL}" in [row[-1] for row in texts(evidence)]


def test_seeds_that_disagree_about_a_trick_are_said_to(tmp_path: Path) -> None:
    folder = drawn.draw_ladder(tmp_path / "drawn")
    path = folder / "seed1/d_all/pretraining/tricks.json"
    drawn.write(path, {"mixup": {"on": False, "value": None, "evidence": ""}})
    states, _ = trick_tables(read_results(folder))
    assert texts(states)[1][1:3] == ["differs between seeds", "on"]


def test_config_changes_are_between_neighbours(ladder: LadderResults) -> None:
    found = {(c.before, c.after, c.run): c.keys for c in config_changes(ladder)}
    assert found["B-standard", drawn.EVIL, "pretraining"] == [
        ("model.backbone.type", "'ResNetB'", "'ResNetD'"),
        ("model.mixup", "None", "0.2"),
        ("param_scheduler.1.type", "'Step'", "'Cosine'"),
    ]
    assert found["scratch", "B-standard", "detection"] == [
        ("model.backbone.norm_eval", "False", "True")
    ]
    assert set(found) == {
        ("B-standard", drawn.EVIL, "pretraining"),
        ("scratch", "B-standard", "detection"),
        ("scratch", "B-standard", "segmentation"),
    }


def test_every_recorded_cell_has_its_command(ladder: LadderResults, page: Node) -> None:
    found = {cell.name: text for _, cells in cell_commands(ladder) for cell, text in cells}
    assert len(found) == 28 + 1  # the failed one, too
    text = found["scratch / detection / seed 1"]
    own = "work_dirs/drawn_again/seed1/scratch/detection"
    assert text == f"python tools/train.py det.py --seed 1 --work-dir {own}"
    codes = [code.text for code in page.all("code")]
    assert text in codes
    assert (
        "python tools/ladder.py configs/ladder/drawn.py --work-dir work_dirs/drawn_again "
        "--seeds 0 1 2"
    ) in codes
    assert "They write to a new folder, work_dirs/drawn_again ;" in page.text


def test_pictures_are_of_the_seed_that_most_rungs_have(ladder: LadderResults) -> None:
    detection, segmentation = galleries(ladder)
    assert detection.seed == 0
    assert segmentation.seed == 1  # the public file has no seed 0 there, B-standard no seed 2
    assert [image for image, _, _ in detection.rows] == [f"detection-{n}" for n in range(4)]
    for _, truth, predicted in segmentation.rows:
        assert truth is not None
        assert list(predicted) == ["scratch", "B-standard", drawn.EVIL, "public | file"]
        assert len({truth, *predicted.values()}) == 5


def test_pictures_are_few_and_small(tmp_path: Path) -> None:
    folder = drawn.draw_ladder(tmp_path / "drawn", seeds=1, whole=True)
    for number in range(20):
        drawn.picture(folder / f"seed0/scratch/detection/pictures/more{number}.png", 9)
    gallery = galleries(read_results(folder))[0]
    assert len(gallery.rows) == MAX_PICTURES
    assert gallery.num_left_out == 24 - MAX_PICTURES
    pixels = np.random.default_rng(0).integers(0, 256, (600, 900, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "large.png")
    uri = data_uri(tmp_path / "large.png")
    assert uri is not None
    data = base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))
    with Image.open(io.BytesIO(data)) as small:
        assert small.size == (PICTURE_PX, PICTURE_PX * 2 // 3)


def test_a_damaged_picture_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(b"\x89PNG")
    assert data_uri(tmp_path / "cut.png") is None
    assert data_uri(tmp_path / "absent.png") is None


FUZZED = (
    *("seed0/b_standard/detection/cell.json", "seed0/b_standard/detection/metrics.json"),
    *("seed0/d_all/pretraining/cell.json", "seed0/d_all/pretraining/metrics.json"),
    *("seed0/d_all/pretraining/tricks.json", "seed0/public/pretraining/backbone.json"),
)


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", FUZZED)
def test_no_odd_entry_of_a_cell_stops_the_report(
    tmp_path: Path, name: str, every: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each entry is odd once, in one of three ways; of ``every`` way where that is slow."""
    monkeypatch.setattr(
        "bag_of_transfer.ladder.report.page_data.data_uri", lambda path: None
    )  # slow, and not odd
    folder = drawn.draw_ladder(tmp_path / "drawn", seeds=1, whole=True)
    path = folder / name
    whole = json.loads(path.read_text())
    odds = (None, [5], "x")
    for number, key in enumerate(whole):
        for odd in odds if every else odds[number % 3 :][:1]:
            drawn.write(path, {**whole, key: odd})
            ladder = read_results(folder)
            findings, top1 = find(ladder, 40), find_top1(ladder)
            pretraining_minutes(ladder)
            class_changes(ladder, "detection")
            text = render(ladder, findings, top1, [], footnotes(ladder, findings, top1))
            assert "detection: measured and published" in text
