"""Hostile archives: of data sets (tools/prepare_data.py), of cells (tools/ladder.py --import)."""

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from bag_of_transfer.archives.records import Archive
from bag_of_transfer.archives.unpack import unpack
from bag_of_transfer.ladder.run.export_import import import_cells
from tests.hostile.hostile_file import HostileFile, table

__all__ = ["FILES"]

DEVICES = {"a_device": tarfile.CHRTYPE, "a_disk": tarfile.BLKTYPE, "a_pipe": tarfile.FIFOTYPE}
LINKS = {"symbolic": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE}


def _unpack(path: Path, out: Path) -> None:
    unpack(Archive(path.name, "", None, None, "data/", "data/"), path, out)


def _import(path: Path, out: Path) -> None:
    import_cells(out, path, max_bytes=2**22)


Member = tuple[str, bytes | tuple[bytes, str]]


def _tar(*members: Member, mode: str = "w") -> Callable[[Path], None]:
    """Return what writes a tar; a member's content is bytes, or its type and link."""

    def write(path: Path) -> None:
        with tarfile.open(path, mode) as made:  # type: ignore[call-overload]
            for name, content in members:
                member = tarfile.TarInfo(name)
                if isinstance(content, tuple):
                    member.type, member.linkname = content
                    content = b""
                member.size = len(content)
                made.addfile(member, io.BytesIO(content))

    return write


def _claiming(size: int, name: str = "data/a") -> bytes:
    """Return a tar whose only member states a size that the file does not have."""
    member = tarfile.TarInfo(name)
    member.size = size
    return member.tobuf(tarfile.GNU_FORMAT) + bytes(1024)


def _zip(*members: tuple[str, bytes], mode: int = 0o100644) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
            for name, content in members:
                entry = zipfile.ZipInfo(name)
                entry.external_attr, entry.compress_type = mode << 16, zipfile.ZIP_DEFLATED
                made.writestr(entry, content)

    return write


def _header(size: int) -> bytes:
    """Return a tar that begins with a header of that size."""
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, size
    return member.tobuf(tarfile.USTAR_FORMAT) + bytes(size)


ESCAPES: dict[str, str] = {
    "above": "../outside",
    "above_later": "data/../../outside",
    "absolute": "/tmp/outside",
    "two_slashes": "//tmp/outside",
    "dots_alone": "..",
    "above_in_the_middle": "data/./.././../x",
}
A = ("data/a", b"a")
TARS = {
    **{f"a_path_{what}": (_tar(A, (name, b"x")), "outside") for what, name in ESCAPES.items()},
    **{
        f"a_{kind}_link_{what}": (_tar(A, ("data/l", (form, name))), "outside")
        for kind, form in LINKS.items()
        for what, name in (("above", "../../outside"), ("absolute", "/etc/passwd"))
    },
    "a_link_and_a_file_through_it": (
        _tar(("data/l", (tarfile.SYMTYPE, "../..")), ("data/l/x", b"x")),
        "outside",
    ),
    **{what: (_tar(A, ("data/d", (form, ""))), "") for what, form in DEVICES.items()},
    "a_name_with_lines": (_tar(A, ("data/a\nb", b"x")), ""),
    "a_name_with_escapes": (_tar(A, ("../\x1b[2J", b"x")), "outside"),
    "a_name_of_5000_letters": (_tar(A, ("data/" + "a" * 5000, b"x")), "cannot be written"),
    "a_file_as_a_folder": (_tar(A, ("data/a/b", b"x")), "cannot be written"),
    "a_folder_as_a_file": (_tar(("data/a/b", b"x"), A), "cannot be written"),
    "a_file_twice": (_tar(A, ("data/a", b"b")), ""),
    "a_size_of_exabytes": (_claiming(2**62), "damaged or cut off"),
    "a_negative_size": (_claiming(-1024), "damaged or cut off"),
    "no_archive": (b"x" * 2000, "damaged or cut off"),
    "empty": (b"", "damaged or cut off"),
    "a_header_of_32_megabytes": (_header(2**25), "a header of"),
    "nothing_of_ours": (_tar(("other/a", b"x")), "of another release"),
}
ZIPS = {
    **{f"a_path_{what}": (_zip(A, (name, b"x")), "outside") for what, name in ESCAPES.items()},
    "a_link_above": (_zip(("data/l", b"../../outside"), mode=0o120777), "outside"),
    "a_link_absolute": (_zip(("data/l", b"/etc/passwd"), mode=0o120777), "outside"),
    "a_backslash": (_zip(A, ("..\\outside", b"x")), ""),
    "a_drive": (_zip(A, ("C:/outside", b"x")), ""),
    "no_archive": (b"PK\3\4" + bytes(100), "damaged or cut off"),
}
RUNG = {"kind": "scratch", "seeds": "shared"}
TASK = {"kind": "det", "metrics": ["mAP_voc07"]}
PLAN = json.dumps(
    {
        **{"schema": 1, "name": "a", "reference": "a", "seeds": [0]},
        **{"rungs": {"a": RUNG}, "tasks": {"t": TASK}},
    }
).encode()
CELL = ("seed0/a/t/cell.json", b"{}")
CELLS = {
    **{
        f"a_path_{what}": (_tar(("ladder.json", PLAN), (name, b"x"), mode="w:gz"), "belong")
        for what, name in {**ESCAPES, "in_a_seed": "seed0/../../outside"}.items()
    },
    **{
        f"a_{kind}_link": (_tar(("seed0/l", (form, "../../outside")), mode="w:gz"), "belong")
        for kind, form in LINKS.items()
    },
    **{
        what: (_tar(("seed0/d", (form, "")), mode="w:gz"), "belong")
        for what, form in DEVICES.items()
    },
    "weights": (_tar(("seed0/a/t/epoch_1.pth", b"x"), mode="w:gz"), "belong"),
    "a_name_with_escapes": (_tar(("\x1b[2J\n", b"x"), mode="w:gz"), "belong"),
    "no_plan": (_tar(CELL, mode="w:gz"), "no ladder.json"),
    "a_plan_nested_deeply": (
        _tar(("ladder.json", b"[" * 10**5), CELL, mode="w:gz"),
        "nested",
    ),
    "a_cell_of_no_rung": (
        _tar(("ladder.json", PLAN), ("seed0/b/t/cell.json", b"{}"), mode="w:gz"),
        "not in this",
    ),
    "a_cell_at_another_place": (
        _tar(("ladder.json", PLAN), ("seed0/cell.json", b"{}"), mode="w:gz"),
        "",
    ),
    "a_folder_as_a_file": (
        _tar(("ladder.json", PLAN), ("seed0/a", b"x"), ("seed0/a/t/cell.json", b"x"), mode="w:gz"),
        "not an archive",
    ),
    "a_size_of_exabytes": (gzip.compress(_claiming(2**62, "seed0/a")), "unpacks to more"),
    "a_bomb": (_tar(("seed0/a", bytes(2**22)), mode="w:gz"), "unpacks to more"),
    "a_header_of_32_megabytes": (gzip.compress(_header(2**25)), "a header of"),
    "no_gzip": (_tar(CELL), "not an archive of cells"),
    "a_zip": (_zip(A), "not an archive of cells"),
    "empty": (b"", "not an archive of cells"),
}
FILES: list[HostileFile] = [
    *table("tar", _unpack, "a.tar", TARS),
    *table("zip", _unpack, "a.zip", ZIPS),
    *table("cells", _import, "a.tar.gz", CELLS),
]
