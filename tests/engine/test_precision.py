"""Mixed precision by flag."""

import pytest
import torch
from mmengine.config import Config
from torch import nn

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.loop.precision import (
    AutocastOptimWrapper,
    apply_precision,
)

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="tells what happens without a GPU")


@no_gpu
@pytest.mark.parametrize(
    ("mode", "config", "origin"),
    [("fp16", {}, "--amp fp16"), ("auto", {"amp": "fp16"}, "the config's amp")],
)
def test_fp16_on_a_cpu_is_refused_with_the_hint(mode, config, origin):
    cfg = Config(dict(optim_wrapper=dict(type="OptimWrapper"), **config))
    with pytest.raises(UserError, match=f"fp16 needs a GPU: {origin}: use bf16 or off") as refused:
        apply_precision(cfg, mode)
    assert refused.value.exit_code == 2


@no_gpu
def test_a_run_with_fp16_is_not_resumed_on_a_cpu():
    cfg = Config(dict(optim_wrapper=dict(type="OptimWrapper")))
    with pytest.raises(UserError, match="fp16 needs a GPU: of the run that is resumed: resume on"):
        apply_precision(cfg, "auto", "fp16")


@pytest.mark.parametrize(
    ("mode", "wrapper"), [("bf16", "AutocastOptimWrapper"), ("off", "OptimWrapper")]
)
def test_flag_decides_over_the_config(mode, wrapper):
    cfg = Config(dict(optim_wrapper=dict(type="AmpOptimWrapper", loss_scale=512.0)))
    apply_precision(cfg, mode)
    assert cfg.optim_wrapper.type == wrapper
    assert "loss_scale" not in cfg.optim_wrapper


def test_auto_leaves_a_config_alone_that_decides_itself():
    cfg = Config(dict(optim_wrapper=dict(type="AmpOptimWrapper")))
    assert "as the config says" in apply_precision(cfg, "auto")
    assert cfg.optim_wrapper.type == "AmpOptimWrapper"


def test_bf16_multiplies_in_16_bits_and_keeps_weights_in_32():
    net = nn.Linear(4, 3)
    wrapper = AutocastOptimWrapper(optimizer=torch.optim.SGD(net.parameters(), lr=0.1))
    with wrapper.optim_context(net):
        out = net(torch.rand(2, 4))
    assert out.dtype == torch.bfloat16
    before = net.weight.detach().clone()
    wrapper.update_params(out.float().sum())
    assert not torch.equal(net.weight, before)
    assert net.weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("mode", "wrapper"), [("auto", "OptimWrapper"), ("bf16", "AutocastOptimWrapper")]
)
def test_the_configs_word_holds_unless_the_flag_says_another(mode, wrapper):
    cfg = Config(dict(amp="off", optim_wrapper=dict(type="OptimWrapper")))
    said = apply_precision(cfg, mode)
    assert cfg.optim_wrapper.type == wrapper
    assert ("config" in said) == (mode == "auto")


def test_a_word_that_is_no_precision_is_an_error():
    cfg = Config(dict(amp="fp8", optim_wrapper=dict(type="OptimWrapper")))
    with pytest.raises(UserError, match=r"fp8.*: amp: .*bf16"):
        apply_precision(cfg, "auto")


@pytest.mark.parametrize("scale", [512.0, {"init_scale": 512.0}, None])
@pytest.mark.parametrize("by_flag", [True, False])
def test_a_stated_loss_scale_of_fp16_is_kept(monkeypatch, scale, by_flag):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    stated = {} if scale is None else {"loss_scale": scale}
    cfg = Config({"optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1}, **stated}})
    if not by_flag:
        cfg.amp = "fp16"
    apply_precision(cfg, "fp16" if by_flag else "auto")
    assert cfg.optim_wrapper.loss_scale == (scale or "dynamic")
