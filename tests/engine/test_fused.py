"""One kernel for an optimizer's update: where it is used, and that its numbers are the loop's."""

from typing import Any

import pytest
import torch
from mmengine.config import Config
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from bag_of_transfer.engine.loop.fused import settle_kernels, use_fused_update
from bag_of_transfer.engine.loop.update import Update
from bag_of_transfer.engine.recipe import differences, recipe_of


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW"])
def test_an_optimizer_that_has_one_kernel_gets_it_and_a_line_says_so(kind: str) -> None:
    cfg = Config({"optim_wrapper": {"optimizer": {"type": kind, "lr": 0.1}}})
    line = use_fused_update(cfg)
    assert line is not None
    assert line.startswith(f"update: {kind} in one kernel")
    assert cfg.optim_wrapper.optimizer.fused is True


@pytest.mark.parametrize(
    "stated", [{"type": "SGD", "fused": False}, {"type": "SGD", "foreach": True}, {"type": "Rprop"}]
)
def test_the_config_decides_and_other_optimizers_stay(stated: dict[str, Any]) -> None:
    cfg = Config({"optim_wrapper": {"optimizer": dict(stated)}})
    assert use_fused_update(cfg) is None
    assert cfg.optim_wrapper.optimizer == stated


def test_a_run_from_before_is_the_same_recipe() -> None:
    cfg = Config(
        {
            "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1}},
            "train_cfg": {"max_epochs": 1},
            "train_dataloader": {"batch_size": 2},
        }
    )
    before = recipe_of(cfg)
    use_fused_update(cfg)
    assert differences(before, recipe_of(cfg)) == []


def train(fused: bool, reorder: bool = False) -> list[torch.Tensor]:
    """Train for six steps; before the fourth, load a state of another order in memory."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Conv2d(5, 4, 3))
    net.to(memory_format=torch.channels_last)
    sgd = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9, weight_decay=1e-4, fused=fused)
    wrapper = Update(sgd)
    for step in range(6):
        if step == 3 and reorder:
            state = wrapper.state_dict()
            for one in state["state"].values():
                one["momentum_buffer"] = one["momentum_buffer"].contiguous()
            wrapper.load_state_dict(state)
        wrapper.update_params(net(torch.rand(2, 3, 9, 9)).square().mean())
    return [tensor.detach() for tensor in net.parameters()]


def test_the_numbers_are_those_of_the_loop() -> None:
    for ours, theirs in zip(train(fused=True), train(fused=False), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)


def test_a_state_that_lies_in_memory_in_another_order_is_resumed() -> None:
    pairs = zip(train(fused=True, reorder=True), train(fused=True), strict=True)
    assert all(torch.equal(resumed, uninterrupted) for resumed, uninterrupted in pairs)


def decayed_apart(**how: Any) -> tuple[list[torch.Tensor], Update]:
    """Return a network's tensors and SGD with a group for each, as norm_decay_mult makes them."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Conv2d(5, 4, 3))
    tensors = list(net.parameters())
    groups = [{"params": [one], "weight_decay": 0.1 * (one.ndim > 1)} for one in tensors]
    return tensors, Update(torch.optim.SGD(groups, 0.1, momentum=0.9, **how))


def push(tensors: list[torch.Tensor], wrapper: Update) -> None:
    """Update the tensors with drawn gradients."""
    for one in tensors:
        one.grad = torch.rand_like(one)
    wrapper.step()


def test_tensors_of_one_setting_are_updated_together(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    kernel = torch._fused_sgd_
    monkeypatch.setattr(
        torch,
        "_fused_sgd_",
        lambda *all_, **more: calls.append(len(all_[0])) or kernel(*all_, **more),
    )
    trained = []
    for how in ({"fused": True}, {"foreach": False}):
        tensors, wrapper = decayed_apart(**how)
        for _ in range(3):
            push(tensors, wrapper)
        trained.append([one.detach() for one in tensors])
        groups = wrapper.optimizer.param_groups
        assert [group["params"] for group in groups] == [[one] for one in tensors]
    assert calls == [2, 4] * 3
    for ours, theirs in zip(*trained, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)


def test_a_tensor_may_get_its_first_gradient_late() -> None:
    trained = []
    for how in ({"fused": True}, {"foreach": False}):
        torch.manual_seed(1)
        tensors = [nn.Parameter(torch.rand(3)) for _ in range(2)]
        wrapper = Update(torch.optim.SGD(tensors, 0.1, momentum=0.9, **how))
        push(tensors[:1], wrapper)  # as if the second were frozen, or its branch unused
        push(tensors, wrapper)
        push(tensors, wrapper)
        trained.append([one.detach() for one in tensors])
    for ours, theirs in zip(*trained, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
@pytest.mark.parametrize(
    ("how", "device"), [({}, "cpu"), ({"fused": True}, "cuda"), ({"capturable": True}, "cuda")]
)
def test_steps_of_a_checkpoint_are_counted_where_the_update_reads_them(
    kind: Any, how: dict[str, Any], device: str
) -> None:
    with FakeTensorMode():  # mmengine loads a checkpoint to the GPU, with all that it holds
        net = nn.ParameterList([torch.ones(2, device="cuda"), torch.ones((), device="cuda")])
        wrapper = Update(kind(net.parameters(), **how))
        state = wrapper.state_dict()
        moments = [{"exp_avg": one + 1, "exp_avg_sq": one + 1} for one in net]
        state["state"] = {
            number: {"step": torch.zeros((), device="cuda"), **averages}
            for number, averages in enumerate(moments)
        }
        wrapper.load_state_dict(state)
        for one in net:
            found = {key: value.device.type for key, value in wrapper.optimizer.state[one].items()}
            assert found == {"step": device, "exp_avg": "cuda", "exp_avg_sq": "cuda"}


@pytest.mark.parametrize(
    ("was", "now", "is_needed", "used"),
    [
        (False, True, False, False),  # as before: a run without the kernel goes on without it
        (False, True, True, True),
        (True, False, False, False),  # stated: no default leaves it out
        (True, True, True, True),
    ],
)
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
def test_a_resumed_run_has_the_kernel_that_is_stated_or_needed(
    kind: Any, was: bool, now: bool, is_needed: bool, used: bool
) -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    weight.grad = torch.ones(3)
    before = kind([weight], lr=0.1, fused=was)
    before.step()
    resumed, state = kind([weight], lr=0.1, fused=now), before.state_dict()
    line = settle_kernels(resumed, state, is_needed)
    resumed.load_state_dict(state)
    assert bool(resumed.param_groups[0]["fused"]) == used
    assert bool(line) == (used != was)
    assert line is None or f"optimizer.fused was {was}, now {used}" in line
    # What torch's loss scaling and steps that are left out ask.
    assert bool(getattr(resumed, "_step_supports_amp_scaling", False)) == used
    resumed.step()
