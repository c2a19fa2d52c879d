"""Each process computes on a GPU of its own, however it was started, or all say why not."""

import os

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.process_group import LAUNCHERS, LOCAL_RANKS, is_first_here
from bag_of_transfer.engine.run import launch
from bag_of_transfer.engine.run.launchers import LOCAL_SIZES

MASTER = ("MASTER_ADDR", "MASTER_PORT")


@pytest.fixture
def start(monkeypatch):
    """Join the group as a process that a launcher has started; return what mmengine sees then."""
    for name in (*LAUNCHERS.values(), *LOCAL_RANKS.values(), *LOCAL_SIZES.values(), *MASTER):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    def start(launcher, gpus, **environment):
        seen = {}
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(launch, "init_dist", lambda *_, **__: seen.update(os.environ))
        monkeypatch.setenv(LAUNCHERS[launcher], "3")
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        launch.init_processes(Config(dict(launcher=launcher)))
        return seen

    return start


@pytest.mark.parametrize("visible", [None, "3"])
@pytest.mark.parametrize(
    ("launcher", "gpus", "place", "gpu"),
    [
        *(("pytorch", 8, "3", "3"), ("slurm", 8, "3", "3"), ("mpi", 8, "3", "3")),
        *(("slurm", 1, "3", "0"), ("mpi", 1, "3", "0")),  # it sees its own GPU only
    ],
)
def test_a_process_takes_the_gpu_of_its_number_or_the_only_one_that_it_sees(
    start, monkeypatch, launcher, gpus, place, gpu, visible
):
    if visible and gpus == 1:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    seen = start(launcher, gpus, **{LOCAL_RANKS[launcher]: place})
    assert seen[LOCAL_RANKS[launcher]] == gpu
    # Which of the processes on its machine it is, it knows afterwards.
    assert os.environ[LOCAL_RANKS[launcher]] == place
    assert not is_first_here()
    assert os.environ["LOCAL_RANK"] == gpu
    assert MMLogger.get_instance(f"{launcher} {gpus} {visible}")  # which looks up the GPU


@pytest.mark.parametrize("place", ["0", "5"])  # the first one on a machine is the one that tells
@pytest.mark.parametrize(
    ("launcher", "told", "machine"),
    [
        *(("pytorch", "6", "0"), ("mpi", "6", "0")),
        *(("slurm", "6(x2)", "1"), ("slurm", "4,6", "1"), ("slurm", "6", "0")),
    ],
)
def test_more_processes_than_gpus_are_the_users_mistake_in_each_of_them(
    start, launcher, told, machine, place
):
    sizes = {LOCAL_SIZES[launcher]: told, "SLURM_NODEID": machine}
    with pytest.raises(UserError, match=f"6 processes on this machine, and 4 .*er {launcher}: st"):
        start(launcher, 4, **sizes, **{LOCAL_RANKS[launcher]: place})


def test_a_machine_with_fewer_tasks_than_another_has_gpus_enough(start):
    there = dict(SLURM_STEP_TASKS_PER_NODE="6(x2),4", SLURM_NODEID="2", SLURM_LOCALID="3")
    assert start("slurm", 4, **there)["SLURM_LOCALID"] == "3"


def test_processes_of_mpirun_on_one_machine_need_no_address(start):
    sizes = dict(OMPI_COMM_WORLD_SIZE="4", OMPI_COMM_WORLD_LOCAL_SIZE="4")
    assert start("mpi", 4, **sizes)["MASTER_ADDR"] == "127.0.0.1"


def test_processes_of_mpirun_on_several_machines_have_to_be_told_the_first_one(start):
    sizes = dict(OMPI_COMM_WORLD_SIZE="8", OMPI_COMM_WORLD_LOCAL_SIZE="4")
    with pytest.raises(UserError, match=r"MASTER_ADDR is not set.*mpirun -x MASTER_ADDR"):
        start("mpi", 4, **sizes)
    assert start("mpi", 4, **sizes, MASTER_ADDR="node0")["MASTER_ADDR"] == "node0"


def test_jobs_and_steps_of_slurm_on_one_machine_meet_at_ports_of_their_own(start):
    ids = [dict(SLURM_JOB_ID=str(job), SLURM_STEP_ID=str(s)) for job in (7, 8) for s in range(3)]
    ports = []
    for here in ids:
        ports.append(int(start("slurm", 4, **here)["MASTER_PORT"]))
        os.environ.pop("MASTER_PORT")
    assert len(set(ports)) == len(ids)
    assert all(1024 < port < 32768 for port in ports)
    assert start("slurm", 4, **ids[0], MASTER_PORT="29511")["MASTER_PORT"] == "29511"
