"""Find the line of an XML file that a mistake is in; the file is read again only then."""

from pathlib import Path
from xml.parsers import expat

from bag_of_transfer.engine.plain_files import read_file

__all__ = ["place_of_element", "place_of_name"]


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
        if tag.rpartition(":")[2].lower() == "name" and text.strip() == name
    )
    return ":".join(map(str, [file, *list(found)[:1]]))


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
