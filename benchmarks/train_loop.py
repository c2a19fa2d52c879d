"""What the loop costs beside the network's work: ours, mmengine's, Lightning's, and one by hand.

Command:   python benchmarks/train_loop.py
The network is one convolution, the batch two images of 8 px, the loader torch's with its defaults,
one thread: what is left is the loop.  A loss of a detector's kind has nine parts.  The last two
rows are runs that have logged 450,000 steps before, ninety epochs of ImageNet at batch size 256.
"""

import argparse
import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
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
from bag_of_transfer.engine.runner import build_runner
from bag_of_transfer.engine.training import prepare_training

ITERS, LOGGED = 1000, 450_000
SGD = {"lr": 1e-4, "momentum": 0.9, "weight_decay": 1e-4}
ONE, NINE = 1, 9


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
        if self.parts == ONE:
            return {"loss": response.mean()}
        return {f"loss_{part}": response.mean() for part in range(self.parts)}


class Clock(Hook):
    """Measures the epoch's iterations, with all hooks of an iteration."""

    priority = "HIGHEST"

    def __init__(self, clock: Callable[[], float], logged: int) -> None:
        self.clock, self.logged, self.seconds = clock, logged, 0.0

    def before_train_epoch(self, runner: Runner) -> None:
        """Begin at the iteration up to which the run has logged."""
        runner.train_loop._iter = self.logged
        self.seconds = -self.clock()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Begin anew when the histories are long."""
        if batch_idx == 2 and self.logged:  # all scalars are known by now
            _lengthen(runner.message_hub.log_scalars, self.logged)
            self.seconds = -self.clock()

    def after_train_epoch(self, runner: Runner) -> None:
        """End before the other hooks save and write."""
        self.seconds += self.clock()


def _lengthen(scalars: dict[str, HistoryBuffer], steps: int) -> None:
    """Log as many values as the run would have by now; mmengine's own method takes minutes."""
    for name, history in scalars.items():
        if type(history) is HistoryBuffer:
            scalars[name] = HistoryBuffer([0.5] * steps, [1] * steps)
        else:
            for _ in range(steps):
                history.update(0.5)


def by_hand(parts: int, clock: Callable[[], float]) -> float:
    """Train with a loop as short as it can be written."""
    torch.manual_seed(0)
    network = OneConvolution(parts).train()
    optimizer = torch.optim.SGD(network.parameters(), **SGD)
    loader = DataLoader(Noise(2 * ITERS), batch_size=2, shuffle=True)
    started = clock()
    for batch in loader:
        loss = sum(network(batch["inputs"]).values())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return clock() - started


def config(parts: int, folder: str, iters: int) -> Config:
    """Return what both Runners train."""
    loader = {
        "batch_size": 2,
        "num_workers": 0,
        "dataset": {"type": "Noise", "num_images": 2 * iters},
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


def trained(
    ours: bool, parts: int, clock: Callable[[], float], logged: int = 0, iters: int = ITERS
) -> float:
    """Train with the Runner; return the seconds of ``ITERS`` iterations."""
    hook = Clock(clock, logged)
    with tempfile.TemporaryDirectory() as folder:
        cfg = config(parts, folder, iters)
        if ours:
            _, data = prepare_training(cfg, "off")
            torch.set_num_threads(1)
            runner = build_runner(cfg, data)
        else:
            cfg.experiment_name = folder
            cfg.default_hooks.checkpoint = {"type": "CheckpointHook"}
            runner = Runner.from_cfg(cfg)
        runner.register_hook(hook)
        with contextlib.redirect_stdout(io.StringIO()):
            runner.train()
    return hook.seconds * ITERS / iters


def measure(args: argparse.Namespace) -> Iterator[rounds.Comparison]:
    """Compare the loops with one loss and with nine, and those that have logged a lot."""
    clock = rounds.CLOCKS[args.clock]
    torch.set_num_threads(1)
    for parts, target in ((ONE, 1 / 1.2), (NINE, 1 / 1.3)):
        ways: dict[str, Callable[[], float]] = {
            "by hand": lambda parts=parts: by_hand(parts, clock),
            "mmengine": lambda parts=parts: trained(False, parts, clock),
            "ours": lambda parts=parts: trained(True, parts, clock),
        }
        yield rounds.compare(
            f"one convolution, 8 px, batch 2, losses: {parts}",
            ways,
            rounds=args.rounds,
            work=ITERS,
            unit="iteration",
            targets={"ours": target},
            clock=args.clock,
        )
    yield rounds.compare(
        f"the same with one loss after {LOGGED:,} iterations",
        {
            "ours, new": lambda: trained(True, ONE, clock),
            "ours": lambda: trained(True, ONE, clock, LOGGED),
            "mmengine": lambda: trained(False, ONE, clock, LOGGED, ITERS // 10),
        },
        rounds=min(args.rounds, 3),
        work=ITERS,
        unit="iteration",
        targets={"ours": 1.0},
        clock=args.clock,
    )


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    rounds.main(__doc__, measure)
