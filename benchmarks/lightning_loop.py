"""Lightning's Trainer beside the loops of train_loop.py; needs the package ``lightning``."""

import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import nn
from torch.utils.data import DataLoader

from turns import Turns

__all__ = ["SETTINGS", "chunks"]

# Its defaults, which write logs and checkpoints and show a bar, and what its documentation gives
# for measuring what the loop costs: nothing of this, and nothing logged.
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "Lightning": {},
    "Lightning, barebones": {"barebones": True},
}


class _Module(LightningModule):
    def __init__(self, network: nn.Module, sgd: Mapping[str, float], logs: bool) -> None:
        super().__init__()
        self.network, self.sgd, self.logs = network, sgd, logs

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), **self.sgd)

    def training_step(self, batch: Mapping[str, torch.Tensor], index: int) -> torch.Tensor:
        losses = self.network(batch["inputs"])
        if self.logs:
            self.log_dict(losses)
        return sum(losses.values())


class _InTurn(Callback):
    def __init__(self, turns: Turns) -> None:
        self.turns = turns

    def on_train_batch_start(self, *training: Any) -> None:
        self.turns.hand_over(training[-1])


def chunks(
    network: nn.Module,
    sgd: Mapping[str, float],
    loader: DataLoader,
    setting: str,
    clock: Callable[[], float],
) -> Callable[[], float]:
    """Start a training with a Trainer; return what trains one chunk.

    Args:
        network: Returns its losses by name.
        sgd: The optimizer's arguments.
        loader: Yields its batches.
        setting: One of ``SETTINGS``.
        clock: Returns seconds.
    """
    turns = Turns(clock)
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=1,
        callbacks=[_InTurn(turns)],
        default_root_dir=tempfile.mkdtemp(),
        **SETTINGS[setting],
    )
    module = _Module(network, sgd, logs="barebones" not in SETTINGS[setting])
    turns.start(lambda: trainer.fit(module, loader))
    return turns.chunk
