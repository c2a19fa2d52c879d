"""The curve's rate and loss where several processes train."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from engine import records


@pytest.mark.parametrize("world_size", [1, 4])
def test_images_of_all_processes_are_counted(
    world_size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 100, 2))  # a call every two seconds
    monkeypatch.setattr(records.time, "perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr(records, "get_world_size", lambda: world_size)
    loop = SimpleNamespace(run_epoch=None)
    group = {"lr": 0.1}
    runner = SimpleNamespace(
        iter=3,
        epoch=0,
        work_dir=str(tmp_path),
        train_loop=loop,
        train_dataloader=[None] * 3,
        optim_wrapper=SimpleNamespace(optimizer=SimpleNamespace(param_groups=[group])),
    )
    recorder = records.RunRecorder()
    recorder.before_train_epoch(runner)
    for index in range(3):
        recorder.before_train_iter(runner, index)
        batch = {"inputs": torch.zeros(5, 1)}
        recorder.after_train_iter(runner, index, batch, {"loss": torch.tensor(index + 0.5)})
    recorder.after_train_epoch(runner)
    (line,) = recorder._lines
    # Two batches of 5 behind the first one, in the 2 s between its end and the line.
    assert line["img_per_s"] == world_size * 10 / 2
    assert line["loss"] == 1.5
