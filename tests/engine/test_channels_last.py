"""The layout of a network: chosen by rule, stated in the config, kept by what goes on."""

import json
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseDataPreprocessor
from torch import nn

from backbones import ResNetB, ResNetD
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.loop import channels_last
from bag_of_transfer.engine.loop.channels_last import (
    Facts,
    channels_last_line,
    choose_channels_last,
    follow_run,
    is_channels_last,
    lay_out,
)
from bag_of_transfer.engine.run.same_run import changes

SLOW = Facts("seg", 2048, "cpu", "AVX2", "OptimWrapper")


@pytest.mark.parametrize(
    ("fact", "last"),
    [
        ({}, False),
        ({"task": "det", "widest": 512}, False),
        ({"task": "cls"}, True),  # a classifier soon has small maps
        ({"task": None}, True),
        ({"widest": 256}, True),  # a slim network
        ({"device": "cuda"}, True),
        ({"instructions": "AVX512"}, True),
        ({"instructions": "DEFAULT"}, True),  # not measured
        ({"wrapper": "AutocastOptimWrapper"}, True),
    ],
)
def test_the_layout_is_a_function_of_recipe_and_machine(fact: dict[str, Any], last: bool) -> None:
    assert is_channels_last(SLOW._replace(**fact)) is last


def on_a_slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels_last, "get_device", lambda: "cpu")
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "AVX2")


def network(kind: type[nn.Module], base: int) -> nn.Module:
    backbone = kind(depth=18, stem_channels=base, base_channels=base)
    return nn.ModuleList([backbone, nn.Conv2d(2048, 8, 1), nn.Conv2d(1024, 1024, 3, groups=1024)])


def test_arms_of_a_ladder_have_the_same_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_slow_machine(monkeypatch)
    for base, last in ((32, True), (64, False)):
        for kind in (ResNetB, ResNetD):
            cfg = Config({"task": "det"})
            assert choose_channels_last(cfg, network(kind, base)) is last
            assert cfg.channels_last is last
            assert f"{channels_last.KEY}={not last} changes it" in channels_last_line(cfg)


def test_the_line_says_that_other_weights_are_drawn() -> None:
    drawn = []
    for last in (True, False):
        conv = nn.Conv2d(8, 8, 3)
        lay_out(conv, last)
        torch.manual_seed(0)
        drawn.append(nn.init.normal_(conv.weight).detach().contiguous())
        said = f"={not last} changes it, the weights that are drawn, and how numbers are rounded)"
        assert channels_last_line(Config({"channels_last": last})).endswith(said)
    assert not torch.equal(*drawn)


@pytest.mark.parametrize("stated", [True, False])
def test_a_config_decides_itself(monkeypatch: pytest.MonkeyPatch, stated: bool) -> None:
    on_a_slow_machine(monkeypatch)
    cfg = Config({"task": "seg", "channels_last": stated})
    assert choose_channels_last(cfg, nn.Conv2d(2048, 1, 3)) is stated
    follow_run(cfg, {"config_json": json.dumps({"config": {"channels_last": not stated}})}, "a.pth")
    assert cfg.channels_last is stated


@pytest.mark.parametrize("wrong", ["auto", "False", 1, [True]])
def test_neither_true_nor_false_is_refused(wrong: object) -> None:
    cfg = Config({"channels_last": wrong})
    for read in (lambda: choose_channels_last(cfg, nn.Identity()), lambda: follow_run(cfg, {}, "")):
        with pytest.raises(UserError, match="is not understood: channels_last: say True") as caught:
            read()
        assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("stored", "last"),
    [({"channels_last": False}, False), ({"channels_last": True}, True), ({}, True), (None, True)],
)
def test_what_goes_on_keeps_the_layout_whatever_the_machine_would_choose(
    monkeypatch: pytest.MonkeyPatch, stored: dict[str, Any] | None, last: bool
) -> None:
    on_a_slow_machine(monkeypatch)
    text = None if stored is None else json.dumps({"config": stored, "paths": {}})
    cfg = Config({"task": "seg" if last else "cls"})
    follow_run(cfg, {"config_json": text}, "a.pth")
    assert choose_channels_last(cfg, nn.Conv2d(2048, 1, 3)) is last
    assert not any(changes(text, Config({**(stored or {}), "channels_last": last}), "a.pth"))
    cfg.channels_last = not last
    told = changes(text, cfg, "a.pth").rounding
    assert [change.key for change in told] == (["channels_last"] if text else [])


def test_a_damaged_config_of_a_checkpoint_is_told() -> None:
    with pytest.raises(UserError, match=r"a\.pth"):
        follow_run(Config(), {"config_json": "{"}, "a.pth")


def test_batches_follow_the_network_however_often_its_layout_changes() -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.data_preprocessor = BaseDataPreprocessor()

    network = Network()
    for last in (True, True, False, False, True):
        lay_out(network, last)
        layout = torch.channels_last if last else torch.contiguous_format
        batch = network.data_preprocessor({"inputs": torch.rand(2, 3, 5, 7), "rest": [1]})
        assert network.conv.weight.is_contiguous(memory_format=layout)
        assert batch["inputs"].is_contiguous(memory_format=layout)
        assert len(network.data_preprocessor._forward_hooks) == last
