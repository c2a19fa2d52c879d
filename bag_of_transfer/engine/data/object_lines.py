"""Find the line of an annotation file that something odd is in; it is read again only then."""

from collections.abc import Sequence
from pathlib import Path
from xml.parsers import expat

from bag_of_transfer.engine.plain_files import read_file

__all__ = ["lines_of_objects", "place_of_element", "place_of_name"]


def lines_of_objects(file: Path, numbers: Sequence[int]) -> list[int]:
    """Return the lines, from 1, at which objects begin in a file of VOC's or YOLO's format.

    Args:
        file: VOC's XML, or YOLO's text with an object per line.
        numbers: Which objects, from 0 in the order of the file; -1 where that is not known.

    Returns:
        A line per number; none where the format is another one, or a number is not one of its.
    """
    if file.suffix.lower() == ".xml":
        elements = _elements(read_file(file))
        lines = [line for tag, _, line in elements if _plain(tag) == "object"]
    elif file.suffix.lower() == ".txt":
        texts = read_file(file).decode("utf-8-sig").splitlines()
        lines = [line for line, text in enumerate(texts, start=1) if text.split()]
    else:
        return []
    return [lines[number] for number in numbers] if {*numbers} <= {*range(len(lines))} else []


def place_of_element(file: Path, number: int) -> str:
    """Return ``FILE:LINE`` of an element, which is the ``number``-th to begin, from 0."""
    lines = [line for _, _, line in _elements(read_file(file))]
    return f"{file}:{lines[number]}"


def place_of_name(file: Path, name: str) -> str:
    """Return ``FILE:LINE`` of the first ``<name>`` with a text; the file alone if it is no XML."""
    if file.suffix.lower() != ".xml":
        return str(file)
    found = (
        line
        for tag, text, line in _elements(read_file(file))
        if _plain(tag) == "name" and text.strip() == name
    )
    return ":".join(map(str, [file, *list(found)[:1]]))


def _plain(tag: str) -> str:
    return tag.rpartition(":")[2].lower()


def _elements(data: bytes) -> list[tuple[str, str, int]]:
    """Return tag, text and line of each element, in the order in which they begin."""
    tags: list[str] = []
    texts: list[str] = []
    lines: list[int] = []
    inside: list[int] = []
    parser = expat.ParserCreate()

    def begin(tag: str, _: object) -> None:
        inside.append(len(tags))
        tags.append(tag)
        texts.append("")
        lines.append(parser.CurrentLineNumber)

    def read(text: str) -> None:
        texts[inside[-1]] += text

    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda _: inside.pop()
    parser.CharacterDataHandler = read
    parser.Parse(data, True)
    return list(zip(tags, texts, lines, strict=True))
