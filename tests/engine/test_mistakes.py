"""What raised decides: a part of the config being built, a library computing with it, or a bug."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModule
from mmengine.optim import OptimWrapper
from mmengine.registry import DATA_SAMPLERS, HOOKS, MODELS, OPTIMIZERS, PARAM_SCHEDULERS
from torch import nn

from bag_of_transfer.engine.config.mistakes import (
    building,
    computing_mistake,
    late_building_mistake,
    out_of_memory,
)
from bag_of_transfer.engine.errors import UserError, chain


class ProbeNeck(BaseModule):
    def __init__(self, width: int = 1, fails: Any = None) -> None:
        super().__init__()
        if fails == "type":
            len(3)
        if fails == "assert":
            assert width == 2, "width must be 2"
        if fails == "ours":
            raise UserError("what", "where", "mend")


@pytest.fixture(autouse=True)
def probe() -> Any:
    MODELS.register_module(name="ProbeNeck", module=ProbeNeck)
    yield
    del MODELS.module_dict["ProbeNeck"]


def told(cfg: dict[str, Any], build: Callable[[Config], Any], key: str = "the config") -> str:
    whole = Config(cfg)
    with pytest.raises(UserError) as caught, building(key, whole):
        build(whole)
    return str(caught.value)


def test_an_argument_that_a_class_does_not_take_is_told_with_those_that_it_takes() -> None:
    cfg = dict(model=dict(parts=[dict(type="ProbeNeck"), dict(type="ProbeNeck", widths=2)]))
    said = told(cfg, lambda cfg: MODELS.build(cfg.model.parts[1]))
    assert said.replace(". Did you mean 'width'?", "") == (  # Python asks so from 3.13 on
        "ProbeNeck.__init__() got an unexpected keyword argument 'widths': "
        "model.parts.1 (ProbeNeck): it takes fails, width"
    )


def test_a_missing_argument_of_a_schedule_is_told() -> None:
    cfg = dict(param_scheduler=[dict(type="ConstantLR"), dict(type="MultiStepLR", gamma=0.1)])
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    said = told(
        cfg, lambda cfg: PARAM_SCHEDULERS.build(cfg.param_scheduler[1], default_args=dict(
            optimizer=optimizer, epoch_length=1))
    )  # fmt: skip
    assert "milestones" in said
    assert ": param_scheduler.1 (MultiStep" in said


@pytest.mark.parametrize(
    ("registry", "wrong", "right"),
    [
        (MODELS, "ProbeNek", "ProbeNeck"),
        (HOOKS, "EMAHok", "EMAHook"),
        (OPTIMIZERS, "AdamWW", "AdamW"),
        (DATA_SAMPLERS, "InfinitSampler", "InfiniteSampler"),
    ],
)
def test_a_name_that_nothing_is_registered_under_is_told_with_the_nearest(
    registry: Any, wrong: str, right: str
) -> None:
    cfg = dict(here=[dict(type=wrong)])
    said = told(cfg, lambda cfg: registry.build(cfg.here[0]))
    assert said == f"no class is registered as `{wrong}`: here.0: did you mean `{right}`?"


@pytest.mark.parametrize(
    ("fails", "said"),
    [
        ("type", "TypeError, object of type 'int' has no len(): model (ProbeNeck): mend"),
        ("assert", "AssertionError, width must be 2: model (ProbeNeck): mend"),
    ],
)
def test_whatever_a_class_raises_while_it_is_built_is_told_with_it(fails: str, said: str) -> None:
    cfg = dict(model=dict(type="ProbeNeck", fails=fails))
    assert told(cfg, lambda cfg: MODELS.build(cfg.model)).startswith(said)


def test_our_own_errors_pass_as_they_are() -> None:
    cfg = dict(model=dict(type="ProbeNeck", fails="ours"))
    assert told(cfg, lambda cfg: MODELS.build(cfg.model)) == "what: where: mend"


def test_an_optimizer_that_is_looked_up_by_its_constructor_is_told() -> None:
    from mmengine.optim import build_optim_wrapper

    cfg = dict(optim_wrapper=dict(optimizer=dict(type="Adamm", lr=1)))
    said = told(
        cfg, lambda cfg: build_optim_wrapper(nn.Linear(1, 1), cfg.optim_wrapper), "optim_wrapper"
    )
    assert said.startswith("no class is registered as `Adamm`: optim_wrapper.optimizer: did you")


def test_a_bug_outside_of_what_is_built_stays_one() -> None:
    with pytest.raises(ZeroDivisionError), building("train_cfg", Config({})):
        raise ZeroDivisionError


# ---- computing ----


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.neck = nn.Sequential(nn.Conv2d(4, 2, 1))
        self.head = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor, what: str) -> Any:
        if what == "bug":
            return x.no_such_attribute
        if what == "word":
            return self.head(x, colour=1)
        return self.neck(x) if what == "neck" else self.head(x)


def mistake(x: torch.Tensor, what: str) -> UserError | None:
    network = Net()
    with pytest.raises(Exception) as caught:  # noqa: PT011  any of them
        network(x, what)
    return computing_mistake(caught.value, network)


@pytest.mark.parametrize(
    ("shape", "what", "where"),
    [
        ((1, 3, 5, 5), "neck", "model.neck.0 (Conv2d)"),
        ((1, 3), "head", "model.head (Linear)"),
        ((1, 2), "word", "model.head (Linear)"),
    ],
)
def test_the_module_that_a_library_failed_in_is_named(
    shape: tuple[int, ...], what: str, where: str
) -> None:
    error = mistake(torch.zeros(shape), what)
    assert error is not None
    assert error.where == where
    assert error.exit_code == 2
    assert len(str(error).split(": ")) == 3  # WHAT, WHERE, HOW TO MEND


def test_a_bug_in_a_module_stays_one() -> None:
    assert mistake(torch.zeros(1, 2), "bug") is None


WORKER = 'Caught KeyError in DataLoader worker process 0.\nTraceback:\n  File "{}", line 1\n{}'


@pytest.mark.parametrize(
    ("file", "is_users"),
    [("/a/site-packages/mmdet/datasets/x.py", True), ("/a/detection/datasets.py", False)],
)
def test_a_workers_error_is_the_users_if_a_library_raised_it(file: str, is_users: bool) -> None:
    error = KeyError(WORKER.format(file, "KeyError: 'gt_masks'"))
    error.args = (WORKER.format(file, "KeyError: 'gt_masks'"),)
    found = computing_mistake(RuntimeError(*error.args), Net())
    assert (found is not None) == is_users
    if found:
        assert str(found).startswith("KeyError, 'gt_masks': train_dataloader.dataset.pipeline: ")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("GET was unable to find an engine to execute this computation"),
        RuntimeError("FIND was unable to find an engine to execute this computation"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        torch.AcceleratorError("CUDA error: out of memory"),
        MemoryError(),
    ],
)
def test_full_memory_has_its_own_message(error: Exception) -> None:
    found = out_of_memory(error)
    assert found is not None
    assert str(found).startswith("out of memory")
    assert "train_dataloader.batch_size: make batch_size smaller" in str(found)
    assert out_of_memory(RuntimeError("broken")) is None


def test_a_librarys_call_of_pythons_own_modules_is_the_librarys() -> None:
    from mmengine.runner import get_priority

    cfg = dict(custom_hooks=[dict(type="EMAHook", priority="FOO")])
    said = told(cfg, lambda cfg: get_priority(cfg.custom_hooks[0].priority), "custom_hooks")
    assert said.startswith("KeyError, 'FOO': custom_hooks: mend")


def test_a_part_that_is_built_late_is_told_with_its_key() -> None:
    cfg = Config(dict(custom_hooks=[dict(type="EMAHook", ema_type="EMAs")]))
    with pytest.raises(KeyError) as caught:
        MODELS.build(dict(type="EMAs"))
    told = late_building_mistake(caught.value, cfg)
    assert told is not None
    assert str(told).startswith("no class is registered as `EMAs`")
    assert late_building_mistake(KeyError("x"), cfg) is None


def test_an_argument_that_only_the_step_finds_is_told_with_the_optimizer() -> None:
    net = Net()
    wrapper = OptimWrapper(torch.optim.SGD(net.parameters(), lr=0.1), clip_grad=dict(max_nrm=1))
    with pytest.raises(TypeError) as caught:
        wrapper.update_params(net(torch.ones(1, 2), "head").sum())
    found = computing_mistake(caught.value, net)
    assert found is not None
    assert ": optim_wrapper (OptimWrapper): " in str(found)


def test_an_error_that_has_caused_its_own_cause_comes_once() -> None:
    first, second = ValueError("first"), TypeError("second")
    first.__cause__, second.__cause__ = second, first
    assert list(chain(first)) == [first, second]
