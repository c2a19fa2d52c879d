"""A backbone that is frozen first changes neither weights nor statistics, and then trains."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.config import Config
from torch import nn

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.loop.freeze_first import FreezeBackboneFirst
from bag_of_transfer.engine.recipe import recipe_of

BATCHES = 3


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.BatchNorm1d(4))
        self.backbone[0].requires_grad_(False)  # as frozen_stages does
        self.head = nn.Linear(4, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(inputs))


def runner(**changes: Any) -> Any:
    cfg = Config(dict(load_from="a.pth", model=dict(backbone=dict(type="ResNetD"))))
    cfg.update(changes)
    loop = SimpleNamespace(run_epoch=None)
    return SimpleNamespace(
        model=Network(), cfg=cfg, train_loop=loop, epoch=0, iter=0, max_epochs=4, max_iters=12
    )


def train(hook: FreezeBackboneFirst, run: Any) -> list[bool]:
    """Train to the end as the loop does; return for each step whether the backbone changed."""
    optimizer = torch.optim.SGD(run.model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    changed = []
    hook.before_train(run)
    while run.epoch < run.max_epochs:
        run.model.train()
        for _ in range(BATCHES):
            before = [tensor.clone() for tensor in run.model.backbone.state_dict().values()]
            hook.before_train_iter(run, batch_idx=0)
            run.model(torch.randn(5, 4)).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
            now = run.model.backbone.state_dict().values()
            changed.append(not all(map(torch.equal, before, now)))
            run.iter += 1
        run.epoch += 1
    return changed


@pytest.mark.parametrize(
    ("length", "frozen"), [({"epochs": 2}, 6), ({"iters": 4}, 4), ({"iters": 1}, 1)]
)
def test_the_backbone_stays_as_it_is_first(length: dict[str, int], frozen: int) -> None:
    run = runner()
    stem = run.model.backbone[0].weight.clone()
    assert train(FreezeBackboneFirst(**length), run) == [False] * frozen + [True] * (12 - frozen)
    assert run.model.backbone.training
    assert torch.equal(run.model.backbone[0].weight, stem)  # which frozen_stages freezes for good


@pytest.mark.parametrize(("epoch", "frozen"), [(1, 3), (2, 0)])
def test_a_resumed_run_freezes_what_is_left(epoch: int, frozen: int) -> None:
    run = runner()
    run.epoch, run.iter = epoch, epoch * BATCHES
    assert train(FreezeBackboneFirst(epochs=2), run).count(False) == frozen


@pytest.mark.parametrize("given", [{}, {"epochs": 0}, {"epochs": 1, "iters": 1}, {"iters": True}])
def test_a_length_is_given_once(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give epochs or iters"):
        FreezeBackboneFirst(**given)


def test_random_weights_are_not_frozen() -> None:
    with pytest.raises(UserError, match="random weights"):
        FreezeBackboneFirst(epochs=1).before_train(runner(load_from=None))


def test_a_file_or_init_cfg_brings_weights() -> None:
    FreezeBackboneFirst(epochs=1).before_train(
        runner(load_from=None, backbone_file=dict(sha256="0"))
    )
    stated = dict(backbone=dict(init_cfg=dict(type="Pretrained", checkpoint="a.pth")))
    FreezeBackboneFirst(epochs=1).before_train(runner(load_from=None, model=stated))


@pytest.mark.parametrize("given", [{"epochs": 4}, {"iters": 12}])
def test_it_has_to_end_before_the_training(given: dict[str, int]) -> None:
    with pytest.raises(UserError, match="frozen until the end"):
        FreezeBackboneFirst(**given).before_train(runner())


def test_epochs_are_not_counted_by_every_loop() -> None:
    run = runner()
    run.train_loop = SimpleNamespace()
    with pytest.raises(UserError, match="counts no epochs"):
        FreezeBackboneFirst(epochs=1).before_train(run)


def test_several_processes_have_to_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bag_of_transfer.engine.loop.freeze_first.get_world_size", lambda: 2)
    with pytest.raises(UserError, match="several processes"):
        FreezeBackboneFirst(epochs=1).before_train(runner())
    FreezeBackboneFirst(epochs=1).before_train(runner(find_unused_parameters=True))


def test_a_resumed_run_may_not_change_it() -> None:
    cfg = Config(
        dict(
            train_dataloader=dict(batch_size=1),
            train_cfg=dict(max_epochs=4),
            optim_wrapper=dict(),
            custom_hooks=[dict(type="FreezeBackboneFirst", epochs=2)],
        )
    )
    assert recipe_of(cfg)["custom_hooks"] == [{"type": "FreezeBackboneFirst", "epochs": 2}]
