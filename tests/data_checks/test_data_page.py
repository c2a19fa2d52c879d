"""The page about data: whole, escaped, bounded, the same each time, suspicious pictures first."""

import base64
import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bag_of_transfer.classification.image_folder
import bag_of_transfer.detection.datasets
import bag_of_transfer.segmentation.datasets  # noqa: F401  they register their classes
from bag_of_transfer.data_checks.check import Report
from bag_of_transfer.data_checks.labels import odd_boxes
from bag_of_transfer.data_checks.page import gallery
from bag_of_transfer.data_checks.page.drawn import around, drawn
from bag_of_transfer.data_checks.page.gallery import galleries
from bag_of_transfer.data_checks.page.plots import draw_plots
from bag_of_transfer.data_checks.page.write import check_place, write_page
from bag_of_transfer.data_checks.splits import Box, Example
from bag_of_transfer.engine.errors import UserError
from tests.data_checks.worlds import WORLDS, drawn_worlds, looked_at, picture, xml, xml_of

EVIL = '<script>alert("x")</script>'


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Report]]:
    """Return what is found in a data set of each format, with faults in that of VOC."""
    with drawn_worlds(tmp_path_factory.mktemp("worlds")) as folder:
        voc = folder / "voc"
        (voc / "classes.txt").write_text(f"ball\nbox\n{EVIL}\n")
        corners = [(4, 5, 24, 30), (4, 5, 24, 30), (40, 20, 43, 24)]
        xml_of(voc, "train0").write_text(xml([("ball", each) for each in corners]))
        picture(0).save(voc / "JPEGImages/val0.jpg", quality=95)  # train0's
        yield {world: looked_at(world, folder / world) for world in WORLDS}


@pytest.fixture(scope="module")
def page(reports: dict[str, Report], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "data.html"
    write_page(reports["voc"], f"configs/{EVIL}.py", path, seed=0)
    return path.read_text()


class Tags(HTMLParser):
    """Collects tags, what they refer to, and the texts between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_page_needs_nothing_from_elsewhere_and_escapes_every_name(page: str) -> None:
    tags = Tags(page).tags
    assert [tag for tag, _ in tags].count("script") == 1  # the page's own
    assert EVIL not in page
    assert page.count("&lt;script&gt;") >= 3  # as heading, in the table, in a line on classes
    sources = [attrs["src"] for _, attrs in tags if attrs.get("src")]
    assert sources
    assert all(each.startswith("data:image/jpeg;base64,") for each in sources)
    links = [attrs["href"] for tag, attrs in tags if tag == "a"]
    ids = {f"#{attrs['id']}" for _, attrs in tags if attrs.get("id")}
    assert ids >= {*links}
    assert "http" not in re.sub(r"http-equiv|http://www\.w3\.org/\S+", "", page)


def test_errors_come_first_and_pairs_stand_side_by_side(reports: dict[str, Report]) -> None:
    suspicious, samples, left_out = galleries(reports["voc"], seed=0)
    titles = [each.title for each in suspicious]
    first, second = "error: shared-picture", "warning: box-twice"
    assert titles == [first, second, "Smallest boxes", "Largest boxes"]
    (pair,) = suspicious[0].shots
    assert [Path(shot.name).name for shot in pair] == ["val0.jpg", "train0.jpg"]
    assert suspicious[2].shots[0][0].note == "train: ball, 2 x 3 px"
    assert [len(each.shots) for each in samples] == [4, 2]
    assert left_out == 0


@pytest.mark.parametrize("world", WORLDS)
def test_each_format_has_samples_with_labels(world: str, reports: dict[str, Report]) -> None:
    _, samples, _ = galleries(reports[world], seed=0)
    shots = [shot for each in samples for shown in each.shots for shot in shown]
    assert len(shots) == 6
    assert all(shot.uri for shot in shots)
    assert all(shot.note for shot in shots) == (world != "masks")  # these have a legend


def test_samples_are_the_same_for_a_seed(reports: dict[str, Report], tmp_path: Path) -> None:
    names = [
        [shots[0].name for each in galleries(reports["coco"], seed)[1] for shots in each.shots]
        for seed in (3, 3, 4)
    ]
    assert names[0] == names[1]
    assert names[0] != names[2]
    assert {*names[0]} == {*names[2]}  # there are no more
    for name in "ab":
        write_page(reports["coco"], "mine.py", tmp_path / name, seed=3)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_class_that_no_sample_shows_yet_goes_first(
    reports: dict[str, Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "SAMPLES", {"train": 2})
    for seed in range(5):
        _, (train,), _ = galleries(reports["images"], seed)
        assert {shots[0].note for shots in train.shots} == {"ball", "box"}


def test_pictures_beyond_the_limit_are_counted(
    reports: dict[str, Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "MAX_BYTES", 1)
    suspicious, samples, left_out = galleries(reports["voc"], seed=0)
    shots = [s for each in [*suspicious, *samples] for shown in each.shots for s in shown]
    assert [bool(shot.uri) for shot in shots] == [True] + [False] * (len(shots) - 1)
    assert left_out == len(shots) - 1


def pixels(uri: str | None) -> np.ndarray:
    assert uri
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))), int)


def test_a_finding_shows_the_boxes_of_its_own_split(
    reports: dict[str, Report], tmp_path: Path
) -> None:
    path = tmp_path / "both.png"
    picture(5).save(path)
    twice = Box((1, 1, 20, 20), 0)
    train = reports["voc"].splits[0]._replace(examples=(Example(path, tmp_path, boxes=()),))
    val = train._replace(name="val", examples=(Example(path, tmp_path, boxes=(twice, twice)),))
    (odd,) = odd_boxes(val)
    report = reports["voc"]._replace(splits=(train, val), findings=(odd,))
    suspicious, _, _ = galleries(report, seed=0)
    assert suspicious[0].title == f"{odd.severity}: {odd.kind}"


def test_boxes_are_drawn_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    Image.new("RGB", (840, 420), (128, 128, 128)).save(path)
    box = Box((420, 210, 820, 410), 0)
    shown = pixels(drawn(Example(path, tmp_path, boxes=(box,)), ["cat"]))
    assert shown.shape == (210, 420, 3)
    odd = np.argwhere(np.abs(shown - 128).max(2) > 40)
    share = odd / shown.shape[:2]
    assert share.max(0) == pytest.approx([410 / 420, 820 / 840], abs=0.02)
    assert share[:, 1].min() == pytest.approx(0.5, abs=0.02)
    assert drawn(Example(tmp_path / "gone.png", tmp_path), []) is None


@pytest.mark.parametrize(
    ("box", "part"),
    [
        ((50, 50, 52, 52), (19, 19, 83, 80)),
        ((0, 0, 3, 3), (0, 0, 34, 34)),
        ((90, 60, 99, 79), (62, 37, 100, 80)),
    ],
)
def test_a_small_box_is_shown_with_what_is_around_it(
    box: tuple[int, ...], part: tuple[int, ...]
) -> None:
    assert around([Box(box, 0)], (100, 80)) == part


def test_plots_of_a_single_value_are_left_out(reports: dict[str, Report]) -> None:
    names = {world: [plot.name for plot in draw_plots(report)] for world, report in reports.items()}
    assert names == {
        "images": ["classes"],
        "masks": ["classes"],
        "coco": ["classes"],
        "yolo": ["classes"],
        "voc": ["box-sizes", "classes"],
    }


def test_a_page_that_has_no_place_is_refused_first(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="folder"):
        check_place(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        check_place(tmp_path / "absent/data.html")
    check_place(tmp_path / "data.html")
