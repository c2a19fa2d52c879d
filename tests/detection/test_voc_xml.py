"""VOC's XML as other tools write it: read completely or refused, nothing is ignored."""

import re
import time
from pathlib import Path

import pytest

from bag_of_transfer.detection.annotations import AnnotatedImage, Box
from bag_of_transfer.detection.voc_xml import read_xml
from bag_of_transfer.engine.errors import UserError

SOUND = (
    "<annotation><size><width>128</width><height>96</height><depth>3</depth></size><object>"
    "<name>ball</name><difficult>0</difficult><bndbox><xmin>11</xmin><ymin>21</ymin><xmax>40</xmax>"
    "<ymax>60</ymax></bndbox></object></annotation>"
)
BOX = (10, 20, 39, 59)


def read(folder: Path, text: str | bytes) -> AnnotatedImage:
    file = folder / "a.xml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_xml(file, "a", folder / "a.jpg")


def swap(old: str, new: str) -> str:
    assert old in SOUND
    return SOUND.replace(old, new)


PART = "<part><name>top</name><bndbox><xmin>1</xmin></bndbox><bndbox/></part></object>"


@pytest.mark.parametrize(
    "text",
    [
        SOUND,
        swap("<annotation>", '<annotation xmlns="http://example.org/voc">'),
        swap("<annotation>", '<v:annotation xmlns:v="urn:v">').replace("</ann", "</v:ann"),
        re.sub("<(/?)(object|bndbox|name)>", lambda m: f"<{m[1]}{m[2].title()}>", SOUND),
        re.sub("<(/?[a-z]+)>", lambda m: f"<{m[1].upper()}>", SOUND),
        b"\xef\xbb\xbf" + SOUND.replace("><", ">\r\n<").encode(),
        ('<?xml version="1.0" encoding="UTF-16"?>' + SOUND).encode("utf-16"),
        ('<?xml version="1.0" encoding="latin-1"?><!-- \xe4 -->' + SOUND).encode("latin-1"),
        swap("</object>", PART),
        swap("<bndbox>", "<polygon><pt><x>1</x><y>2</y></pt></polygon><bndbox>"),
        swap("<name>ball</name>", "<name>\n  ball </name><pose>Unspecified</pose>"),
        swap(">11<", ">11.7<").replace(">40<", "> 4.0e1 <"),
        swap("<difficult>0</difficult>", ""),
        swap("<difficult>0</difficult>", "<difficult/>"),
        *(swap("<difficult>0<", f"<difficult>{word}<") for word in ("False", "no", "0.0", " 0 ")),
    ],
)
def test_dialects_that_say_the_same_are_read(tmp_path: Path, text: str | bytes) -> None:
    image = read(tmp_path, text)
    assert image.boxes == (Box("ball", BOX, ignore=False, number=0),)
    assert (image.width, image.height) == (128, 96)


@pytest.mark.parametrize("word", ["1", "True", "YES", "1.0", "true"])
def test_difficult_may_be_a_word(tmp_path: Path, word: str) -> None:
    (box,) = read(tmp_path, swap("<difficult>0<", f"<difficult>{word}<")).boxes
    assert box.ignore


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("<width>500.0</width><height>375.0</height>", (500, 375)),
        ("<width/><height> </height>", (0, 0)),
        ("", (0, 0)),
    ],
)
def test_sizes_may_be_fractions_or_missing(
    tmp_path: Path, size: str, expected: tuple[int, int]
) -> None:
    image = read(tmp_path, re.sub("<size>.*</size>", f"<size>{size}</size>", SOUND))
    assert (image.width, image.height) == expected
    image = read(tmp_path, re.sub("<size>.*</size>", "", SOUND))
    assert (image.width, image.height) == (0, 0)


SECOND = "</bndbox><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>3</xmax><ymax>3</ymax></bndbox>"
CVAT = '<annotations><image id="0" name="a.jpg"><box label="ball" xtl="1"/></image></annotations>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (swap("</bndbox>", SECOND), r"2 <bndbox> in one <object>\): .*: write one <object> for"),
        (swap("</name>", "</name><name>box</name>"), r"2 <name> in one <object>"),
        (swap("</xmin>", "</xmin><xmin>3</xmin>"), r"2 <xmin> in one <bndbox>"),
        (swap("</difficult>", "</difficult><difficult>1</difficult>"), r"2 <difficult> in one"),
        (swap("</size>", "</size><size/>"), r"2 <size> in one <annotation>"),
        (CVAT, r"the root is <annotations>, not <annotation>\): .*: export the annotations in"),
        ("<html><body>404</body></html>", r"the root is <html>, not <annotation>"),
        (swap("annotation>", "Annotations>"), r"the root is <annotations>"),
        (re.sub("(</?)object>", r"\1objekt>", SOUND), r"a <bndbox> at a place where none is read"),
        (
            swap("<object>", "<objects><object>").replace("</object>", "</object></objects>"),
            "a <ob",
        ),
        (swap("<object>", "<object><object>").replace("</object>", "</object></object>"), "a <obj"),
        (
            re.sub("<bndbox>.*</bndbox>", "<polygon><pt/></polygon>", SOUND),
            r"no <bndbox> in an <object>, which has <name>, <difficult>, <polygon>\)",
        ),
        (re.sub("(</?)bndbox>", r"\1robndbox>", SOUND), r"no <bndbox> .*, <robndbox>\)"),
        (swap("<name>ball</name>", "<name> </name>"), r"no <name>\)"),
        (swap("<name>ball</name>", ""), r"no <name>\)"),
        (swap("xmin", "left"), r"no <bndbox/xmin>\)"),
        *(
            (swap(">11<", f">{word}<"), rf"<xmin> is '{word}', not a number\): .*: write a number")
            for word in ("nan", "inf", "-inf", "1e400", "12,5", "1_0", "eleven", "0x1f")
        ),
        (swap(">128<", ">wide<"), r"<width> is 'wide', not a number"),
        (swap(">96<", ">inf<"), r"<height> is 'inf', not a number"),
        *(
            (
                swap("<difficult>0<", f"<difficult>{word}<"),
                rf"<difficult> is '{word}', not 0 or 1\): .*: write 0 or 1 there",
            )
            for word in ("Unspecified", "2", "-1", "0.5")
        ),
        (b"", "no element found"),
        (SOUND[:-5], "cannot be understood"),
        ('<?xml version="1.0" encoding="gibberish"?>' + SOUND, "cannot be understood"),
        (('<?xml version="1.0" encoding="gb18030"?>' + SOUND).encode(), "cannot be understood"),
        (SOUND.replace("ball", "b\xe4ll").encode("latin-1"), "invalid token"),
        (swap("ball", "&ball;"), "undefined entity"),
    ],
)
def test_what_cannot_be_read_in_full_is_refused(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    with pytest.raises(UserError, match=r"cannot be understood \(.*a\.xml(:\d+)?: \w") as caught:
        read(tmp_path, text)
    assert re.search(message, str(caught.value))


def test_the_line_of_a_mistake_is_named(tmp_path: Path) -> None:
    lines = swap("><", ">\n<").replace("<xmin>11<", "<xmin>\n x<")
    with pytest.raises(UserError) as caught:
        read(tmp_path, lines)
    number = 1 + lines[: lines.index("<xmin>")].count("\n")
    assert number > 5
    assert caught.value.where == f"{tmp_path / 'a.xml'}:{number}"


def test_entities_that_grow_without_end_are_refused_at_once(tmp_path: Path) -> None:
    entities = '<!ENTITY a0 "lol">' + "".join(
        f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12)
    )
    started = time.perf_counter()
    with pytest.raises(UserError, match="cannot be understood"):
        read(tmp_path, f"<!DOCTYPE x [{entities}]>" + swap("ball", "&a11;"))
    assert time.perf_counter() - started < 5


def test_an_entity_never_reads_another_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    entity = f'<!DOCTYPE x [<!ENTITY s SYSTEM "{tmp_path / "secret"}">]>'
    with pytest.raises(UserError, match="cannot be understood"):
        read(tmp_path, entity + swap("ball", "&s;"))


def test_deep_nesting_does_no_harm(tmp_path: Path) -> None:
    deep = "<a>" * 100_000 + "</a>" * 100_000
    assert len(read(tmp_path, swap("</object>", deep + "</object>")).boxes) == 1
