"""Unpacking: an archive is read once and hashed meanwhile, and a bad one is refused."""

import contextlib
import gzip
import hashlib
import io
import itertools
import random
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bag_of_transfer.archives import unpack as module
from bag_of_transfer.archives.hashed_file import HashedFile
from bag_of_transfer.archives.records import Archive
from bag_of_transfer.archives.unpack import unpack
from bag_of_transfer.engine.bounded_stream import members_of
from bag_of_transfer.engine.errors import UserError
from tests.archives.small_archives import files_below, packed_as, tar, zipped

FILES = {"set/a.txt": b"a" * 3000, "set/deep/b.txt": b"b" * 70_000, "set/c.txt": b""}


def record(name: str, data: bytes | None = None) -> Archive:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}" if data is not None else None
    return Archive(name, "http://host/file", None, digest, holds="set/", becomes="out/")


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "x.zip"])
def test_files_arrive_and_the_digest_is_that_of_the_whole_file(tmp_path: Path, name: str) -> None:
    data = packed_as(name, FILES)
    path = write(tmp_path, name, data)
    digest = unpack(record(name, data), path, tmp_path / "root")
    assert digest == hashlib.sha256(data).hexdigest()
    assert files_below(tmp_path / "root") == {"out/a.txt", "out/deep/b.txt", "out/c.txt"}
    assert (tmp_path / "root/out/deep/b.txt").read_bytes() == b"b" * 70_000


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "x.zip"])
def test_no_byte_is_read_twice_but_a_zips_table(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(0)  # several megabytes even when packed
    data = packed_as(name, {f"set/{i:02}": draw.randbytes(200_000) for i in range(20)})
    data += bytes(100_000) if name == "x.tar" else b""
    path = write(tmp_path, name, data)
    sizes: list[int] = []

    class Counted(io.FileIO):
        def read(self, size: int | None = -1) -> bytes:
            chunk = super().read(-1 if size is None else size) or b""
            sizes.append(len(chunk))
            return chunk

    opened, real_open = [], Path.open

    def open_counted(self: Path, mode: str = "r", **kwargs):
        if self != path:
            return real_open(self, mode, **kwargs)
        opened.append(mode)
        return Counted(self, "rb")

    monkeypatch.setattr(Path, "open", open_counted)
    unpack(record(name, data), path, tmp_path / "root")
    # Per file 46 bytes and its name; 22 bytes behind them, and 20 where a large zip has more:
    # zipfile looks at the end three times.
    table = 20 * (46 + len("set/10")) + 3 * 22 + 20 if name == "x.zip" else 0
    assert len(data) <= sum(sizes) <= len(data) + table
    assert opened == ["rb"]


def test_a_reader_that_jumps_still_gives_the_digest_of_all(tmp_path: Path) -> None:
    data = bytes(range(256)) * 40_000
    file = HashedFile(write(tmp_path, "x", data), "md5")
    for offset, size in ((5_000_000, 100), (10, 50), (4_999_990, 200), (20_000_000, 5)):
        file.seek(offset)
        assert file.read(size) == data[offset : offset + size]
        assert file.tell() == offset + len(data[offset : offset + size])
    assert file.finish() == hashlib.md5(data).hexdigest()


def test_one_wrong_byte_is_noticed(tmp_path: Path) -> None:
    data = tar(FILES)
    path = write(tmp_path, "x.tar", data.replace(b"aaaa", b"aaba", 1))
    with pytest.raises(UserError, match=r"the sha256 checksum is .*, not the official .*get it ag"):
        unpack(record("x.tar", data), path, tmp_path / "root")


def test_the_last_byte_behind_the_files_counts(tmp_path: Path) -> None:
    data = tar(FILES)
    path = write(tmp_path, "x.tar", data[:-1] + b"x")
    with pytest.raises(UserError, match="checksum"):
        unpack(record("x.tar", data), path, tmp_path / "root")


def test_without_an_official_checksum_this_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = write(tmp_path, "x.tar", tar(FILES))
    assert unpack(record("x.tar"), path, tmp_path) is None
    assert "no checksum to compare with is known" in capsys.readouterr().out
    unpack(record("x.tar", path.read_bytes()), path, tmp_path)
    assert capsys.readouterr().out.endswith("| checksum right\n")


CUTS: dict[str, Callable[[bytes], bytes]] = {
    "x.tar": lambda data: data[: len(data) // 2],
    "x.tar.gz": lambda data: data[: len(data) // 2],
    "x.zip": lambda data: data[: len(data) // 2],
    "tail.tar.gz": lambda data: data[:-6],  # all files, but not gzip's checksum
    "bits.tar.gz": lambda data: data[:-6] + bytes([data[-6] ^ 1]) + data[-5:],
    "empty.tar": lambda data: b"",
    "text.tar": lambda data: b"<html>not found</html>" * 100,
    "text.tar.gz": lambda data: b"<html>not found</html>" * 100,
    "text.zip": lambda data: b"<html>not found</html>" * 100,
}


@pytest.mark.parametrize("name", CUTS)
def test_a_cut_or_damaged_archive_is_refused_without_any_hash(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name, CUTS[name](packed_as(name, FILES)))
    with pytest.raises(UserError, match=r"damaged or cut off .*: get it again from http://host/f"):
        unpack(record(name), path, tmp_path / "root")


def test_a_zips_own_checksums_are_compared(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:  # stored, so that the bytes can be found
        made.writestr("set/a.txt", b"aaaa")
    path = write(tmp_path, "x.zip", packed.getvalue().replace(b"aaaa", b"aaba"))
    with pytest.raises(UserError, match=r"damaged or cut off .*CRC"):
        unpack(record("x.zip"), path, tmp_path / "root")


def test_an_encrypted_zip_is_an_error(tmp_path: Path) -> None:
    data = bytearray(zipped({"set/a.txt": b"a"}))
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + place] |= 1
    with pytest.raises(UserError, match="encrypted"):
        unpack(record("x.zip"), write(tmp_path, "x.zip", bytes(data)), tmp_path / "root")


OUTSIDE = ["../evil", "/evil", "set/../../evil", "set/./../../evil", ".."]


@pytest.mark.parametrize("kind", ["x.tar", "x.tar.gz", "x.zip"])
@pytest.mark.parametrize("name", OUTSIDE)
def test_a_path_that_leads_outside_is_refused(tmp_path: Path, kind: str, name: str) -> None:
    path = write(tmp_path, kind, packed_as(kind, {"set/good": b"", name: b"evil"}))
    with pytest.raises(UserError, match=re.escape(f"leads outside ({name!r}): {path}: ")):
        unpack(replace(record(kind), holds=""), path, tmp_path / "root/deep")
    assert not [p for p in tmp_path.rglob("evil")]


def tar_with_link(kind: bytes, name: str, target: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as made:
        made.addfile(tarfile.TarInfo("set/a.txt"))
        link = tarfile.TarInfo(name)
        link.type, link.linkname = kind, target
        made.addfile(link)
        inside = tarfile.TarInfo(f"{name}/evil")
        inside.size = 4
        made.addfile(inside, io.BytesIO(b"evil"))
    return packed.getvalue()


def zip_with_link(name: str, target: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr("set/a.txt", b"")
        link = zipfile.ZipInfo(name)
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(link, target)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("kind", "target", "refused"),
    [
        (tarfile.SYMTYPE, "/etc", True),
        (tarfile.SYMTYPE, "../..", True),
        (tarfile.SYMTYPE, "../other", False),  # from set/: still inside
        (tarfile.LNKTYPE, "../other", True),  # a hard link's target starts at the root
        (tarfile.LNKTYPE, "set/a.txt", False),
    ],
)
def test_links_that_lead_outside_are_refused_and_others_not_made(
    tmp_path: Path, kind: bytes, target: str, refused: bool
) -> None:
    path = write(tmp_path, "x.tar", tar_with_link(kind, "set/link", target))
    if refused:
        with pytest.raises(UserError, match=re.escape(f"leads outside ({target!r}): {path}: ")):
            unpack(record("x.tar"), path, tmp_path / "root")
    else:
        unpack(record("x.tar"), path, tmp_path / "root")
        assert (tmp_path / "root/out/link/evil").is_file()  # in a folder of its own
    assert not [p for p in tmp_path.rglob("*") if p.is_symlink()]


@pytest.mark.parametrize(("target", "refused"), [("../../etc", True), ("a.txt", False)])
def test_links_in_a_zip(tmp_path: Path, target: str, refused: bool) -> None:
    path = write(tmp_path, "x.zip", zip_with_link("set/link", target))
    if refused:
        with pytest.raises(UserError, match="leads outside"):
            unpack(record("x.zip"), path, tmp_path / "root")
    else:
        unpack(record("x.zip"), path, tmp_path / "root")
        assert files_below(tmp_path / "root") == {"out/a.txt"}


def test_another_release_is_told_by_what_it_holds(tmp_path: Path) -> None:
    path = write(tmp_path, "x.tar", tar({"VOCdevkit/VOC2011/a": b"", "b": b""}))
    with pytest.raises(UserError, match="another release: it holds VOCdevkit/VOC2011/a, not set/"):
        unpack(record("x.tar"), path, tmp_path / "root")


def test_it_is_told_after_a_hundred_files_not_after_a_million(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "x.tar", tar({f"other/{i}": b"" for i in range(300)}))
    seen, files = [], module.archive_files

    def counted(*args: Any) -> Iterator[tuple[str, Any]]:
        return (seen.append(file[0]) or file for file in files(*args))

    monkeypatch.setattr(module, "archive_files", counted)
    with pytest.raises(UserError, match="it holds other/0"):
        unpack(record("x.tar"), path, tmp_path / "root")
    assert len(seen) == 100


def test_a_few_other_files_do_no_harm(tmp_path: Path) -> None:
    extras = {"README": b"", "__MACOSX/set/._a": b"", "set/._a.txt": b"macOS"}
    path = write(tmp_path, "x.tar", tar({**extras, **FILES}))
    unpack(record("x.tar"), path, tmp_path / "root")
    assert len(files_below(tmp_path / "root")) == 3


def test_archives_in_an_archive_become_folders(tmp_path: Path) -> None:
    inner = {f"n{i}.tar": tar({f"n{i}_{j}.JPEG": b"x" * 600 for j in range(i)}) for i in (1, 2)}
    nested = replace(record("x.tar"), holds="n", becomes="train/n", nested=True)
    unpack(nested, write(tmp_path, "x.tar", tar({**inner, "readme.txt": b""})), tmp_path / "root")
    names = {"train/n1/n1_0.JPEG", "train/n2/n2_0.JPEG", "train/n2/n2_1.JPEG"}
    assert files_below(tmp_path / "root") == names


def test_a_cut_archive_in_an_archive_is_noticed(tmp_path: Path) -> None:
    inner = {"n1.tar": tar({"n1_0.JPEG": b"x" * 2000})[:1500]}
    nested = replace(record("x.tar"), holds="n", nested=True)
    with pytest.raises(UserError, match="damaged or cut off"):
        unpack(nested, write(tmp_path, "x.tar", tar(inner)), tmp_path / "root")


def test_a_header_of_an_archive_in_an_archive_cannot_be_negative(tmp_path: Path) -> None:
    member = tarfile.TarInfo("a")
    member.size, member.type = -1024, tarfile.XHDTYPE
    inner = {"n1.tar": member.tobuf(tarfile.GNU_FORMAT) + bytes(1024)}
    nested = replace(record("x.tar"), holds="n", nested=True)
    with pytest.raises(UserError, match=r"a header of -1024 bytes|damaged or cut off"):
        unpack(nested, write(tmp_path, "x.tar", tar(inner)), tmp_path / "root")


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.GNUTYPE_SPARSE, b"Z"])
def test_a_size_that_leads_back_to_an_earlier_member_is_not_followed(kind: bytes) -> None:
    content = b""
    for size in (0, 0, -1024):
        member = tarfile.TarInfo("a")
        member.size, member.type = size, kind
        content += member.tobuf(tarfile.GNU_FORMAT)
    seen = []
    with (
        tarfile.open(fileobj=io.BytesIO(content + bytes(1024))) as archive,
        contextlib.suppress(tarfile.ReadError),  # Python from 3.11.14 ends there without a word
    ):
        seen += itertools.islice(members_of(archive), 9)
    assert len(seen) <= 3


def test_members_do_not_pile_up_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    real = tarfile.TarFile.next

    def spy(self: tarfile.TarFile):
        kept.append(len(self.members))
        return real(self)

    monkeypatch.setattr(tarfile.TarFile, "next", spy)
    path = write(tmp_path, "x.tar", gzip.decompress(packed_as("x.gz", FILES)))
    unpack(record("x.tar"), path, tmp_path / "root")
    assert len(kept) == 4 + 1  # tarfile reads the first one when it opens
    assert max(kept) <= 1
