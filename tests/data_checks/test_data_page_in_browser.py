"""The page about data in headless Chromium: nothing is wider than a desk's screen or a phone's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import bag_of_transfer.detection.datasets  # noqa: F401  it registers its classes
from bag_of_transfer.data_checks.page.write import write_page
from tests.data_checks.worlds import draw_voc, looked_at, picture, xml, xml_of
from tests.in_browser import SCROLLED, browser, opening

__all__ = ["browser"]

LONG = "a_class_with_a_name_that_is_much_longer_than_any_line_<b>of_a_phone</b>"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("voc")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bag_of_transfer.engine.data.image_scan.SCAN_DIR", root / "scans")
        draw_voc(root)
        (root / "classes.txt").write_text(f"ball\nbox\n{LONG}\n")
        xml_of(root, "train0").write_text(xml([(LONG.replace("<", "&lt;"), (4, 5, 24, 30))] * 2))
        picture(0).save(root / "JPEGImages/val0.jpg", quality=95)  # train0's
        report = looked_at("voc", root)
    write_page(report, f"configs/{LONG}.py", root / "data.html", seed=0)
    return root / "data.html"


@pytest.fixture(scope="module")
def shown(browser: Any, page: Path) -> Iterator[Any]:
    with opening(browser, page) as opened:
        yield opened()


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen_and_all_pictures_are_there(
    shown: Any, width: int
) -> None:
    shown.set_viewport_size({"width": width, "height": 900})
    assert shown.evaluate("document.documentElement.scrollWidth") == width
    wide = shown.evaluate(
        """() => [...document.querySelectorAll("main *, header *")].filter((each) =>
            !each.closest(".box, svg, .unseen")
            && each.getBoundingClientRect().right > innerWidth + 1)
            .map((each) => each.outerHTML)"""
    )
    assert wide == []
    assert shown.evaluate(SCROLLED) == []
    widths = shown.locator("img").evaluate_all("all => all.map(each => each.naturalWidth)")
    assert len(widths) > 10
    assert min(widths) > 0
