"""What the loop costs beside the network's work: ours, mmengine's, and one by hand.

Command:   python benchmarks/train_loop.py
The network is one convolution, the batch two images of 8 px, the loader torch's with its defaults,
one thread: what is left is the loop.  A detector has nine losses or so.  A run that has logged a
lot has done 450,000 iterations, ninety epochs of ImageNet at batch size 256.  All trainings are
alive at once and take turns of fifty iterations, so that a busy machine slows them down alike.
Lightning, which we do not depend on, is among them where it is installed.
"""

import argparse
import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, ClassVar

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, MODELS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader, Dataset

import rounds
from bag_of_transfer.classification import ImageClassifier  # noqa: F401  registers the task
from bag_of_transfer.engine.run.runner import build_runner
from bag_of_transfer.engine.run.training import prepare_training
from turns import CHUNK, Turns

LOGGED = 450_000
NUM_IMAGES = 20_000  # the runs end before they have seen all
SGD = {"lr": 1e-4, "momentum": 0.9, "weight_decay": 1e-4}


@DATASETS.register_module()
class Noise(Dataset):
    """Images that are made once."""

    metainfo: ClassVar = {"classes": ("a", "b")}

    def __init__(self, num_images: int) -> None:
        self.images = torch.randn(num_images, 3, 8, 8)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"inputs": self.images[index]}


@MODELS.register_module()
class OneConvolution(BaseModel):
    """A convolution whose mean response is the loss, in as many parts as asked for."""

    def __init__(self, parts: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.parts = parts

    def forward(self, inputs: torch.Tensor, mode: str = "loss") -> dict[str, torch.Tensor]:
        """Return one loss or several of the same size."""
        response = self.conv(inputs).square()
        if self.parts == 1:
            return {"loss": response.mean()}
        return {f"loss_{part}": response.mean() for part in range(self.parts)}


class InTurn(Hook):
    """Makes a Runner train in turns, from the iteration up to which it has logged."""

    priority = "HIGHEST"

    def __init__(self, turns: Turns, logged: int = 0) -> None:
        self.turns, self.logged = turns, logged

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Hand over after each chunk; the first iterations show which scalars there are.

        The first one counts as the iteration up to which the run has logged.
        """
        if batch_idx == 0:
            runner.train_loop._iter = self.logged
        if batch_idx == 2 and self.logged:
            _lengthen(runner.message_hub.log_scalars, self.logged)
        self.turns.hand_over(batch_idx)


def _lengthen(scalars: dict[str, HistoryBuffer], steps: int) -> None:
    """Log as many values as the run would have by now; mmengine's own method takes minutes."""
    for name, history in scalars.items():
        if type(history) is HistoryBuffer:
            scalars[name] = HistoryBuffer([0.5] * steps, [1] * steps)
        else:
            for _ in range(steps):
                history.update(0.5)


def default_loader() -> DataLoader:
    """Return torch's loader with its defaults, which all trainings use."""
    return DataLoader(Noise(NUM_IMAGES), batch_size=2, shuffle=True)


def by_hand(parts: int, clock: Callable[[], float]) -> Iterator[float]:
    """Train with a loop as short as it can be written; yield the seconds of each chunk."""
    network = OneConvolution(parts).train()
    optimizer = torch.optim.SGD(network.parameters(), **SGD)
    loader = default_loader()
    started = clock()
    for index, batch in enumerate(loader, 1):
        loss = sum(network(batch["inputs"]).values())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if index % CHUNK == 0:
            yield clock() - started
            started = clock()


def config(parts: int, folder: str) -> Config:
    """Return what both Runners train."""
    loader = {
        "batch_size": 2,
        "num_workers": 0,
        "dataset": {"type": "Noise", "num_images": NUM_IMAGES},
        "sampler": {"type": "DefaultSampler", "shuffle": True},
        "collate_fn": {"type": "default_collate"},
    }
    return Config(
        {
            "task": "cls",
            "default_scope": "mmengine",
            "model": {"type": "OneConvolution", "parts": parts},
            "train_dataloader": loader,
            "train_cfg": {"by_epoch": True, "max_epochs": 1},
            "optim_wrapper": {"type": "OptimWrapper", "optimizer": {"type": "SGD", **SGD}},
            "default_hooks": {"logger": {"type": "LoggerHook", "interval": 50}},
            "log_level": "WARNING",
            "launcher": "none",
            "work_dir": folder,
        }
    )


def runner_of(ours: bool, parts: int, folder: str) -> Runner:
    """Return the Runner that the tools would train with, or mmengine's."""
    cfg = config(parts, folder)
    if ours:
        _, data = prepare_training(cfg, "off")
        cfg.work_dir = folder
        return build_runner(cfg, data)
    cfg.experiment_name = folder
    return Runner.from_cfg(cfg)


def chunks(
    ours: bool, parts: int, clock: Callable[[], float], logged: int = 0
) -> Callable[[], float]:
    """Start a training with a Runner; return what trains one chunk."""
    turns = Turns(clock)
    runner = runner_of(ours, parts, tempfile.mkdtemp())
    runner._train_dataloader = default_loader()
    runner.register_hook(InTurn(turns, logged))
    turns.start(runner.train)
    return turns.chunk


def of_lightning(parts: int, clock: Callable[[], float]) -> dict[str, Callable[[], float]]:
    """Return Lightning's Trainers, where it is installed."""
    if not rounds.has_peer("lightning"):
        return {}
    import lightning_loop

    return {
        setting: lightning_loop.chunks(OneConvolution(parts), SGD, default_loader(), setting, clock)
        for setting in lightning_loop.SETTINGS
    }


def measure(args: argparse.Namespace) -> Iterator[rounds.Comparison]:
    """Compare the loops with one loss and with nine, and those that have logged a lot."""
    clock = rounds.CLOCKS[args.clock]
    torch.set_num_threads(1)
    for parts, target in ((1, 1 / 1.2), (9, 1 / 1.3)):
        ways = {
            "by hand": partial(next, by_hand(parts, clock)),
            "mmengine": chunks(False, parts, clock),
            "ours": chunks(True, parts, clock),
        }
        if parts == 1:
            ways["ours, much logged"] = chunks(True, parts, clock, LOGGED)
            ways["mmengine, much logged"] = chunks(False, parts, clock, LOGGED)
        ways |= of_lightning(parts, clock)
        torch.set_num_threads(1)  # ours has chosen as many as there are cores
        yield rounds.compare(
            f"{CHUNK} iterations on one convolution, 8 px, batch 2, losses: {parts}",
            ways,
            rounds=args.rounds,
            work=CHUNK,
            unit="iteration",
            targets={"ours": target, "ours, much logged": target}
            if parts == 1
            else {"ours": target},
            clock=args.clock,
        )


def measure_quietly(args: argparse.Namespace) -> list[rounds.Comparison]:
    """Compare them without what trainings say."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    with contextlib.redirect_stdout(io.StringIO()):
        return list(measure(args))


if __name__ == "__main__":
    rounds.main(__doc__, measure_quietly, rounds=20)
