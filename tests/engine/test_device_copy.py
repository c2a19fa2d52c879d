"""Copies to a GPU run ahead of the steps; the order is shown with streams that only take notes."""

import contextlib
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from bag_of_transfer.engine.loop.device_copy import copied_ahead


class Network(nn.Module):
    """Pretends to be on a device, and writes what its preprocessor copies."""

    def __init__(self, notes, device="cuda"):
        super().__init__()
        self.notes, self.device = notes, torch.device(device)
        self.data_preprocessor, self._non_blocking = self, False

    def parameters(self):
        return iter([SimpleNamespace(device=self.device)])

    def cast_data(self, batch):
        assert self._non_blocking  # else the host would wait for the copy, and so for a step
        self.notes.append(f"copy {batch}")
        return f"{batch} on the GPU"


@pytest.fixture
def notes(monkeypatch):
    """Record what each stream does."""
    written = []

    class Stream:
        def __init__(self, name):
            self.name = name

        def wait_stream(self, other):
            written.append(f"{self.name} waits for {other.name}")

    monkeypatch.setattr("torch.cuda.Stream", lambda device: Stream("copying"))
    monkeypatch.setattr("torch.cuda.current_stream", lambda device: Stream("computing"))
    monkeypatch.setattr("torch.cuda.stream", lambda stream: contextlib.nullcontext())
    return written


def test_a_batch_is_copied_before_the_step_of_the_one_before(notes):
    network = Network(notes)
    for batch in copied_ahead(["a", "b", "c"], network):
        assert not network._non_blocking  # the step's own copies are as stated
        notes.append(f"step with {batch}")
    assert notes == [
        *("copying waits for computing", "copy a"),
        *("computing waits for copying", "copying waits for computing", "copy b"),
        "step with a on the GPU",
        *("computing waits for copying", "copying waits for computing", "copy c"),
        "step with b on the GPU",
        "computing waits for copying",
        "step with c on the GPU",
    ]


@pytest.mark.parametrize("batches", [[], ["a"], ["a", "b"]])
def test_every_batch_comes_once(notes, batches):
    copied = copied_ahead(batches, Network(notes))
    assert list(copied) == [f"{batch} on the GPU" for batch in batches]


def test_on_a_cpu_batches_stay_as_they_are(notes):
    batches = [object(), object()]
    assert list(copied_ahead(batches, Network(notes, "cpu"))) == batches
    assert notes == []
