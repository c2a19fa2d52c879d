"""A resumed run computes with as many threads as before, however many cores are free now."""

from types import SimpleNamespace

import pytest
import torch

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.weights.exact_state import ExactState, collect


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    before = torch.get_num_threads()
    yield SimpleNamespace(_resume=True, _load_from="iter_1.pth", hooks=[ExactState()])
    torch.set_num_threads(before)


def test_threads_are_those_of_the_first_start(run):
    torch.set_num_threads(2)
    checkpoint = {"processes": collect(run)}
    torch.set_num_threads(1)
    run.hooks[0].after_load_checkpoint(run, checkpoint)
    assert torch.get_num_threads() == 2


def test_a_file_from_before_they_were_stored_changes_none(run):
    checkpoint = {"processes": collect(run)}
    del checkpoint["processes"][0]["ExactState"]["threads"]
    torch.set_num_threads(2)
    run.hooks[0].after_load_checkpoint(run, checkpoint)
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("threads", [0, -1, 10**6, "2", True, 1.5])
def test_a_number_that_cannot_be_is_refused(run, threads):
    checkpoint = {"processes": collect(run)}
    checkpoint["processes"][0]["ExactState"]["threads"] = threads
    with pytest.raises(UserError, match="the state of the run is damaged"):
        run.hooks[0].after_load_checkpoint(run, checkpoint)


def test_a_run_that_mmengine_resumes_by_itself_names_its_folder(run):
    checkpoint = {"processes": collect(run)}
    checkpoint["processes"][0]["ExactState"]["threads"] = 0
    run._load_from, run.work_dir = None, "work_dirs/mine"
    with pytest.raises(UserError, match=r"damaged .*: work_dirs/mine: resume from another"):
        run.hooks[0].after_load_checkpoint(run, checkpoint)
