"""The learning rate of every full-length segmentation recipe, worked out by hand."""

from itertools import pairwise
from pathlib import Path

import mmseg.models  # noqa: F401
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope

import backbones  # noqa: F401
import bag_of_transfer.engine.schedules  # noqa: F401
from bag_of_transfer.engine.config.num_classes import fill_num_classes
from bag_of_transfer.engine.lr import apply_lr_rule
from bag_of_transfer.engine.run.launch import replace_sync_bn
from tests.lr_curves import lr_curve

CONFIGS = Path(__file__).resolve().parents[2] / "configs/segmentation"
PER_EPOCH = 1263  # ADE20K's 20,210 images in full batches of 16: 20210 // 16
BATCHES = {
    "fcn_d8_paper_ade20k": 151_560,  # 120 x 1263
    "fcn_d8_160k_ade20k": 160_000,
    "fcn_d8_voc2012": 20_000,
}
# (1 - t / (T - 1)) ** 0.9 at batch t of T, counted from 0; mmengine ends at the last batch.
# 0.5 ** 0.9 = 0.5358867; at t = T / 2, 1 - t / (T - 1) = 0.5 (1 - 1 / (T - 1)): times 1 - 0.9 / T.
RATES = {
    # 0.01 x 0.535884; to 0
    ("fcn_d8_paper_ade20k", "backbone"): (0.01, 0.00535884, 0.0),
    # ten times that
    ("fcn_d8_paper_ade20k", "decode_head"): (0.1, 0.0535884, 0.0),
    ("fcn_d8_paper_ade20k", "auxiliary_head"): (0.1, 0.0535884, 0.0),
    # 0.0001 + 0.0099 x 0.535884; to 0.0001; one rate for all
    ("fcn_d8_160k_ade20k", "backbone"): (0.01, 0.00540525, 0.0001),
    ("fcn_d8_160k_ade20k", "decode_head"): (0.01, 0.00540525, 0.0001),
    ("fcn_d8_160k_ade20k", "auxiliary_head"): (0.01, 0.00540525, 0.0001),
    # 0.0001 + 0.0099 x 0.535862
    ("fcn_d8_voc2012", "backbone"): (0.01, 0.00540504, 0.0001),
    ("fcn_d8_voc2012", "decode_head"): (0.01, 0.00540504, 0.0001),
    ("fcn_d8_voc2012", "auxiliary_head"): (0.01, 0.00540504, 0.0001),
}


def read(name: str) -> Config:
    return Config.fromfile(CONFIGS / f"{name}.py")


@pytest.mark.parametrize("name", BATCHES)
@pytest.mark.parametrize(("gpus", "per_gpu"), [(4, 4), (1, 16)])
def test_lr_is_stated_for_sixteen_images(name: str, gpus: int, per_gpu: int) -> None:
    cfg = read(name)
    assert cfg.train_dataloader.batch_size == 4
    cfg.train_dataloader.batch_size = per_gpu
    assert apply_lr_rule(cfg, world_size=gpus) == "lr 0.01 = 0.01 x 16 / 16"


def first_rates(cfg: Config) -> dict[str, set[float]]:
    """Return the rates that the optimiser of a slim network gives to its three parts."""
    cfg.model.backbone.update(depth=18, stem_channels=8, base_channels=8)
    cfg.model.decode_head.update(in_channels=64, channels=8)
    cfg.model.auxiliary_head.update(in_channels=32, channels=8)
    replace_sync_bn(cfg)
    fill_num_classes(cfg, ("a", "b"))
    with DefaultScope.overwrite_default_scope("mmseg"):
        model = MODELS.build(cfg.model)
        groups = build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    of = {id(one): group["lr"] for group in groups for one in group["params"]}
    measured: dict[str, set[float]] = {}
    for name, parameter in model.named_parameters():
        measured.setdefault(name.partition(".")[0], set()).add(round(of[id(parameter)], 9))
    assert all(
        group["weight_decay"] == cfg.optim_wrapper.optimizer.weight_decay for group in groups
    )
    return measured


@pytest.mark.parametrize("name", BATCHES)
def test_first_halfway_and_last_batch(name: str) -> None:
    cfg, num_batches = read(name), BATCHES[name]
    epochs = cfg.train_cfg.get("max_epochs", 1)
    assert num_batches == (epochs * PER_EPOCH if epochs > 1 else cfg.train_cfg.max_iters)
    measured = first_rates(cfg)
    assert measured.keys() == {"backbone", "decode_head", "auxiliary_head"}
    for part, rates in measured.items():
        (lr,) = rates  # all parameters of a part have one rate
        curve = cached(name, lr, epochs, num_batches // epochs)
        assert len(curve) == num_batches
        first, half, last = RATES[name, part]
        assert curve[0] == pytest.approx(first, rel=1e-9)
        assert curve[num_batches // 2] == pytest.approx(half, rel=2e-6)
        assert curve[-1] == pytest.approx(last, rel=1e-6, abs=1e-12)
        assert all(a > b for a, b in pairwise(curve))


CURVES: dict[tuple[str, float], list[float]] = {}


def cached(name: str, lr: float, epochs: int, per_epoch: int) -> list[float]:
    if (name, lr) not in CURVES:
        schedulers = read(name).param_scheduler
        CURVES[name, lr] = lr_curve(schedulers, lr, epochs, per_epoch)
    return CURVES[name, lr]


def test_groups_of_different_rates_keep_their_ratio() -> None:
    """The schedule starts at each group's own rate: a head's stays ten times as high."""
    from mmengine.registry import PARAM_SCHEDULERS

    (poly,) = read("fcn_d8_paper_ade20k").param_scheduler
    groups = [{"params": [torch.zeros(1)], "lr": lr} for lr in (0.01, 0.1)]
    optimizer = torch.optim.SGD(groups)
    optimizer._global_step = 0
    scheduler = PARAM_SCHEDULERS.build(
        {"end": 2, **poly}, default_args={"optimizer": optimizer, "epoch_length": 5}
    )
    for batch in range(10):
        low, high = (group["lr"] for group in optimizer.param_groups)
        assert low == pytest.approx(0.01 * (1 - batch / 9) ** 0.9, abs=1e-12)
        assert high == pytest.approx(10 * low, abs=1e-12)
        scheduler.step()
