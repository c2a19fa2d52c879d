"""``--data-root`` moves the data of a config, or is refused."""

from pathlib import Path

import pytest

import bag_of_transfer.detection  # noqa: F401  completes the task
from bag_of_transfer.engine.config.config_file import load_config
from bag_of_transfer.engine.config.json_config import dump_config
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.tasks import Phase
from bag_of_transfer.ladder.plan.data_root import check_data_root
from bag_of_transfer.ladder.plan.spec import read_ladder

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
OURS = CONFIGS / "detection/faster-rcnn_fpn_r18-slim_own-voc.py"
REFUSED = "^--data-root has no effect, .*data_root=DIR"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATA_ROOT", "elsewhere")  # which is set back afterwards
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Return a config as ``new_config.py`` writes it."""
    path = tmp_path / "blood.py"
    path.write_text(f"_base_ = {str(OURS)!r}\ndata_root = '/data/blood'\n")
    return path


def load(path: Path, folder: str | None, *options: str):
    root = folder and Path(folder)
    return load_config(path, Phase.FINE_TUNING, options=options, data_root=root)[0]


@pytest.mark.parametrize("folder", ["/nowhere", "data", ".", "~/data"])
def test_it_moves_the_data_of_our_configs(folder: str) -> None:
    stated = load(OURS, folder).train_dataloader.dataset.data_root
    assert Path(stated) == Path(folder).expanduser() / "own-voc"


def test_it_is_refused_where_the_data_do_not_follow_it(own: Path) -> None:
    with pytest.raises(UserError, match=REFUSED):
        load(own, "/nowhere")
    with pytest.raises(UserError, match=REFUSED):
        load(OURS, "/nowhere", "data_root=/data/blood")
    dump_config(load(OURS, None), set(), Path("F.json"))
    with pytest.raises(UserError, match=REFUSED):
        load(Path("F.json"), "/other")


def test_the_environment_alone_is_not_refused(own: Path) -> None:
    assert load(own, None).train_dataloader.dataset.data_root == "/data/blood/"


def test_a_config_may_use_it_in_its_own_words(own: Path) -> None:
    own.write_text(own.read_text().replace("/data/blood", "{{$DATA_ROOT:data}}/blood"))
    assert load(own, "/images").train_dataloader.dataset.data_root == "/images/blood/"


def test_of_a_ladder_one_config_has_to_use_it(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_ROOT", "/images")
    path = tmp_path / "ladder.py"
    text = f"seeds = [0]\nrungs = dict(scratch=None)\ntasks = dict(detection={str(own)!r})\n"
    path.write_text(text)
    with pytest.raises(UserError, match=REFUSED):
        check_data_root(read_ladder(path), path, Path("/images"))
    check_data_root(read_ladder(path), path, None)
    path.write_text(text.replace("tasks = dict(", f"tasks = dict(ours={str(OURS)!r}, "))
    check_data_root(read_ladder(path), path, Path("/images"))
