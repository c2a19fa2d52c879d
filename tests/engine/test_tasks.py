"""One table of tasks: who reads it finds the same tasks, and an unknown one is an error."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

import bag_of_transfer.detection
import bag_of_transfer.segmentation  # noqa: F401  they complete their records
from bag_of_transfer.engine import tasks
from bag_of_transfer.engine.config import config_file
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.run.pictures import PAINTERS
from bag_of_transfer.prediction.results import RESULTS


def test_names_are_those_of_the_records() -> None:
    assert [task.name for task in tasks.all_tasks()] == ["cls", "det", "seg"]


@pytest.mark.parametrize(
    ("cfg", "name"),
    [
        ({}, "cls"),
        ({"default_scope": "mmengine"}, "cls"),
        ({"default_scope": "mmdet"}, "det"),
        ({"default_scope": "mmseg"}, "seg"),
    ],
)
def test_a_config_belongs_to_the_task_of_its_scope(cfg: dict[str, str], name: str) -> None:
    assert tasks.find_task(cfg) is tasks.task_named(name)


def test_a_config_says_which_task_of_its_library_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    instances = replace(tasks.task_named("det"), name="ins")
    monkeypatch.setitem(tasks._table, "ins", instances)
    assert tasks.find_task({"default_scope": "mmdet", "task": "ins"}) is instances
    for task in ({}, {"task": "det"}, {"task": "seg"}):
        assert tasks.find_task({"default_scope": "mmdet", **task}) is tasks.task_named("det")


def test_an_unknown_task_is_an_error_and_not_one_of_the_known() -> None:
    assert tasks.find_task({"default_scope": "mmpose"}) is None
    with pytest.raises(UserError, match="no task is called 'pose': task: the tasks are cls, det"):
        tasks.task_named("pose")
    with pytest.raises(UserError, match="no task is called 'pose'"):
        tasks.complete("pose", judges={})


def test_a_package_completes_its_record_when_it_is_imported() -> None:
    for task in tasks.tasks_in(tasks.Phase.FINE_TUNING):
        assert task.judges
        assert task.checks
        assert task.preprocessor


def test_all_that_networks_give_can_be_predicted_and_drawn() -> None:
    assert set(RESULTS) == set(get_args(tasks.ResultKind))
    assert {task.result for task in tasks.tasks_in(tasks.Phase.FINE_TUNING)} <= set(PAINTERS)


def test_a_record_is_all_that_the_tools_need_to_take_configs_of_a_new_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "pose.py"
    config.write_text("default_scope = 'mmpose'\nmodel = dict(type='Pose')\n")
    with pytest.raises(UserError, match="default_scope is 'mmpose', this tool takes 'mmdet' or"):
        config_file.load_config(config, tasks.Phase.FINE_TUNING)
    record = tasks.Task("pose", "mmpose", "pose estimation", tasks.Phase.FINE_TUNING, "boxes")
    monkeypatch.setitem(tasks._table, "pose", record)
    monkeypatch.setattr(config_file, "init_default_scope", lambda scope: None)
    with pytest.raises(UserError, match="detection and segmentation configs go to"):
        config_file.load_config(config, tasks.Phase.PRETRAINING)
    assert config_file.load_config(config, tasks.Phase.FINE_TUNING)[0].task == "pose"
