"""A training step of a classifier reads no number from its device, with all tricks."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bag_of_transfer.classification import ImageClassifier, classifier
from bag_of_transfer.engine.loop.loops import train_step
from bag_of_transfer.engine.loop.update import Update

# What waits: a number is read, or the size of a result depends on values.
WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero")


class Reads(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.found += [name for name in WAITING if name in str(op)]
        return op(*args, **(kwargs or {}))


@pytest.mark.parametrize("clip_grad", [None, {"max_norm": 1.0}])
def test_a_step_waits_for_nothing(
    make_classifier: Callable[..., ImageClassifier],
    clip_grad: dict[str, Any] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # In a run it is seeded from numbers; without one, by torch's generator on the CPU.
    monkeypatch.setattr(classifier, "rng_of_step", lambda: random.Random(0))
    model = make_classifier(label_smoothing={"eps": 0.1}, mixup={"alpha": 0.2}).train()
    sgd = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, fused=True)
    wrapper = Update(sgd, clip_grad=clip_grad)
    images = torch.randint(0, 256, (4, 3, 20, 20), dtype=torch.uint8)
    batch = {"inputs": images, "labels": torch.tensor([0, 2, 1, 1])}
    with Reads() as reads:
        logged = train_step(model, batch, wrapper)
    assert reads.found == []
    with reads:
        float(logged["loss"])
    assert reads.found == ["_local_scalar_dense"]
