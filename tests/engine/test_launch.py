"""Threads, processes, seeds."""

import os
import random

import numpy as np
import pytest
import torch
from mmengine.config import Config

from engine import launch


@pytest.fixture
def keep_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("cores", "workers", "threads", "workers_left"),
    [(2, 8, 1, 1), (2, 0, 2, 0), (1, 4, 1, 0), (16, 8, 8, 8)],
)
def test_threads_and_workers_share_the_cores(
    monkeypatch, keep_threads, cores, workers, threads, workers_left
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cfg = Config(dict(train_dataloader=dict(num_workers=workers, persistent_workers=True)))
    launch.share_cores(cfg)
    assert torch.get_num_threads() == threads
    assert cfg.train_dataloader.num_workers == workers_left
    assert threads + workers_left <= max(cores, 1)
    # torch refuses persistent workers where there are none
    assert ("persistent_workers" in cfg.train_dataloader) == (workers_left > 0)


def test_omp_num_threads_is_respected(monkeypatch, keep_threads):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
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


def test_loader_workers_differ_from_each_other():
    seen = []
    for worker in range(2):
        torch.manual_seed(100 + worker)  # as torch's loader does in a worker
        launch.seed_worker(worker)
        seen.append((random.random(), float(np.random.rand())))  # noqa: NPY002
    assert seen[0] != seen[1]
