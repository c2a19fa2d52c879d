"""An image in val and in test is found, whatever it is called."""

from pathlib import Path

import pytest
from mmengine.registry import DATASETS, DefaultScope

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.plan.spec import Task
from bag_of_transfer.ladder.run.overlap import check_splits

CONFIG = """
default_scope = "mmdet"
val_dataloader = dict(dataset=dict(type="Listed", names={val}))
test_dataloader = dict(dataset=dict(type="Listed", names={test}))
"""


class Listed:
    def __init__(self, names):
        self.names = names

    def __len__(self):
        return len(self.names)

    def get_data_info(self, index):
        return dict(img_path=self.names[index])


@pytest.fixture
def task(tmp_path, monkeypatch):
    """Make a task whose splits hold images of the given contents."""

    def build(cfg):
        assert cfg.pop("type") == "Listed"
        return Listed(**cfg)

    monkeypatch.setattr(DATASETS, "build", build)

    def make(val, test, name="voc", **more):
        for split, contents in (("val", val), ("test", test)):
            for index, content in enumerate(contents):
                (tmp_path / f"{name}-{split}{index}.jpg").write_bytes(content)
        names = {
            split: [str(path) for path in sorted(tmp_path.glob(f"{name}-{split}*.jpg"))]
            for split in ("val", "test")
        }
        config = tmp_path / f"{name}.py"
        config.write_text(CONFIG.format(**names))
        return Task(name, "det", config, ("mAP_voc07",), **more)

    return make


def test_the_same_picture_under_another_name_is_found(task, tmp_path):
    with pytest.raises(UserError) as error:
        check_splits([task([b"a", b"b", b"c"], [b"d", b"c", b"b"])])
    assert error.value.what.startswith("2 images are in val and in test")
    assert any(f"voc-val{index}.jpg" in error.value.what for index in (1, 2))
    assert error.value.where == f"tasks.voc ({tmp_path}/voc.py)"
    assert "published_split=True" in error.value.mend
    assert error.value.exit_code == 2


def test_pictures_of_equal_size_are_no_match(task):
    assert check_splits([task([b"a", b"b"], [b"c", b"d"])]) is None


def test_every_task_is_looked_at(task):
    good, bad = task([b"a"], [b"b"]), task([b"a"], [b"a"], name="seg")
    with pytest.raises(UserError, match=r"tasks\.seg"):
        check_splits([good, bad])


def test_a_published_split_may_share(task):
    check_splits([task([b"a"], [b"a"], published_split=True)])


def test_a_task_without_val_has_nothing_to_share(task):
    check_splits([task([b"a"], [b"a"], cfg_options=("val_dataloader=None",))])
    made = task([b"a"], [b"a"])
    made.config.write_text(made.config.read_text() + "val_dataloader = None\n")
    check_splits([made])


def test_overrides_count(task, tmp_path):
    made = task([b"a"], [b"b"])
    shared = f"val_dataloader.dataset.names=[{Path(tmp_path, 'voc-test0.jpg')}]"
    overridden = Task(made.name, made.kind, made.config, made.metrics, cfg_options=(shared,))
    check_splits([made])
    with pytest.raises(UserError):
        check_splits([overridden])


def test_the_scope_of_the_libraries_stays(task):
    with DefaultScope.overwrite_default_scope("mmseg"):
        check_splits([task([b"a"], [b"b"])])
        assert DefaultScope.get_current_instance().scope_name == "mmseg"
