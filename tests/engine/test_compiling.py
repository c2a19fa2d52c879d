"""``compile``: the backbone, or a reason."""

import copy

import pytest
import torch
from mmengine.config import Config
from torch import nn

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.run.compiling import (
    compile_backbone,
    compiling_mistake,
    follow_compiler,
)


class Layers(nn.Sequential):
    """Not torch's own class: torch 2.10 compiles none of those."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x)


def network() -> nn.Module:
    torch.manual_seed(0)
    net = nn.Module()
    net.backbone = Layers(nn.Linear(3, 4), nn.ReLU())
    return net


def test_the_backbone_is_compiled_and_its_values_and_names_stay() -> None:
    plain, compiled = network(), network()
    graphs = []

    def backend(graph: torch.fx.GraphModule, inputs: list) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    compile_backbone(compiled, {"backend": backend})
    x = torch.randn(5, 3)
    assert torch.equal(compiled.backbone(x), plain.backbone(x))
    assert graphs
    compiled.backbone(x).sum().backward()
    plain.backbone(x).sum().backward()
    assert torch.equal(compiled.backbone[0].weight.grad, plain.backbone[0].weight.grad)
    assert list(compiled.state_dict()) == list(plain.state_dict())


@pytest.mark.parametrize("off", [False, None])
def test_off_is_off(off: object) -> None:
    net = network()
    compile_backbone(net, off)
    assert net.backbone._compiled_call_impl is None


@pytest.mark.parametrize("wrong", ["yes", {"back_end": "eager"}, [True]])
def test_what_is_not_understood_is_refused(wrong: object) -> None:
    with pytest.raises(UserError, match=r"^compile=.* is not understood: compile: say True, or"):
        compile_backbone(network(), copy.copy(wrong))


def test_a_network_without_a_backbone_is_refused() -> None:
    with pytest.raises(UserError, match=r"no backbone to compile"):
        compile_backbone(nn.Linear(1, 1), True)


def test_why_torch_cannot_compile_is_told() -> None:
    def backend(graph: torch.fx.GraphModule, inputs: list) -> None:
        raise RuntimeError("Failed to find C++ compiler")

    net = network()
    compile_backbone(net, {"backend": backend})
    with pytest.raises(Exception) as caught:  # noqa: PT011  torch's own
        net.backbone(torch.zeros(1, 3))
    said = str(compiling_mistake(caught.value))
    assert said.startswith("the backbone cannot be compiled here (")
    assert "Failed to find C++ compiler" in said
    assert compiling_mistake(RuntimeError("other")) is None


@pytest.mark.parametrize("options", [True, {"mode": "max-autotune"}])
def test_without_a_compiler_compiling_is_switched_off_with_a_line(monkeypatch, options) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    cfg = Config(dict(compile=options))
    assert follow_compiler(cfg) == "compile: off, there is no compiler here (g++, clang++, c++)"
    assert cfg.compile is False


def test_a_compiler_of_the_users_own_counts_and_a_backend_may_need_none(
    monkeypatch, tmp_path
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    compiler = tmp_path / "mine"
    compiler.touch(mode=0o755)
    monkeypatch.setenv("CXX", f"{compiler} -O2")
    assert follow_compiler(cfg := Config(dict(compile=True))) is None
    assert cfg.compile is True
    monkeypatch.setenv("CXX", str(tmp_path / "none"))
    assert follow_compiler(Config(dict(compile=dict(backend="eager")))) is None
    assert follow_compiler(Config({})) is None
    assert "no compiler here" in str(follow_compiler(cfg))
