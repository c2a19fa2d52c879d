"""Hostile texts: annotations (VOC's XML, COCO's JSON), lists of names, configs."""

import json
from pathlib import Path
from typing import Any

from bag_of_transfer.classification.plain_config import read_plain_config
from bag_of_transfer.detection.coco_files import load_coco
from bag_of_transfer.detection.voc_xml import read_xml
from bag_of_transfer.engine.config.config_file import read_config
from bag_of_transfer.engine.data.name_list import read_names
from tests.engine.gadgets import EVAL, MADE, PROGRAM
from tests.hostile.hostile_file import HostileFile, table

__all__ = ["FILES"]


def _xml(path: Path, out: Path) -> None:
    read_xml(path, "a", path.with_suffix(".png"))


def _coco(path: Path, out: Path) -> None:
    load_coco(path).read_images(path.parent)


def _names(path: Path, out: Path) -> None:
    read_names(path, "classes", "write one")


def _plain(path: Path, out: Path) -> None:
    read_plain_config(path, "give another")


def _config(path: Path, out: Path) -> None:
    read_config(path)


BOX = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox>"


def _voc(name: str = "cat", head: str = "", more: str = "") -> str:
    return f"{head}<annotation><object><name>{name}</name>{BOX}</object>{more}</annotation>"


LAUGHS = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
XML = {
    "entities_in_entities": (_voc("&l9;", f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]>'), "entit"),
    "a_long_entity_many_times": (
        _voc("&a;" * 2000, f'<!DOCTYPE a [<!ENTITY a "{"x" * 2000}">]>'),
        "entit",
    ),
    "an_entity_of_itself": (_voc("&a;", '<!DOCTYPE a [<!ENTITY a "&a;">]>'), "entit"),
    "a_short_entity": (_voc("&a;", '<!DOCTYPE a [<!ENTITY a "cat">]>'), "entit"),
    "a_file_as_an_entity": (
        _voc("&a;", '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>'),
        "entit",
    ),
    "an_address_as_an_entity": (
        _voc("&a;", '<!DOCTYPE a [<!ENTITY a SYSTEM "http://127.0.0.1:9/">]>'),
        "entit",
    ),
    "a_parameter_entity": (
        _voc("cat", '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1:9/"> %p;]>'),
        "entit",
    ),
    "an_entity_in_utf16": (
        _voc("&a;", '<!DOCTYPE a [<!ENTITY a "cat">]>').encode("utf-16"),
        "entit",
    ),
    "an_unknown_entity": (_voc("&nbsp;"), "undefined entity"),
    "a_doctype_elsewhere": (_voc("cat", '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">'), ""),
    "an_included_file": (
        _voc(more='<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="/etc/passwd"/>'),
        "",
    ),
    "a_stylesheet": (_voc(head='<?xml-stylesheet href="http://127.0.0.1:9/a.xsl"?>'), ""),
    "nested_deeply": (_voc(more="<a>" * 50_000 + "</a>" * 50_000), ""),
    "an_unknown_encoding": (
        '<?xml version="1.0" encoding="rot13"?>' + _voc(),
        "cannot be understood",
    ),
    "an_encoding_of_many_bytes": (
        '<?xml version="1.0" encoding="gb2312"?>' + _voc(),
        "cannot be understood",
    ),
    "not_utf8": (b"<annotation>\xff\xfe</annotation>", "cannot be understood"),
    "zeros": ("\0" * 1000, "cannot be understood"),
    "empty": ("", "cannot be understood"),
    "html": ("<html><script>alert(1)</script></html>", "the root is <html>"),
    "an_endless_number": (_voc().replace(">5<", ">1e999<"), "not a number"),
    "a_number_of_5000_digits": (_voc().replace(">5<", ">" + "9" * 5000 + "<"), "not a number"),
    "a_program_as_a_number": (_voc().replace(">5<", f">{EVAL}<"), "not a number"),
    "attributes_by_thousands": (
        _voc(more="<a " + " ".join(f'a{n}=""' for n in range(20_000)) + "/>"),
        "",
    ),
    "an_attribute_twice": (_voc(more='<a a="" a=""/>'), "duplicate attribute"),
}
IMAGE = {"id": 1, "file_name": "a.json"}  # any file that is there


def _coco_text(image: Any = IMAGE, box: Any = (0, 0, 5, 5), **more: Any) -> str:
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": box, **more}
    content = {"images": [image], "annotations": [box], "categories": [{"id": 1, "name": "cat"}]}
    return json.dumps(content)


def _named(name: Any) -> str:
    return _coco_text({"id": 1, "file_name": name})


COCO = {
    "nested_a_million_times": ('{"images": ' + "[" * 10**6, "nested"),
    "a_number_of_5000_digits": (_coco_text().replace("5, 5", "5, " + "9" * 5000), "not JSON"),
    "a_box_of_exabytes": (_coco_text(box=(0, 0, 10**400, 5)), "bbox"),
    "an_infinite_box": (_coco_text().replace("5, 5", "5, 1e999"), "bbox"),
    "half_a_letter": (_named("\ud800.png"), "half a letter"),
    "a_file_elsewhere": (_named("../../../../etc/hosts_of_nobody"), "missing"),
    "an_endless_device": (_named("/dev/zero"), "missing"),
    "a_name_with_zeros": (_named("a\0b"), "missing"),
    "a_name_of_a_million_letters": (_named("a" * 10**6), "missing"),
    "a_name_with_lines_and_escapes": (_named("a\n\x1b[2J"), "missing"),
    "a_name_that_is_a_dict": (_named({"type": "os.mkdir"}), "file_name"),
    "an_id_that_is_a_list": (_coco_text({"id": [1], "file_name": "a"}), "id"),
    "keys_twice": ('{"images": [], "images": []}', "given twice"),
    "an_image_of_exapixels": (_coco_text({**IMAGE, "width": 10**30, "height": -1}), "height"),
}
LISTS = {
    "zeros": ("\0" * 100, ""),
    "not_text": (b"\xff\xfe\xfa", "not UTF-8"),
    "nothing_but_lines": ("\n" * 10**6, "names no classes"),
    "a_name_twice": ("a\x1b[2J\na\x1b[2J\n", "more than once"),
}
PLAIN = {
    "a_program": (PROGRAM, "not made of plain values"),
    "a_call": (f"a = {EVAL}", "not made of plain values"),
    "a_call_in_a_dict": (f"a = dict(b={EVAL})", "not made of plain values"),
    "a_lambda": ("a = dict(b=lambda: 1)", "not made of plain values"),
    "a_comprehension": ("a = [n for n in range(9)]", "not made of plain values"),
    "a_power": ("a = 9 ** 9 ** 9 ** 9", "not made of plain values"),
    "a_product_of_gigabytes": ("a = 'a' * 10 ** 10", "not made of plain values"),
    "brackets_by_thousands": ("a = " + "[" * 10_000 + "]" * 10_000, "not made of plain values"),
    "signs_by_thousands": ("a = " + "-" * 100_000 + "1", "not made of plain values"),
    "a_format": ("a = f'{__import__(\"os\")}'", "not made of plain values"),
    "zeros": ("a = '\0'", "not made of plain values"),
    "a_number_of_5000_digits": ("a = " + "9" * 5000, "not made of plain values"),
}
YAML = {
    "a_call": (f"model: !!python/object/apply:os.mkdir [{MADE}]", "a config in YAML"),
    "a_module": ("model: !!python/module:tests.engine.imported_by_a_gadget", "a config in YAML"),
    "a_new_object": (f"model: !!python/object/new:os.system [mkdir {MADE}]", "a config in YAML"),
    "nothing_bad": ("model: {type: A}", "a config in YAML"),
}
FILES: list[HostileFile] = [
    *table("voc", _xml, "a.xml", XML),
    *table("coco", _coco, "a.json", COCO),
    *table("names", _names, "a.txt", LISTS),
    *table("plain-config", _plain, "a.py", PLAIN),
    *table("yaml", _config, "a.yaml", YAML),
]
