"""The page of a run in headless Chromium, on a desk and on a phone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.in_browser import PHONE, SCROLLED, browser, opening

__all__ = ["browser"]

SIZES = [{"width": 1280, "height": 900}, {**PHONE, "width": 390}]


@pytest.fixture(scope="module")
def page(browser: Any, run_page: Path) -> Iterator[Any]:
    """Return the page, loaded once; what a test sorts or opens stays so."""
    with opening(browser, run_page) as opened:
        yield opened()


@pytest.mark.parametrize("size", SIZES, ids=["desk", "phone"])
def test_nothing_is_wider_than_the_screen(page: Any, size: dict[str, int]) -> None:
    page.set_viewport_size(size)
    page.locator("details").evaluate_all("all => all.forEach(each => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
    # Only folded texts may scroll, inside themselves.
    wide = page.evaluate(
        """() => [...document.querySelectorAll("main *, header *")].filter((each) =>
            !each.closest(".box, svg, pre, .unseen")
            && each.getBoundingClientRect().right > innerWidth + 1).map((each) => each.outerHTML)"""
    )
    assert wide == []
    assert page.evaluate(SCROLLED) == []
    cut = page.evaluate(
        """() => [...document.querySelectorAll("h1, h2, h3, p, dt, dd, figcaption, summary")]
            .filter((each) => each.scrollWidth > each.clientWidth + 1)
            .map((each) => each.innerText)"""
    )
    assert cut == []


def test_names_of_classes_are_broken_behind_underscores_only(page: Any) -> None:
    page.set_viewport_size(SIZES[1])
    heights = (
        page.locator("#classes-1")
        .locator("xpath=..")
        .locator("tbody th")
        .evaluate_all(
            """cells => cells.slice(1).map(cell => {
            const lines = (node) => {
                const range = document.createRange();
                range.selectNodeContents(node);
                return range.getClientRects().length;
            };
            const texts = [...cell.childNodes].filter(node => node.nodeType === 3);
            return texts.filter(node => node.data.trim()).map(lines);
        })"""
        )
    )
    assert heights
    assert {lines for cell in heights for lines in cell} == {1}


def test_a_click_sorts_the_classes(page: Any) -> None:
    table = page.locator("table.sortable", has=page.locator("#classes-1"))
    table.locator("thead button", has_text="AP").click()
    figures = table.locator("tbody td:nth-child(2)").all_inner_texts()
    assert figures == ["45.00", "30.00", "15.00", "0.00"]


def test_the_worst_images_are_shown(page: Any) -> None:
    images = page.locator("#worst-test img")
    assert images.evaluate_all("all => all.map(image => image.naturalWidth)") == [160, 160]
