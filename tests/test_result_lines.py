"""Headers of configs against the docs: figures stand there, a header names their section."""

import ast
import re
from pathlib import Path

import pytest
from mmengine.config import Config

from bag_of_transfer.engine.config.paper_rows import paper_rows

ROOT = Path(__file__).resolve().parents[1]
LEAVES = sorted(path for path in (ROOT / "configs").glob("*/*.py") if path.parent.name != "_base_")
RESULTS = (ROOT / "docs/results.md").read_text()
POINTER = re.compile(r'docs/results\.md, section "(.+)"')
PAGE = re.compile(r"(docs/\w+\.md)")  # a page that is about the figures of this config alone


def result_line(path: Path) -> str:
    """What the header says behind ``Result:``, in one line."""
    header = ast.get_docstring(ast.parse(path.read_text())) or ""
    (found,) = re.findall(r"^Result: +(.+(?:\n .+)*)", header, flags=re.MULTILINE)
    return " ".join(found.split())


def sections() -> dict[str, str]:
    """The sections of docs/results.md: heading and text."""
    _, *parts = re.split(r"^## ", RESULTS, flags=re.MULTILINE)
    return dict(part.split("\n", 1) for part in parts)


def configs_of(ladder: Path) -> set[Path]:
    """The ladder's own file and all configs that it names, for rungs and for tasks."""
    named = re.findall(r"'(configs/\S+?\.py)'", str(Config.fromfile(ladder).to_dict()))
    return {ladder, *(ROOT / path for path in named)}


@pytest.fixture(scope="module")
def measured() -> dict[Path, str]:
    """The section of every config that a ladder named in docs/results.md has trained."""
    return {
        path: heading
        for heading, text in sections().items()
        for ladder in re.findall(r"^python tools/ladder\.py (\S+)", text, flags=re.MULTILINE)
        for path in configs_of(ROOT / ladder)
    }


def test_two_ladders_are_measured_with_all_their_configs(measured: dict[Path, str]) -> None:
    # Rungs with a config, tasks, and the ladder: of the photographs, and of the demo.
    assert len(measured) == (8 + 2 + 1) + (2 + 2 + 1)
    assert set(measured) <= set(LEAVES)


def is_right(path: Path, line: str, measured: dict[Path, str]) -> bool:
    if path in measured:
        return line == f'docs/results.md, section "{measured[path]}"'
    if pointer := POINTER.fullmatch(line):  # measured by another command than a ladder's
        return path.name in sections()[pointer[1]]
    if page := PAGE.fullmatch(line):
        return f"python tools/ladder.py configs/ladder/{path.name}" in (ROOT / page[1]).read_text()
    return re.match(r"unmeasured(;|$)", line) is not None


def test_a_header_names_the_section_of_its_figures_or_says_unmeasured(
    measured: dict[Path, str],
) -> None:
    assert len(LEAVES) >= 80
    lines = {path: result_line(path) for path in LEAVES}
    assert not {path: line for path, line in lines.items() if not is_right(path, line, measured)}


def test_no_figure_stands_in_a_header() -> None:
    lines = {path: POINTER.sub("", result_line(path)) for path in LEAVES}
    assert not {path: line for path, line in lines.items() if re.search(r"\d", line)}


def test_rows_of_the_paper_are_measured_where_their_header_says_so() -> None:
    rows = paper_rows(ROOT / "configs")
    assert len(rows) == 59
    for row in rows:
        told = result_line(ROOT / row["config"]).startswith("unmeasured")
        assert told == (row["measured"] is None)
