"""The page of a single run: what is there is shown, what is not is named."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.run_report.page import write_page
from tests.run_report.drawn_run import EVIL, draw_run


@pytest.fixture
def _no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the plots, whose drawing takes a second a page."""
    monkeypatch.setattr("bag_of_transfer.run_report.page.inline_plots", lambda plots: {})


class Reader(HTMLParser):
    """Collects a page's texts, tags and ids."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.texts += [] if tag == "wbr" else [" "]
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.texts))


def test_a_run_that_is_done_has_every_part(run_page: Path) -> None:
    page = Reader(run_page)
    sections = {"results", "worst-test", "curves", "tricks", "data", "commands"}
    assert sections <= set(page.ids)
    assert "missing" not in page.ids
    assert len(page.ids) == len(set(page.ids))
    assert "State done" in page.text
    assert "Training time 1 min 15 s" in page.text
    assert "mAP_area, test 33.25 %" in page.text
    assert "Precision and recall at score 0.3 (highest mean F1) and IoU 0.5" in page.text
    assert "1 class never found" in page.text
    assert "python tools/train.py mine.py" in page.text
    assert f"python tools/check_data.py {run_page.parent}/resolved_config.py" in page.text
    assert page.tags.count("img") == 2
    assert page.tags.count("svg") == 2 * 2 + 6  # of both splits, and the curves
    assert "Parts of the training loss" in page.text
    assert f"1 missed: {EVIL} {EVIL}0.png: 12.50 %" in page.text


def test_every_text_is_escaped(run_page: Path) -> None:
    page = Reader(run_page)
    assert page.tags.count("script") == 1
    assert EVIL in page.text
    assert not {"b", "i"} & set(page.tags)
    assert "http:" not in run_page.read_text().replace("http://www.w3.org", "")


@pytest.mark.usefixtures("_no_plots")
def test_a_run_in_the_middle_says_how_far_it_is_and_how_to_go_on(tmp_path: Path) -> None:
    folder = draw_run(tmp_path / "stopped", epochs=2)
    for name in ("metrics.json", "test_details.json"):
        (folder / name).unlink()
    (folder / "epoch_2.pth").touch()
    (folder / "last_checkpoint").write_text("epoch_2.pth")
    page = Reader(write_page(folder))
    assert "State epoch 2 of 4" in page.text
    assert f"--work-dir {folder} --resume" in page.text
    assert f"python tools/test.py {folder}/resolved_config.py {folder}/last_checkpoint" in page.text
    assert "2 things are missing" in page.text
    assert "The curve has 2 points; it is drawn from 3 on." in page.text
    assert "worst-test" not in page.ids


def test_a_run_that_has_just_begun_has_a_page(tmp_path: Path) -> None:
    folder = tmp_path / "begun"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"schema": 1, "task": "cls", "epochs": 3}))
    page = Reader(write_page(folder))
    assert "State no epoch yet" in page.text
    assert "Nothing has been evaluated yet." in page.text
    assert "No epoch has ended: there are no curves." in page.text


@pytest.mark.usefixtures("_no_plots")
def test_damaged_files_are_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    folder = draw_run(tmp_path / "damaged")
    for name in ("test_details.json", "tricks.json", "metrics.json"):
        (folder / name).write_text("{")
    page = Reader(write_page(folder))
    for name in ("test_details.json", "tricks.json", "metrics.json"):
        assert f"{name} is damaged" in page.text
    assert "Classes, val" in page.text


def test_many_classes_are_folded_and_their_confusion_is_a_picture(tmp_path: Path) -> None:
    page = Reader(write_page(draw_run(tmp_path / "many", size=90)))
    assert page.text.count("Each of the 90 classes") == 2
    assert page.tags.count("img") == 2 + 2
    assert "a_rather_long_class_name_89" in page.text


@pytest.mark.usefixtures("_no_plots")
def test_a_picture_outside_of_the_folder_is_not_shown(tmp_path: Path) -> None:
    folder = draw_run(tmp_path / "moved", curves=False)
    outside = tmp_path / "secret.png"
    (folder / "worst" / "00.png").rename(outside)
    record = json.loads((folder / "test_details.json").read_text())
    record["worst"][0]["picture"] = "../../secret.png"
    (folder / "test_details.json").write_text(json.dumps(record))
    page = Reader(write_page(folder))
    assert page.tags.count("img") == 1
    assert "no picture" in page.text


@pytest.mark.parametrize("there", [True, False])
def test_any_other_folder_is_refused(tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "other"
    if there:
        folder.mkdir()
    with pytest.raises(UserError, match="neither a ladder nor a run" if there else "not exist"):
        write_page(folder)


@pytest.mark.usefixtures("_no_plots")
def test_a_test_on_val_stands_beside_the_validation(tmp_path: Path) -> None:
    folder = draw_run(tmp_path / "twice")
    record = json.loads((folder / "test_details.json").read_text())
    (folder / "test_details.json").write_text(json.dumps({**record, "split": "val"}))
    page = Reader(write_page(folder))
    assert {"worst-test-on-val", "classes-1", "classes-2"} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert "Classes, test on val" in page.text
    assert "Classes, val" in page.text
