"""A training and an evaluation step of every row of the paper, on drawn images, on a CPU."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS
from mmengine.runner import Runner

import backbones  # noqa: F401  registers the networks
from bag_of_transfer.engine.config.config_file import load_config
from bag_of_transfer.engine.config.num_classes import fill_num_classes
from bag_of_transfer.engine.config.overrides import apply_overrides
from bag_of_transfer.engine.data.data_sets import build_dataset
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.loop.precision import apply_precision
from bag_of_transfer.engine.tasks import Phase

CONFIGS = Path(__file__).parents[2] / "configs/classification"
LEAVES = sorted(path.stem for path in CONFIGS.glob("*_8xb*.py"))


def test_no_leaf_is_lost() -> None:
    assert len(LEAVES) == 37


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkpoint of a small network, as tools/train_cls.py writes it."""
    cfg = Config.fromfile(CONFIGS / "resnet152-d_cosine-lbs_8xb64_in1k.py")
    cfg.model.backbone.update(depth=18, base_channels=4, stem_channels=4)
    cfg.model.head.num_classes = 3
    path = tmp_path_factory.mktemp("teacher") / "epoch_1.pth"
    described = json.dumps(cfg.model.to_dict())
    state = MODELS.build(cfg.model).state_dict()
    torch.save(dict(meta=dict(model_json=described), state_dict=state), path)
    return path


@pytest.fixture
def small(
    draw_folder: Callable[..., Path], teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Config]:
    """Shrink the leaf by overrides: three classes, few pixels, narrow where possible."""
    names = ["bars", "checks", "dots"]
    for split in ("train", "val"):
        for folder in ("imagenet", "places365"):
            root = draw_folder(f"{folder}/{split}", names)
    monkeypatch.setenv("DATA_ROOT", str(root.parents[1]))

    def load(stem: str) -> Config:
        crop, resize = (80, 92) if stem.startswith("inception") else (48, 56)
        options = {
            "model.head.num_classes": 3,
            "train_dataloader.batch_size": 4,
            "train_dataloader.dataset.pipeline.0.size": crop,
            "val_dataloader.dataset.pipeline.0.size": resize,
            "val_dataloader.dataset.pipeline.1.size": crop,
        }
        for loader in ("train_dataloader", "val_dataloader"):
            options |= {f"{loader}.num_workers": 0, f"{loader}.persistent_workers": False}
        if stem.startswith("resnet"):
            options |= {"model.backbone.base_channels": 8, "model.backbone.stem_channels": 8}
        if "distill" in stem:
            options["model.distillation.teacher.checkpoint"] = str(teacher)
        return load_config(CONFIGS / f"{stem}.py", Phase.PRETRAINING, options=options)[0]

    return load


# The rows between a network's first and last differ from them in one trick each, and those of
# ResNet-B in the network, of which tests/backbones has all variants.
ENDS = ("baseline", "distill-mixup", "c_efficient", "amp", "mixup-200e_8xb128_places365", "152")
BETWEEN = [stem for stem in LEAVES if not any(word in stem for word in ENDS) or "50-b" in stem]


@pytest.mark.usefixtures("without_default_init")
@pytest.mark.parametrize(
    "stem",
    [pytest.param(stem, marks=[pytest.mark.slow] if stem in BETWEEN else []) for stem in LEAVES],
)
def test_leaf_takes_a_training_and_an_evaluation_step(
    stem: str, small: Callable[[str], Config]
) -> None:
    cfg = small(stem)
    apply_precision(cfg, "off")
    dataset = build_dataset(cfg.train_dataloader.dataset, "mmengine")
    fill_num_classes(cfg, dataset.metainfo["classes"])
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).train()
    model.init_weights()
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    (batch,) = Runner.build_dataloader(cfg.train_dataloader)  # 6 images, 4 a batch, drop_last
    losses = model.train_step(batch, wrapper)
    assert losses["loss"].isfinite()
    still = [name for name, p in model.named_parameters() if torch.equal(p, before[name])]
    # At gamma 0 no gradient passes into a residual branch: it moves from the second step on.
    zero_gamma = cfg.model.backbone.get("zero_init_residual", False)
    branch = (".conv1.", ".conv2.", ".conv3.", ".bn1.", ".bn2.")
    assert all(zero_gamma and any(part in name for part in branch) for name in still)
    assert ("loss_soft" in losses) == ("distill" in stem)

    model.eval()
    val = Runner.build_dataloader(cfg.val_dataloader)
    evaluator = Evaluator(cfg.val_evaluator)
    with torch.no_grad():
        for batch in val:
            evaluator.process(data_samples=model.val_step(batch), data_batch=batch)
    metrics = evaluator.evaluate(len(val.dataset))
    assert 0 <= metrics["top1"] <= metrics["top5"] == 100  # of three classes


def test_fp16_is_the_configs_word_and_a_cpu_says_what_to_do(
    small: Callable[[str], Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="use bf16 or off"):
        apply_precision(small("resnet50_efficient_8xb128_in1k"), "auto")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    cfg = small("resnet50_efficient_8xb128_in1k")
    apply_precision(cfg, "auto")
    assert cfg.optim_wrapper.type == "AmpOptimWrapper"
    assert cfg.optim_wrapper.dtype == "float16"
    cfg = small("resnet50_baseline_8xb32_in1k")
    apply_precision(cfg, "auto")
    assert cfg.optim_wrapper.type == "OptimWrapper"


def test_what_a_config_says_of_its_row_disturbs_no_override(
    small: Callable[[str], Config],
) -> None:
    cfg = small("resnet50-d_cosine_8xb128_in1k")
    apply_overrides(cfg, ["rows.0.published.top1=77.5", "compare_to=None"])
    assert (cfg.rows[0].published.top1, cfg.compare_to) == (77.5, None)
    for typo in ("row.0.table=T1", "compare=None", "rows.1.table=T1", "trian_cfg.max_epochs=1"):
        with pytest.raises(UserError, match="exists nowhere"):
            apply_overrides(cfg, [typo])
