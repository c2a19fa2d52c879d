"""``--deterministic``: what it refuses, and what it says of an operation that cannot be so."""

import pytest
import torch
from mmengine.config import Config

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.run.deterministic import deterministic_mistake, follow_determinism


def config(**more) -> Config:
    return Config({"randomness": {"seed": 0, "deterministic": True}, **more})


def test_nothing_is_said_without_it():
    assert follow_determinism(Config({"env_cfg": {"cudnn_benchmark": True}})) is None


def test_a_line_says_what_it_means():
    assert "ends the run at its first step" in follow_determinism(config(compile=True))


@pytest.mark.parametrize(
    ("switch", "key"),
    [
        ({"env_cfg": {"cudnn_benchmark": True}}, "env_cfg.cudnn_benchmark"),
        ({"compile": {"mode": "max-autotune"}}, "compile"),
        ({"compile": {"mode": "max-autotune-no-cudagraphs"}}, "compile"),
        ({"compile": {"options": {"max_autotune": True}}}, "compile"),
    ],
)
def test_a_switch_that_chooses_by_speed_is_refused_beside_it(switch, key):
    with pytest.raises(UserError, match=rf"^{key} takes the fastest kernels.*: {key} and rand"):
        follow_determinism(config(**switch))


def test_cublas_is_told_its_workspace_on_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    follow_determinism(config())
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:2")
    with pytest.raises(UserError, match="lets cuBLAS choose"):
        follow_determinism(config())


def test_an_operation_that_cannot_be_deterministic_is_named():
    text = "upsample_bilinear2d_backward_out_cuda does not have a deterministic implementation, but"
    mistake = deterministic_mistake(RuntimeError(text))
    assert "upsample_bilinear2d_backward_out_cuda cannot be deterministic here" in str(mistake)
    assert deterministic_mistake(RuntimeError("another")) is None
