"""The most memory of a run: of the largest process, on the device that computes."""

import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.hooks import LoggerHook

from bag_of_transfer.engine.loop import peak_memory
from bag_of_transfer.engine.loop.log_hooks import LogWriter

MIB = 2**20


def _peaks_around(mib: int, pipe: Any) -> None:
    before = peak_memory.peak_memory()["mib"]
    np.ones(mib * MIB, np.uint8)  # freed at once: a peak stays
    pipe.send((before, peak_memory.peak_memory()["mib"]))


@pytest.mark.parametrize("status", [peak_memory.STATUS, Path("missing")])
def test_what_was_freed_again_counts(status: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peak_memory, "STATUS", status)
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_peaks_around, args=(256, there))
    child.start()
    before, after = here.recv()
    child.join()
    assert before > 64
    assert 200 < after - before < 400  # a forked process reads its libraries' pages anew, too


def test_the_process_that_needs_most_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    def other_process(value: torch.Tensor, op: str) -> None:
        assert op == "max"
        value.fill_(5000.0 * MIB)

    monkeypatch.setattr(peak_memory, "all_reduce", other_process)
    assert peak_memory.peak_memory() == {"mib": 5000.0, "kind": "resident"}


def test_on_a_gpu_the_tensors_of_the_training_count(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 3 * MIB // 2)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: told.append("forgotten"))
    peak_memory.forget_peak()
    peak = peak_memory.peak_memory()
    assert told == ["forgotten"]
    assert peak == {"mib": 1.5, "kind": "gpu"}
    assert peak_memory.in_words(peak) == "peak memory: 1.57 MB allocated by tensors on the GPU"


def test_the_log_begins_a_gpus_peak_anew_and_the_runs_own_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = iter([600 * MIB, 100 * MIB])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: next(seen))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)
    monkeypatch.setattr(LoggerHook, "after_test_iter", lambda *_: None)
    peak_memory.forget_peak()
    LogWriter().after_test_iter(None, 0)
    assert peak_memory.peak_memory()["mib"] == 600.0
