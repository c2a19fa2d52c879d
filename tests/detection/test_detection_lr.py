"""The learning rate of every full-length recipe at the batches that matter, worked out by hand."""

from pathlib import Path

import pytest
from mmengine.config import Config

import bag_of_transfer.engine.schedules  # noqa: F401  registers the warm-up of other leaves
from bag_of_transfer.engine.lr import apply_lr_rule
from tests.lr_curves import lr_curve

CONFIGS = Path(__file__).parents[2] / "configs/detection"
SHORT = ("demo", "tiny", "photographs", "own-voc", "own-coco", "own-yolo")  # not full-length
GPUS = 8


def curve(
    stem: str, gpus: int, per_epoch: int, message: str, per_gpu: int | None = None
) -> list[float]:
    """Return the rates of all batches after the lr rule."""
    cfg = Config.fromfile(CONFIGS / f"{stem}.py", import_custom_modules=False)
    cfg.train_dataloader.batch_size = per_gpu or cfg.train_dataloader.batch_size
    assert apply_lr_rule(cfg, world_size=gpus) == message
    epochs = cfg.train_cfg.max_epochs
    return lr_curve(cfg.param_scheduler, cfg.optim_wrapper.optimizer.lr, epochs, per_epoch)


def check(rates: list[float], expected: dict[int, float]) -> None:
    """Compare with ``{batch counted from 1: rate}``."""
    measured = {batch: rates[batch - 1] for batch in expected}
    assert measured == pytest.approx(expected, rel=1e-6)


def test_every_recipe_is_looked_at() -> None:
    stems = {path.stem for path in CONFIGS.glob("*.py") if not path.stem.endswith(SHORT)}
    assert stems == {
        *("faster-rcnn_c4_paper_voc", "faster-rcnn_fpn_1x_voc"),
        *("faster-rcnn_fpn_1x_coco", "faster-rcnn_fpn_2x_coco"),
    }


@pytest.mark.parametrize(("gpus", "per_gpu"), [(1, None), (4, 1)])
def test_c4_warms_up_from_a_third_and_drops_once(gpus: int, per_gpu: int | None) -> None:
    # 16,551 images, 4 a batch: 4137.75, so 4138; on 4 GPUs 4138 each, an image a batch.
    message = "lr 0.001 = 0.001 x 4 / 4"
    rates = curve("faster-rcnn_c4_paper_voc", gpus, 4138, message, per_gpu)
    assert len(rates) == 82_760  # 20 x 4138
    check(
        rates,
        {
            # Detectron: (1/3)(1 - a) + a times lr with a = (batch - 1) / 500
            1: 0.001 / 3,  # a = 0
            251: 0.001 * 2 / 3,  # a = 1/2: 1/6 + 1/2
            500: 0.001 * 1498 / 1500,  # a = 499/500: 1/1500 + 1497/1500
            501: 0.001,  # a = 1
            502: 0.001,
            41_380: 0.001,  # halfway: 10 epochs
            57_932: 0.001,  # the last of epoch 14: 14 x 4138
            57_933: 0.0001,
            82_760: 0.0001,
        },
    )
    assert max(rates) == pytest.approx(0.001)


def test_voc_with_fpn_has_no_warm_up_and_one_drop() -> None:
    # 16,551 - 501 held out = 16,050 images; 16,050 / 8 GPUs = 2006.25, filled up to 2007; 2 a
    # batch: 1003.5, so 1004.
    rates = curve("faster-rcnn_fpn_1x_voc", GPUS, 1004, "lr 0.01 = 0.01 x 16 / 16")
    assert len(rates) == 12_048  # 12 x 1004
    check(
        rates,
        {
            1: 0.01,
            2: 0.01,
            6024: 0.01,  # halfway: 6 epochs
            9036: 0.01,  # the last of epoch 9: 9 x 1004
            9037: 0.001,
            12_048: 0.001,
        },
    )
    assert len({round(rate, 9) for rate in rates}) == 2


# 118,287 - 4,928 held out (every 24th) = 113,359 images, before those without a box are left out,
# which makes an epoch shorter and moves nothing within it; / 8 GPUs = 14,169.9, filled up to
# 14,170; 2 a batch: 7085.
COCO = 7085


@pytest.mark.parametrize(
    ("stem", "total", "drops"),
    [
        # 12 x 7085; 8 x 7085 and 11 x 7085
        ("faster-rcnn_fpn_1x_coco", 85_020, (56_680, 77_935)),
        # 24 x 7085; 16 x 7085 and 22 x 7085
        ("faster-rcnn_fpn_2x_coco", 170_040, (113_360, 155_870)),
    ],
)
def test_coco_warms_up_over_500_batches_and_drops_twice(
    stem: str, total: int, drops: tuple[int, int]
) -> None:
    rates = curve(stem, GPUS, COCO, "lr 0.02 = 0.02 x 16 / 16")
    assert len(rates) == total
    first, second = drops
    check(
        rates,
        {
            # mmdet's LinearLR: 0.001 + 0.999 (batch - 1) / 499 times lr
            1: 0.00002,
            250: 0.02 * (0.001 + 0.999 * 249 / 499),
            500: 0.02,
            501: 0.02,
            total // 2: 0.02,
            first: 0.02,
            first + 1: 0.002,
            second: 0.002,
            second + 1: 0.0002,
            total: 0.0002,
        },
    )


def test_one_gpu_trains_coco_at_an_eighth_of_the_rate() -> None:
    cfg = Config.fromfile(CONFIGS / "faster-rcnn_fpn_1x_coco.py", import_custom_modules=False)
    assert apply_lr_rule(cfg, world_size=1) == "lr 0.0025 = 0.02 x 2 / 16"
