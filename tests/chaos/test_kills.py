"""A run that is killed inside its saves ends as if it was not; `make chaos` kills 200 times."""

import signal

import pytest

from tests.chaos.runs import Run, World, faults_of, unchecked


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch):
    # No test pulls the plug: waiting for the disk takes 0.1 s a run.
    monkeypatch.setattr("os.fsync", lambda handle: None)


def test_a_run_killed_in_its_saves_again_and_again_ends_as_if_it_was_not(tmp_path):
    world = World(tmp_path)
    undisturbed = world.undisturbed("seg", "iterations")
    run = Run(world, "killed", "seg", "iterations")
    # Its config is half written; so is a checkpoint; one has no manifest; last_checkpoint is old.
    for operation in (4, 12, 19, 24):
        assert run.start(dies_at=operation).end(100) == -signal.SIGKILL
        assert world.board.lost <= run.interval
    assert run.start().end(100) == 0
    assert faults_of(run.work_dir, undisturbed.left) == []
    assert unchecked(run.work_dir) == 0
