"""Downloads from a local server: complete, resumed, and with clear errors."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bag_of_transfer.archives import download as module
from bag_of_transfer.archives.catalogue import DATA_SETS
from bag_of_transfer.archives.download import bytes_missing, download
from bag_of_transfer.archives.prepare import prepare
from bag_of_transfer.archives.records import DataSet
from bag_of_transfer.engine.errors import UserError
from tests.archives.file_server import Behaviour, serve
from tests.archives.small_archives import write_archives

NAME = "ADEChallengeData2016.zip"


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITS_S", (0.0, 0.0))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Behaviour]:
    with serve(tmp_path / "remote") as behaviour:
        yield behaviour


@pytest.fixture
def offered(server: Behaviour) -> DataSet:
    """Put ADE20K on the server: one archive, with its size and hash known."""
    return moved(write_archives("ade20k", server.folder), server)


def moved(data_set: DataSet, server: Behaviour) -> DataSet:
    urls = [replace(a, url=f"{server.address}/{a.name}") for a in data_set.archives]
    return replace(data_set, archives=tuple(urls))


def remote(server: Behaviour) -> bytes:
    return (server.folder / NAME).read_bytes()


def test_downloads_unpacks_and_keeps_the_archives(
    server: Behaviour, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    data_set = moved(write_archives("voc", server.folder), server)
    target = tmp_path / "data/voc"
    prepare(data_set, target, None, tmp_path / "data/downloads")
    assert len(list((target / "VOCdevkit/VOC2007/JPEGImages").iterdir())) == 5
    names = {archive.name for archive in data_set.archives}
    assert {path.name for path in (tmp_path / "data/downloads").iterdir()} == names
    assert len(server.asked) == 3
    assert "downloading VOCtest_06-Nov-2007.tar" in capsys.readouterr().out
    prepare(data_set, target, None, tmp_path / "data/downloads")
    assert len(server.asked) == 3


def test_goes_on_from_what_an_earlier_run_left(
    offered: DataSet, server: Behaviour, tmp_path: Path
) -> None:
    data = remote(server)
    (tmp_path / f"{NAME}.part").write_bytes(data[:300])
    assert bytes_missing(offered, tmp_path) == len(data) - 300
    (path,) = download(offered, tmp_path).values()
    assert server.asked == [(f"/{NAME}", "bytes=300-")]
    assert server.sent == len(data) - 300
    assert path.read_bytes() == data
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == [NAME]
    assert bytes_missing(offered, tmp_path) == 0
    download(offered, tmp_path)
    assert len(server.asked) == 1


def test_goes_on_when_the_connection_breaks(
    offered: DataSet, server: Behaviour, tmp_path: Path
) -> None:
    server.cut_after = [100] * 5  # more often than there are waits: each try brings something
    (path,) = download(offered, tmp_path).values()
    assert [wanted for _, wanted in server.asked] == [
        None,
        *(f"bytes={n}-" for n in (100, 200, 300, 400, 500)),
    ]
    assert path.read_bytes() == remote(server)
    assert server.sent == len(remote(server))


def test_a_cut_is_seen_by_the_known_size_where_the_server_tells_none(
    offered: DataSet, server: Behaviour, tmp_path: Path
) -> None:
    server.tells_lengths = False
    server.cut_after = [100]
    (path,) = download(offered, tmp_path).values()
    assert path.read_bytes() == remote(server)
    assert len(server.asked) == 2


def test_gives_up_when_tries_bring_nothing(
    offered: DataSet, server: Behaviour, tmp_path: Path
) -> None:
    server.cut_after = [100, *[0] * 9]
    with pytest.raises(UserError, match=r"ended at byte 100 of .*run again to go on") as told:
        download(offered, tmp_path)
    assert len(server.asked) == 3  # two waits between three tries
    assert (tmp_path / f"{NAME}.part").read_bytes() == remote(server)[:100]
    assert not (tmp_path / NAME).exists()
    assert server.address in str(told.value)


def test_a_server_without_ranges_starts_anew(
    offered: DataSet, server: Behaviour, tmp_path: Path
) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(b"x" * (len(remote(server)) - 1))
    server.knows_ranges = False
    (path,) = download(offered, tmp_path).values()
    assert path.read_bytes() == remote(server)


def test_a_server_without_ranges_that_breaks_is_given_up(
    offered: DataSet, server: Behaviour, tmp_path: Path
) -> None:
    server.knows_ranges = False
    server.cut_after = [100, 50] * 10
    with pytest.raises(UserError, match="cannot be downloaded"):
        download(offered, tmp_path)
    assert len(server.asked) == 3


def test_killed_before_the_last_name(offered: DataSet, server: Behaviour, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(remote(server))
    (path,) = download(offered, tmp_path).values()
    assert path.read_bytes() == remote(server)
    assert not server.asked


@pytest.mark.parametrize(
    ("size_known", "knows_ranges", "num_asked"),
    [(True, True, 1), (False, True, 2), (False, False, 1)],  # 2: it answers 416 first
)
def test_a_part_that_is_too_long_is_thrown_away(
    offered: DataSet,
    server: Behaviour,
    tmp_path: Path,
    size_known: bool,
    knows_ranges: bool,
    num_asked: int,
) -> None:
    server.knows_ranges = knows_ranges
    if not size_known:
        offered = replace(offered, archives=(replace(offered.archives[0], size=None),))
    (tmp_path / f"{NAME}.part").write_bytes(remote(server) + b"more")
    (path,) = download(offered, tmp_path).values()
    assert path.read_bytes() == remote(server)
    assert len(server.asked) == num_asked


def test_a_busy_server_is_asked_again_but_a_missing_file_is_not(
    offered: DataSet, server: Behaviour, tmp_path: Path
) -> None:
    server.statuses = [503, 502]
    download(offered, tmp_path / "a")
    assert len(server.asked) == 3
    server.statuses = [404] * 3
    with pytest.raises(UserError, match=r"cannot be downloaded \(HTTP 404.*--archives DIR"):
        download(offered, tmp_path / "b")
    assert len(server.asked) == 4


def test_another_file_at_the_address_is_not_fetched(
    offered: DataSet, server: Behaviour, tmp_path: Path
) -> None:
    size = len(remote(server))
    (server.folder / NAME).write_bytes(remote(server) + b"x")
    with pytest.raises(UserError, match=f"offers a file of {size + 1:,} bytes instead of {size:,}"):
        download(offered, tmp_path)
    assert not (tmp_path / f"{NAME}.part").exists()


def test_no_network(offered: DataSet, server: Behaviour, tmp_path: Path) -> None:
    nowhere = replace(offered.archives[0], url="http://127.0.0.1:9/x.zip")  # discard: closed
    with pytest.raises(UserError, match=r"cannot be downloaded \(.*refused.*fetch it by hand"):
        download(replace(offered, archives=(nowhere,)), tmp_path)


def test_a_damaged_download_is_told_and_nothing_is_half_done(
    offered: DataSet, server: Behaviour, tmp_path: Path
) -> None:
    data = bytearray(remote(server))
    data[len(data) // 2] ^= 1
    (server.folder / NAME).write_bytes(data)
    with pytest.raises(UserError, match=r"checksum|damaged"):
        prepare(offered, tmp_path / "data/ade20k", None, tmp_path / "data/downloads")
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"downloads"}


def test_imagenet_names_its_files_and_the_login(tmp_path: Path) -> None:
    target = tmp_path / "data/imagenet"
    with pytest.raises(UserError) as told:
        prepare(DATA_SETS["imagenet"], target, None, tmp_path / "downloads")
    for part in (
        *("ILSVRC2012_devkit_t12.tar.gz", "ILSVRC2012_img_val.tar", "ILSVRC2012_img_train.tar"),
        *("image-net.org", "log-in", "--archives DIR"),
    ):
        assert part in str(told.value)
    assert not (tmp_path / "downloads").exists()
    assert not list(target.parent.iterdir())
