"""Cells that run at once: how many, on which cores, and what the screen shows of them."""

import os

import pytest

from bag_of_transfer.ladder.run import screen, share
from bag_of_transfer.ladder.run.screen import CellOnScreen
from bag_of_transfer.ladder.run.share import (
    cells_at_once,
    cores_of_place,
    memory_limit,
    visible_gpus,
)

GB = 2**30


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Pretend a machine of so many cores, bytes of memory and GPUs; a limit is a container's."""

    def pretend(cores, memory, gpus=0, limit="max", version=2):
        monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
        monkeypatch.setattr(share, "available_cores", lambda: cores)
        sizes = {"SC_PHYS_PAGES": memory // 4096, "SC_PAGE_SIZE": 4096}
        monkeypatch.setattr(os, "sysconf", sizes.__getitem__)
        limits = (tmp_path / "memory.max", tmp_path / "version_1_has_another_file")
        monkeypatch.setattr(share, "CGROUP_LIMITS", limits[:: 1 if version == 2 else -1])
        (tmp_path / "memory.max").write_text(f"{limit}\n")

    return pretend


@pytest.mark.parametrize(
    ("cores", "memory", "num_cells", "expected"),
    [(2, 24 * GB, 9, 2), (16, 7 * GB, 9, 3), (64, 512 * GB, 9, 9), (1, 1 * GB, 9, 1)],
)
def test_without_a_gpu_each_core_runs_a_cell_if_the_memory_suffices(
    machine, cores, memory, num_cells, expected
):
    machine(cores, memory)
    assert cells_at_once(num_cells) == expected


def test_with_a_gpu_one_cell_runs_at_a_time(machine):
    machine(16, 128 * GB, gpus=2)
    assert cells_at_once(9) == 1


@pytest.mark.parametrize("version", [1, 2])
def test_a_container_may_have_less_memory_than_its_machine(machine, version):
    machine(16, 128 * GB, limit=5 * GB, version=version)
    assert memory_limit() == 5 * GB
    assert cells_at_once(9) == 2


def test_where_no_process_can_be_bound_to_cores_one_cell_runs_on_all(machine, monkeypatch):
    machine(4, 128 * GB)
    for name in ("sched_getaffinity", "sched_setaffinity"):
        monkeypatch.delattr(os, name)
    assert cells_at_once(9) == 1
    assert list(cores_of_place(0, 1)) == [0, 1, 2, 3]


def test_places_share_out_the_cores(machine, monkeypatch):
    machine(5, GB)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {7, 1, 3, 5, 9})
    assert [cores_of_place(place, 2) for place in range(2)] == [[1, 3], [5, 7, 9]]
    assert cores_of_place(0, 9) == [1, 3, 5, 7, 9]  # more places than cores: they share all


def test_places_share_out_no_more_cores_than_a_container_has_time_for(machine, monkeypatch):
    machine(4, GB)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)))
    assert [cores_of_place(place, 2) for place in range(2)] == [[0, 1], [8, 9]]
    assert len(cores_of_place(0, 1)) == 16  # one cell moves as it likes; its threads are four


def test_the_screen_shows_the_newest_progress_line_of_a_cell(tmp_path, capsys):
    log = tmp_path / "log.txt"
    log.write_text("epoch 1/3 | 97/97 | of an earlier call\n")
    cell = CellOnScreen("seed0/b/pretraining", log)
    cell.update()
    assert capsys.readouterr().out == ""
    with log.open("a") as file:
        file.write("a warning\nepoch 2/3 | 10/97 | loss 3\nepoch 2/3 | 60/97 | loss 2\nepoch 3/")
    cell.update()
    assert capsys.readouterr().out == "seed0/b/pretraining: epoch 2/3 | 60/97 | loss 2\n"
    with log.open("a") as file:
        file.write("3 | 5/97\n")
    cell.update()
    assert capsys.readouterr().out == "seed0/b/pretraining: epoch 3/3 | 5/97\n"
    log.write_text("val | 1/4 | begun anew\n")
    cell.update()
    assert capsys.readouterr().out == "seed0/b/pretraining: val | 1/4 | begun anew\n"


def test_on_a_terminal_a_cell_has_one_bar_that_goes_with_it(tmp_path, monkeypatch):
    shown = []

    class Bar:
        def __init__(self, name, total):
            self.name = name
            shown.append([name, total])

        def advance_to(self, done):
            shown[-1].append(done)

        def show(self, note):
            shown[-1].append(note)

        def close(self):
            shown[-1].append("closed")

    monkeypatch.setattr(screen, "Step", Bar)
    log = tmp_path / "log.txt"
    cell = CellOnScreen("k", log)
    for text in ("epoch 1/2 | 1/9 | a\n", "epoch 1/2 | 4/9\n", "val | 1/2 | b\n"):
        with log.open("a") as file:
            file.write(text)
        cell.update()
    cell.close()
    cell.close()
    assert shown == [
        ["k: epoch 1/2", 9, 1, "a", 4, "", "closed"],
        ["k: val", 2, 1, "b", "closed"],
    ]


@pytest.mark.parametrize(
    ("visible", "count", "expected"),
    [
        (None, 2, ["0", "1"]),
        ("3,1", 2, ["3", "1"]),
        ("3,1,-1,0", 2, ["3", "1"]),  # CUDA stops at a name that it does not know
        ("GPU-a, GPU-b", 2, ["GPU-a", "GPU-b"]),
        ("MIG-a,MIG-b,MIG-c", 1, ["MIG-a", "MIG-b", "MIG-c"]),  # a process sees one slice
        ("MIG-a,MIG-b", 0, []),  # there is no driver
    ],
)
def test_jobs_get_the_gpus_and_slices_that_are_listed(
    machine, monkeypatch, visible, count, expected
):
    machine(16, 128 * GB, gpus=count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert visible_gpus() == expected
