"""Whoever states a hook of checkpoints, or TensorBoard, gets it or is told."""

import pytest
from mmengine.config import Config
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.run.outputs import save_safely, write_events
from bag_of_transfer.engine.weights.checkpoint_hook import SafeCheckpointHook


def saving(**stated: object) -> Config:
    cfg = Config(dict(default_scope="mmengine", default_hooks=dict(checkpoint=stated)))
    save_safely(cfg)
    return cfg.default_hooks.checkpoint


@pytest.mark.parametrize(
    "kind", [{}, {"type": "CheckpointHook"}, {"type": "mmengine.CheckpointHook"}]
)
def test_ours_takes_the_place_of_mmengines(kind: dict) -> None:
    expected = {"type": "SafeCheckpointHook", "interval": 3, "save_best": "auto"}
    assert saving(interval=3, **kind) == expected


def test_a_hook_of_the_users_is_kept_if_it_is_one_of_ours_and_else_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Derived(SafeCheckpointHook):
        pass

    class Other(CheckpointHook):
        pass

    for kind in (Derived, Other):
        monkeypatch.setitem(HOOKS.module_dict, kind.__name__, kind)
    assert saving(type="Derived")["type"] == "Derived"
    for kind in ("Other", "Misspelt"):
        with pytest.raises(UserError, match=rf"^{kind} would not .*checkpoint\.type: derive it"):
            saving(type=kind)


def test_no_checkpoints_are_saved_where_the_hook_is_left_out() -> None:
    cfg = Config(dict(default_hooks=dict(checkpoint=None)))
    save_safely(cfg)
    assert cfg.default_hooks.checkpoint is None


@pytest.mark.parametrize(
    ("stated", "written"),
    [
        ({}, ["LocalVisBackend", "TensorboardVisBackend"]),
        (
            dict(vis_backends=[dict(type="TensorboardVisBackend", save_dir="x")]),
            ["TensorboardVisBackend"],
        ),
        (
            dict(vis_backends=[dict(type="WandbVisBackend")]),
            ["WandbVisBackend", "TensorboardVisBackend"],
        ),
    ],
)
def test_events_are_written_once(stated: dict, written: list[str]) -> None:
    cfg = Config(dict(visualizer=dict(type="Visualizer", **stated)))
    write_events(cfg)
    assert [backend.type for backend in cfg.visualizer.vis_backends] == written
