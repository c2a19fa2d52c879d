"""Threads, processes, seeds."""

import os
import random
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.loop.averages import MovingAverageHook
from bag_of_transfer.engine.process_group import LAUNCHERS
from bag_of_transfer.engine.run import launch, runner


@pytest.fixture
def keep_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("cores", "workers", "threads", "workers_left"),
    [(2, 8, 1, 1), (2, 0, 2, 0), (1, 4, 1, 0), (16, 8, 8, 8)],
)
@pytest.mark.parametrize("stated", [{}, {"persistent_workers": False}])
def test_threads_and_workers_share_the_cores(
    monkeypatch, keep_threads, cores, workers, threads, workers_left, stated
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)), raising=False)
    monkeypatch.setattr("bag_of_transfer.engine.cores.CGROUP_TIMES", ())
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cfg = Config(dict(train_dataloader=dict(num_workers=workers, **stated)))
    launch.share_cores(cfg)
    assert torch.get_num_threads() == threads
    assert cfg.train_dataloader.num_workers == workers_left
    assert threads + workers_left <= max(cores, 1)
    kept = stated.get("persistent_workers", True) if workers_left else None
    # torch refuses persistent workers where there are none
    assert cfg.train_dataloader.get("persistent_workers") is kept


@pytest.mark.parametrize("on_gpu", [True, False])
def test_on_a_gpu_batches_and_their_samples_are_pinned(monkeypatch, keep_threads, on_gpu):
    asked = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: on_gpu)
    monkeypatch.setattr(launch, "pin_data_samples", lambda: asked.append(True))
    cfg = Config(dict(train_dataloader=dict(num_workers=0)))
    launch.share_cores(cfg)
    assert cfg.train_dataloader.get("pin_memory", False) == bool(asked) == on_gpu


@pytest.mark.parametrize(
    ("sees", "visible", "driver", "words"),
    [
        (True, None, True, "1 x Ours$"),
        (False, None, False, "core.*[^:]$"),
        (False, None, True, r"core.*, as torch \S+ cannot use the NVIDIA GPU .*: docs/inst"),
        (False, "0", True, r"core.*, as torch \S+ cannot use the NVIDIA GPU .*: docs/inst"),
        (False, "", True, "core.*[^:]$"),  # hidden on purpose
    ],
)
def test_what_computes_is_told_and_a_gpu_that_torch_cannot_use(
    monkeypatch, tmp_path, sees, visible, driver, words
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: sees)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Ours")
    monkeypatch.setattr(launch, "DRIVER", tmp_path if driver else tmp_path / "none")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    line = launch.device_line()
    assert re.match(f"computes on .*{words}", line), line
    assert ("cannot use" in line) == ("cannot" in words)


def test_omp_num_threads_is_respected(monkeypatch, keep_threads):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr("bag_of_transfer.engine.cores.CGROUP_TIMES", ())
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    launch.share_cores(Config(dict(train_dataloader=dict(num_workers=2))))
    assert torch.get_num_threads() == 3


@pytest.mark.skipif(torch.cuda.is_available(), reason="SyncBN stays where there is a GPU")
def test_sync_bn_becomes_bn_everywhere_and_says_so():
    cfg = Config(
        dict(
            model=dict(
                backbone=dict(norm_cfg=dict(type="SyncBN")), heads=[dict(n=dict(type="SyncBN"))]
            )
        )
    )
    assert "2 places" in launch.replace_sync_bn(cfg)
    assert cfg.model.backbone.norm_cfg.type == "BN"
    assert cfg.model.heads[0].n.type == "BN"
    assert launch.replace_sync_bn(cfg) is None


def test_on_a_gpu_only_mmcvs_sync_bn_which_is_not_compiled_becomes_torchs(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    kinds = ["MMSyncBN", "SyncBN", "BN"]
    cfg = Config(dict(model=dict(heads=[dict(norm_cfg=dict(type=kind)) for kind in kinds])))
    assert launch.replace_sync_bn(cfg).startswith("MMSyncBN became SyncBN in 1 place")
    assert [head.norm_cfg.type for head in cfg.model.heads] == ["SyncBN", "SyncBN", "BN"]


class FakeRunner:
    def __init__(self, seed, epoch):
        self.seed, self.epoch = seed, epoch


def draw(seed, epoch):
    launch.EpochSeed().before_train_epoch(FakeRunner(seed, epoch))
    return random.random(), float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002


def test_an_epochs_random_numbers_depend_on_seed_and_epoch_alone():
    first = draw(3, 5)
    draw(3, 6)
    assert draw(3, 5) == first
    assert len({draw(3, 5), draw(3, 6), draw(4, 5), draw(5, 3)}) == 4


@pytest.fixture
def launched(monkeypatch):
    """What a launcher sets on a machine with a GPU; the groups that were joined."""
    joined = []
    for name in LAUNCHERS.values():
        monkeypatch.setenv(name, "0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(
        launch, "init_dist", lambda launcher, **more: joined.append((launcher, more))
    )
    return joined


@pytest.mark.parametrize("launcher", ["pytorch", "slurm", "mpi"])
def test_on_gpus_the_group_is_there_before_the_lr_rule_asks(launched, launcher):
    cfg = Config(dict(launcher=launcher, env_cfg=dict(dist_cfg=dict(backend="nccl"))))
    launch.init_processes(cfg)
    assert launched == [(launcher, {"backend": "nccl"})]
    assert torch.multiprocessing.get_start_method() == "fork"
    assert "model_wrapper_cfg" not in cfg


def test_on_cpus_the_config_stays_as_it_is(launched, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(launch, "is_distributed", lambda: True)
    cfg = Config(dict(launcher="pytorch"))
    launch.init_processes(cfg)
    assert cfg.to_dict() == dict(launcher="pytorch")


@pytest.mark.parametrize(
    ("stated", "built"),
    [
        (None, dict(broadcast_buffers=False, find_unused_parameters=True, device_ids=None)),
        (dict(static_graph=True), dict(static_graph=True, device_ids=None)),
        (dict(type="MMFullyShardedDataParallel"),) * 2,  # it takes no device_ids
    ],
)
def test_on_cpus_a_stated_wrapper_is_built_without_a_gpu(stated, built):
    cfg = Config(dict(find_unused_parameters=True))
    assert runner._wrapper_here(stated, cfg) == built


def test_a_wrapper_is_built_on_the_gpu_that_the_process_has_chosen(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setenv("LOCAL_RANK", "3")  # of a process that sees its own GPU only
    assert runner._wrapper_here(None, Config())["device_ids"] == [0]


def test_without_a_launcher_nothing_is_joined(launched):
    launch.init_processes(Config(dict(launcher="none")))
    assert launched == []


@pytest.mark.parametrize(
    ("launcher", "starter"), [("pytorch", "torchrun"), ("slurm", "srun"), ("mpi", "mpirun")]
)
def test_a_launcher_that_did_not_start_the_process_is_the_users_mistake(
    monkeypatch, launcher, starter
):
    monkeypatch.delenv(LAUNCHERS[launcher], raising=False)
    with pytest.raises(UserError, match=f"is not set: --launcher {launcher}: .* with {starter}"):
        launch.init_processes(Config(dict(launcher=launcher)))


def test_several_processes_without_a_launcher_are_refused(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match=r"started 2 processes.*add --launcher pytorch"):
        launch.init_processes(Config(dict(launcher="none")))
    monkeypatch.setenv("WORLD_SIZE", "1")
    launch.init_processes(Config(dict(launcher="none")))


@pytest.mark.parametrize("launcher", ["slurm", "mpi"])
def test_launchers_that_need_a_gpu_say_so(monkeypatch, launcher):
    monkeypatch.setenv(LAUNCHERS[launcher], "0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="there is no GPU here"):
        launch.init_processes(Config(dict(launcher=launcher)))


@pytest.fixture
def norms(monkeypatch):
    """A norm that learns, a frozen one, and an all-reduce that leaves a 7."""
    monkeypatch.setattr(launch, "get_world_size", lambda: 2)
    monkeypatch.setattr(launch, "all_reduce", lambda tensor, op: tensor.fill_(7))
    network = torch.nn.Sequential(torch.nn.BatchNorm2d(1), torch.nn.BatchNorm2d(1))
    network[1].eval()
    return network


def means(network):
    return [float(norm.running_mean) for norm in network]


def in_epochs(network, **more):
    """Return a run of epochs of four batches; checkpoints of the last are written after it."""
    loop = SimpleNamespace(run_epoch=1)
    return SimpleNamespace(
        **{"model": network, "hooks": [], "train_loop": loop, "train_dataloader": range(4), **more}
    )


def test_running_statistics_are_averaged_at_an_epochs_end_unless_frozen(norms):
    launch.SyncRunningStats().after_train_iter(in_epochs(norms), 2)
    assert means(norms) == [0, 0]
    launch.SyncRunningStats().after_train_iter(in_epochs(norms), 3)
    assert means(norms) == [7, 0]
    assert float(norms[0].running_var) == 7
    assert float(norms[1].running_var) == 1


@pytest.mark.parametrize(
    ("done", "loop", "mean"),
    [
        *((3, {}, 7), (2, {}, 0)),
        (5, {}, 7),  # the last one
        (4, {"dynamic_intervals": [3, 2]}, 7),
    ],
)
def test_a_loop_that_counts_iterations_averages_where_it_validates(norms, done, loop, mean):
    loop = SimpleNamespace(val_interval=3, **loop)
    runner = SimpleNamespace(model=norms, hooks=[], iter=done - 1, max_iters=5, train_loop=loop)
    launch.SyncRunningStats().after_train_iter(runner, done - 1)
    assert means(norms) == [mean, 0]


@pytest.mark.parametrize("more", [{}, {"update_buffers": True}])
def test_a_checkpoint_with_averaged_weights_holds_the_statistics_that_are_validated(norms, more):
    hook, runner = MovingAverageHook(**more), SimpleNamespace(model=norms)
    hook.before_run(runner)
    norms[0].running_mean.fill_(1)  # of this process alone
    hook.ema_model.update_parameters(norms)
    runner.hooks = [hook]
    launch.SyncRunningStats().after_train_iter(in_epochs(norms, hooks=[hook]), 3)
    hook.before_val_epoch(runner)
    validated = {name: tensor.clone() for name, tensor in norms.state_dict().items()}
    assert float(validated["0.running_mean"]) == 7
    hook.after_val_epoch(runner)
    checkpoint = {"state_dict": norms.state_dict()}
    hook.before_save_checkpoint(runner, checkpoint)
    for name, tensor in validated.items():
        assert torch.equal(checkpoint["state_dict"][name], tensor)
    assert means(norms) == [7, 0]
    # The average's own norms are all in training mode.
    assert float(checkpoint["state_dict"]["1.running_mean"]) == 0
