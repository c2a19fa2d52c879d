"""Copies to a GPU run ahead of the steps; the order is shown with streams that only take notes."""

import contextlib
from types import SimpleNamespace

import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.structures import BaseDataElement, InstanceData, PixelData
from mmseg.structures import SegDataSample
from torch import nn
from torch.utils.data._utils.pin_memory import pin_memory

from bag_of_transfer.engine.loop import device_copy
from bag_of_transfer.engine.loop.device_copy import copied_ahead, pin_data_samples


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
    device_copy._copying_stream.cache_clear()

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


def test_all_epochs_copy_on_one_stream_whose_memory_serves_again(notes, monkeypatch):
    made, stream = [], torch.cuda.Stream
    monkeypatch.setattr("torch.cuda.Stream", lambda device: made.append(device) or stream(device))
    for _ in range(3):
        assert len(list(copied_ahead(["a", "b"], Network(notes)))) == 2
    assert len(made) == 1


@pytest.mark.parametrize("batches", [[], ["a"], ["a", "b"]])
def test_every_batch_comes_once(notes, batches):
    copied = copied_ahead(batches, Network(notes))
    assert list(copied) == [f"{batch} on the GPU" for batch in batches]


def test_on_a_cpu_batches_stay_as_they_are(notes):
    batches = [object(), object()]
    assert list(copied_ahead(batches, Network(notes, "cpu"))) == batches
    assert notes == []


def test_what_is_within_data_samples_is_pinned_like_other_tensors(monkeypatch):
    pinned = []

    def pin(tensor, device=None):
        pinned.append(tensor.clone())
        return pinned[-1]

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    monkeypatch.setattr(BaseDataElement, "pin_memory", None, raising=False)
    monkeypatch.delattr(BaseDataElement, "pin_memory")  # and again when the test has ended
    seg = SegDataSample(metainfo={"img_path": "a.jpg"})
    seg.gt_sem_seg = PixelData(data=torch.arange(6).reshape(1, 2, 3))
    det = DetDataSample(metainfo={"img_path": "b.jpg"})
    boxes = HorizontalBoxes(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    det.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([7]), masks=["of numpy"])
    batch = {"inputs": [torch.ones(2)], "data_samples": [seg, det]}

    pin_data_samples()
    found = pin_memory(batch)
    mask, instances = found["data_samples"][0].gt_sem_seg, found["data_samples"][1].gt_instances
    tensors = [found["inputs"][0], mask.data, instances.bboxes.tensor, instances.labels]
    assert {id(one) for one in tensors} == {id(one) for one in pinned}
    assert torch.equal(mask.data, seg.gt_sem_seg.data)
    assert isinstance(instances.bboxes, HorizontalBoxes)
    assert torch.equal(instances.bboxes.tensor, boxes.tensor)
    assert instances.masks == ["of numpy"]
    assert [one.img_path for one in found["data_samples"]] == ["a.jpg", "b.jpg"]
    assert det.gt_instances.bboxes is boxes  # the loader's own stay as they are
