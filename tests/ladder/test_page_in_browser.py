"""The ladder's page in headless Chromium: by mouse, by keyboard, on a phone, in the dark."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bag_of_transfer.ladder.report.trick_keys import TRICK_KEYS
from tests.in_browser import PHONE, SCROLLED, browser, opening

__all__ = ["browser"]


@pytest.fixture(scope="module")
def open_page(browser: Any, reported: Path) -> Iterator[Any]:
    with opening(browser, reported / "report.html") as opened:
        yield opened


@pytest.fixture(scope="module")
def page(open_page: Any) -> Any:
    """Return the page on a desk, loaded once; what a test sorts or opens stays so."""
    return open_page(permissions=["clipboard-read", "clipboard-write"])


def rungs(page: Any, table: int = 0) -> list[str]:
    return (
        page.locator("table.sortable")
        .nth(table)
        .locator("tbody th")
        .evaluate_all("cells => cells.map(cell => cell.firstChild.textContent.trim())")
    )


PLAN = ["scratch", "B-standard", "D <b>all</b> & 'tricks'", "public | file"]


def test_the_first_tab_skips_to_the_tables_and_focus_can_be_seen(page: Any) -> None:
    page.keyboard.press("Tab")
    skip = page.locator(".skip")
    assert skip.evaluate("link => link === document.activeElement")
    assert skip.bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    style = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(style) == "solid"


def test_a_click_sorts_by_number_the_best_first(page: Any) -> None:
    assert rungs(page) == PLAN
    head = page.locator("table.sortable").first.locator("th", has_text="mAP (VOC07)").first
    button = head.locator("button")
    button.click()
    assert head.get_attribute("aria-sort") == "descending"
    assert rungs(page) == [PLAN[3], PLAN[1], PLAN[2], PLAN[0]]  # 60.5, 48, 47.5, 42
    button.click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert rungs(page) == [PLAN[0], PLAN[2], PLAN[1], PLAN[3]]
    assert page.locator("#announcement").inner_text() == "sorted by mAP (VOC07), ascending"


def test_what_is_unmeasured_stays_below_either_way(page: Any) -> None:
    head = page.locator("table.sortable").first.locator("th", has_text="top-1").first
    for expected in ([PLAN[3], PLAN[2], PLAN[1]], [PLAN[1], PLAN[2], PLAN[3]]):
        head.locator("button").click()
        assert rungs(page) == [*expected, "scratch"]


def test_the_keyboard_sorts_and_only_one_column_is_marked(page: Any) -> None:
    table = page.locator("table.sortable").nth(1)
    table.locator("thead button").nth(2).focus()
    page.keyboard.press("Enter")
    assert rungs(page, 1) == [PLAN[3], PLAN[2], PLAN[1]]  # +18.5, +6.5, +6
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    assert rungs(page, 1) == PLAN[1:]
    marks = table.locator("thead th").evaluate_all("cells => cells.map(c => c.ariaSort)")
    assert marks[0] == "ascending"
    assert set(marks[1:]) == {"none"}


def shown(page: Any) -> list[str]:
    figures = page.locator(".gallery").first.locator(".rung:visible figcaption")
    return sorted(set(figures.all_inner_texts()))


def test_pictures_toggle_by_click_and_by_arrow_keys(page: Any) -> None:
    assert shown(page) == [PLAN[3]]
    page.locator(".gallery").first.get_by_label("B-standard").check()
    assert shown(page) == ["B-standard"]
    page.keyboard.press("ArrowRight")
    assert shown(page) == [PLAN[2]]
    other = page.locator(".gallery").nth(1).locator(".rung:visible figcaption").first
    assert other.inner_text() == PLAN[3]  # each task toggles by itself


def test_all_pictures_are_there(page: Any) -> None:
    widths = page.locator("img").evaluate_all("all => all.map(image => image.naturalWidth)")
    assert len(widths) == 2 * 4 * 5  # tasks, images, truth and four rungs
    assert set(widths) == {64}


def test_a_command_is_copied(page: Any) -> None:
    page.locator("summary", has_text="B-standard").last.click()
    box = page.locator("#commands details[open] .command").first
    box.locator("button").click()
    page.locator("#announcement", has_text="copied").wait_for(state="attached")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == box.locator("code").inner_text()
    assert copied.startswith("python tools/train_cls.py")


def test_a_phone_scrolls_one_way_only(open_page: Any) -> None:
    page = open_page(viewport=PHONE, is_mobile=True, has_touch=True)
    page.locator("details").evaluate_all("all => all.forEach(each => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    assert page.evaluate("innerWidth") == 375
    # A table is a list of its rows: each value stands behind its column's name, none is scrolled.
    box = page.locator(".box").first
    assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
    value = box.locator("tbody tr").nth(1).locator("td").first
    assert value.evaluate("cell => getComputedStyle(cell, '::before').content") == '"top-1"'
    box.locator("thead button").nth(1).click()  # the headings sort as before
    assert rungs(page) == [PLAN[3], PLAN[2], PLAN[1], "scratch"]


# Cells whose words stick out of them.
CUT = """() => [...document.querySelectorAll('th, td, caption span, dt, dd, summary, figcaption')]
    .filter(cell => cell.clientWidth && cell.scrollWidth > cell.clientWidth + 1)
    .map(cell => cell.innerText)"""


@pytest.mark.parametrize("width", [390, 1280])
def test_no_word_sticks_out_of_its_cell(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.locator("details").evaluate_all("all => all.forEach(each => { each.open = true; })")
    assert page.locator("th, td").count() > 100
    assert page.evaluate(CUT) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("width", [390, 1280])
def test_whole_tables_and_all_of_the_navigation_are_shown(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.locator("details").evaluate_all("all => all.forEach(each => { each.open = true; })")
    tricks = page.locator("#tricks table").first
    assert tricks.locator("thead th").count() == 1 + len(TRICK_KEYS)
    assert page.evaluate(SCROLLED) == []


def test_the_dark_page_is_dark_with_readable_plots(page: Any) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colours[scheme] = page.evaluate(
            """() => [
                getComputedStyle(document.documentElement).backgroundColor,
                getComputedStyle(document.querySelector('.plot svg text')).fill,
            ]"""
        )
    assert colours["light"] == ["rgb(255, 255, 255)", "rgb(28, 33, 39)"]
    assert colours["dark"] == ["rgb(20, 23, 27)", "rgb(230, 233, 237)"]


def test_who_wants_no_motion_gets_none(page: Any) -> None:
    style = "getComputedStyle(document.documentElement).scrollBehavior"
    assert page.evaluate(style) == "smooth"
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(style) == "auto"


def test_print_shows_what_the_screen_hides(page: Any) -> None:
    page.locator("details").evaluate_all("all => all.forEach(each => { each.open = false; })")
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert page.locator(".gallery").first.locator(".rung:visible").count() == 16
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0
