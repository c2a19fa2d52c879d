"""Reading a config: flags, keys set by the user, clear errors."""

import pytest
from mmengine.config import ConfigDict
from mmengine.config.lazy import LazyObject

from bag_of_transfer.engine.config.config_file import load_config
from bag_of_transfer.engine.config.tool_flags import config_flags, training_parser
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.home import at_home
from bag_of_transfer.engine.tasks import Phase

BASE = 'default_scope = "mmengine"\nmodel = dict(a=1, b=2)\nrandomness = dict(seed=7)\n'


def load(path, *flags):
    args = training_parser("d", "e").parse_args([str(path), *flags])
    return load_config(args.config, Phase.PRETRAINING, **config_flags(args))


@pytest.fixture
def leaf(tmp_path):
    (tmp_path / "base.py").write_text(BASE)
    path = tmp_path / "leaf.py"
    path.write_text('_base_ = "base.py"\nmodel = dict(b=3)\n')
    return path


def test_only_keys_of_the_leaf_and_of_the_flags_count_as_set(leaf):
    cfg, explicit = load(leaf, "--cfg-options", "model.a=9")
    assert cfg.model.a == 9
    assert {"model.b", "model.a"} <= explicit
    assert "randomness.seed" not in explicit
    assert "model.a" not in load(leaf)[1]


def test_seed_flag_beats_the_config_which_beats_zero(leaf):
    assert load(leaf)[0].randomness.seed == 7
    assert load(leaf, "--seed", "0")[0].randomness.seed == 0


@pytest.mark.parametrize("seed", ["-1", str(2**32)])
def test_a_seed_that_numpy_refuses_is_named(leaf, seed):
    with pytest.raises(
        UserError, match=rf"^{seed} is not a valid seed: --seed: use .* 0 to {2**32 - 1}$"
    ):
        load(leaf, "--seed", seed)
    leaf.write_text(f"{leaf.read_text()}randomness = dict(seed={seed})\n")
    with pytest.raises(UserError, match=f"^{seed} is not a valid seed: randomness.seed: "):
        load(leaf)
    assert load(leaf, "--seed", str(2**32 - 1))[0].randomness.seed == 2**32 - 1


def test_work_dir_is_named_after_the_config(leaf):
    assert load(leaf)[0].work_dir == "work_dirs/leaf"


def test_paths_in_the_home_folder_are_found_wherever_they_are_stated(leaf, monkeypatch):
    monkeypatch.setenv("HOME", "/home/bob")
    assert load(leaf, "--work-dir=~/runs")[0].work_dir == "/home/bob/runs"
    assert load(leaf, "--cfg-options", "work_dir=~/runs")[0].work_dir == "/home/bob/runs"
    text = (
        'work_dir = "~/runs"\nload_from = "~/a.pth"\nnote = "a ~/b"\n'
        'parts = [dict(data_root="~/blood", tail=("~/a", "~b"))]\n'
    )
    leaf.write_text(leaf.read_text() + text)
    cfg = load(leaf)[0]
    assert (cfg.work_dir, cfg.load_from) == ("/home/bob/runs", "/home/bob/a.pth")
    assert cfg.parts == [dict(data_root="/home/bob/blood", tail=("/home/bob/a", "~b"))]
    assert cfg.note == "a ~/b"
    args = training_parser("d", "e").parse_args([str(leaf), "--data-root=~/data"])
    assert str(args.data_root) == "/home/bob/data"


def test_classes_of_a_config_in_python_stay_lazy_beside_paths_in_the_home_folder():
    cfg = ConfigDict(act=LazyObject("torch.nn", "ReLU"), parts=[ConfigDict(a="~/b")])
    at_home(cfg)
    assert type(dict.__getitem__(cfg, "act")) is LazyObject
    assert not cfg.parts[0].a.startswith("~")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model = dict(", "not valid Python"),
        ('_base_ = "nowhere.py"\n', "base"),
        ('_base_ = "other.py"\n', r"cannot be read \(SyntaxError: .*c\.py: mend it or the base"),
        ("model = dict(a=1 / 0)\n", r"cannot be read \(ZeroDivisionError: division by zero\)"),
        ('default_scope = "mmdet"\n', "mmdet"),
    ],
)
def test_a_broken_config_is_the_users_error(tmp_path, text, said):
    path = tmp_path / "c.py"
    path.write_text(text)
    (tmp_path / "other.py").write_text("model = dict(\n")
    with pytest.raises(UserError, match=said):
        load(path)


def test_a_missing_config_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no such config.*x\.py"):
        load(tmp_path / "x.py")
