"""The clocks around the parts of a ladder's cells count what they are named after."""

import multiprocessing
from typing import ClassVar

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, MODELS
from torch.utils.data import Dataset

import cell_phases
from bag_of_transfer.engine.run.runner import build_runner


@DATASETS.register_module()
class FourNumbers(Dataset):
    metainfo: ClassVar = {"classes": ("a", "b")}

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return {"inputs": torch.full((3,), float(index))}


@MODELS.register_module()
class OneLayer(BaseModel):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(3, 1)

    def forward(self, inputs, mode="loss"):
        return {"loss": self.fc(inputs).square().mean()}


def train(folder, train_cfg, told):
    """Train with clocks, which stay: in a process of its own."""
    cell_phases.set_clocks(folder)
    loader = {"batch_size": 2, "num_workers": 0, "dataset": {"type": "FourNumbers"}}
    loader |= {"sampler": {"type": "DefaultSampler"}, "collate_fn": {"type": "default_collate"}}
    cfg = Config(
        {
            "task": "cls",
            "default_scope": "mmengine",
            "model": {"type": "OneLayer"},
            "train_dataloader": loader,
            "train_cfg": train_cfg,
            "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1}},
            "log_level": "WARNING",
            "work_dir": str(folder),
        }
    )
    build_runner(cfg).train()
    told.send(dict(cell_phases.clock.seconds))


@pytest.mark.parametrize(
    "train_cfg",
    [{"by_epoch": True, "max_epochs": 1}, {"type": "IterBasedTrainLoop", "max_iters": 2}],
    ids=["epochs", "iterations"],
)
def test_steps_count_for_forward_and_backward_and_the_optimizer(train_cfg, tmp_path):
    here, there = multiprocessing.Pipe()
    fork = multiprocessing.get_context("fork").Process(
        target=train, args=(tmp_path, train_cfg, there)
    )
    fork.start()
    there.close()
    seconds = here.recv()
    fork.join()
    assert {"data", "forward and backward", "optimizer", "other"} <= set(seconds)
    assert all(spent > 0 for spent in seconds.values())
