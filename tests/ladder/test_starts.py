"""What a task's config says against the network of a pretraining is told before the pretraining."""

from pathlib import Path

import pytest
from mmengine.model import ImgDataPreprocessor
from mmengine.registry import MODELS
from torch import nn

from bag_of_transfer.classification.preprocessor import ClassificationPreprocessor
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.plan import starts
from bag_of_transfer.ladder.plan.spec import read_ladder

ROOT = Path(__file__).resolve().parents[2]
CLS = ROOT / "configs/classification/resnet18-d_tiny.py"
DET = ROOT / "configs/detection/faster-rcnn_fpn_tiny.py"
WIDTH, MEAN = "model.backbone.base_channels", "model.data_preprocessor.mean"
NORM = "model.backbone.norm_cfg"


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)

    def from_parts(rung="", task="", rest=""):
        path = tmp_path / "mine.py"
        rungs = f"rungs = dict(a=dict(config={str(CLS)!r}, {rung}))\n"
        tasks = f"tasks = dict(t=dict(config={str(DET)!r}, {task}))\n"
        path.write_text(f"{rungs}{tasks}seeds = [0]\n{rest}")
        return read_ladder(path)

    return from_parts


@pytest.mark.parametrize(
    ("rung", "task", "rest", "told"),
    [
        ("", f"cfg_options=['{WIDTH}=16']", "", f"sets 16, but .* needs 8: .*rungs.a .{WIDTH}."),
        (f"cfg_options=['{WIDTH}=24']", f"cfg_options=['{WIDTH}=8']", "", "sets 8, .* needs 24"),
        (f"tune={{'{WIDTH}': [8, 12]}}", f"cfg_options=['{WIDTH}=8']", "", "sets 8, .* needs 12"),
        (f"task_options=['{MEAN}=[1,2,3]']", "", "", rf"sets \[1, 2, 3\], .*rungs.a .{MEAN}."),
        (
            "",
            "",
            f"tune = dict(t={{'{WIDTH}': [8, 16]}})\n",
            f"sets 16, but .* needs 8: .*: tune.t, rungs.a .{WIDTH}.",
        ),
        (
            f"cfg_options=['{NORM}.type=GN', '{NORM}.num_groups=4']",
            f"cfg_options=['{NORM}.type=BN']",
            "",
            "normalises by BN, the file's by GN",
        ),
    ],
)
def test_another_network_than_the_pretrainings_is_refused(read, rung, task, rest, told):
    with pytest.raises(UserError, match=told):
        read(rung, task, rest)


@MODELS.register_module()
class NobodysNetwork(nn.Conv2d):
    """One convolution, which a classifier can be trained with."""

    def __init__(self):
        super().__init__(3, 8, 1)
        self.out_channels, self.out_indices = (8,), (0,)


@MODELS.register_module()
class ErasingPreprocessor(ClassificationPreprocessor):
    """Could erase a square of each image."""


@MODELS.register_module()
class NobodysPreprocessor(ImgDataPreprocessor):
    """Says nothing of the channels."""


@pytest.fixture
def cards(monkeypatch):
    """Keep the cards of the backbones that tasks are checked with."""
    kept, apply = [], starts.apply_backbone
    monkeypatch.setattr(
        starts,
        "apply_backbone",
        lambda cfg, start, keys: kept.append(start.card) or apply(cfg, start, keys),
    )
    return kept


def test_the_order_of_channels_is_what_the_class_of_the_preprocessor_says(read, cards):
    kind = "model.data_preprocessor.type"
    read(f"cfg_options=['{kind}=ErasingPreprocessor']")
    assert [card.channel_order for card in cards] == ["RGB"]
    with pytest.raises(UserError, match="whether NobodysPreprocessor gives the network RGB or BGR"):
        read(f"cfg_options=['{kind}=NobodysPreprocessor']")


def test_a_single_mean_is_handed_over_for_every_channel_and_a_wrong_card_is_told(read, cards):
    std = "model.data_preprocessor.std"
    read(f"cfg_options=['{MEAN}=[115]', '{std}=[57]']")
    assert [(card.mean, card.std) for card in cards] == [([115] * 3, [57] * 3)]
    with pytest.raises(
        UserError, match=r"the card's mean, std and in_channels disagree: .*rungs.a"
    ):
        read(f"cfg_options=['{MEAN}=[1,2]', '{std}=[1,2]']")


@pytest.mark.parametrize(
    ("options", "task", "told"),
    [
        (
            ["model.backbone.num_stages=3", "model.backbone.out_indices=[2]"],
            DET,
            r"25 of 110 tensors do not fit .*tasks.t, rungs.a .model.backbone.",
        ),
        (
            ["model.backbone.in_channels=1", f"{MEAN}=[115]", "model.data_preprocessor.std=[57]"],
            ROOT / "configs/segmentation/fcn_d8_voc2012.py",
            r"PhotoMetricDistortion changes colours, .* 1 channels .*tasks.t, rungs.a .*pipeline",
        ),
        ([f"{NORM}.type=BN", f"{NORM}.eps=0.001"], f"{NORM}.eps=1e-5", "needs 0.001"),
    ],
)
def test_what_the_pretrainings_network_and_the_task_do_not_share_is_told(read, options, task, told):
    config = f"cfg_options=[{task!r}]" if isinstance(task, str) else f"config={str(task)!r}"
    rest = f"tasks['t'].update({config})\n"
    with pytest.raises(UserError, match=told):
        read(f"cfg_options={options!r}", rest=rest)


def test_three_stages_are_enough_where_a_task_takes_three(read, tmp_path):
    options = ["model.backbone.num_stages=3", "model.backbone.out_indices=[2]"]
    own = tmp_path / "three.py"
    neck = "neck=dict(in_channels=[8, 16, 32])"
    own.write_text(
        f"_base_ = [{str(DET)!r}]\n"
        f"model = dict(backbone=dict(num_stages=3, out_indices=(0, 1, 2)), {neck})\n"
    )
    ladder = read(f"cfg_options={options!r}", rest=f"tasks['t'].update(config={str(own)!r})\n")
    assert [task.config for task in ladder.tasks] == [own]


@pytest.mark.parametrize("teaches", ["", "teaches_only=True"])
def test_a_classifier_that_cannot_be_handed_over_is_refused(read, tmp_path, teaches):
    own = tmp_path / "own.py"
    backbone = "dict(_delete_=True, type='NobodysNetwork')"
    own.write_text(f"_base_ = [{str(CLS)!r}]\nmodel = dict(backbone={backbone})\n")
    rest = f"rungs['b'] = dict(config={str(own)!r}, {teaches})\n"
    with pytest.raises(UserError, match=r"mine.py: rungs.b \(.*own.py\): only these") as told:
        read(rest=rest)
    assert "NobodysNetwork is neither a ResNet" in told.value.what


def test_rungs_of_one_network_are_checked_once(read, monkeypatch):
    check, calls = starts._check, []
    monkeypatch.setattr(starts, "_check", lambda *args: calls.append(args) or check(*args))
    same, other = (
        f"dict(config={str(CLS)!r})",
        f"dict(config={str(CLS)!r}, cfg_options=['{WIDTH}=4'])",
    )
    rest = f"rungs.update(same={same}, other={other}, scratch=None, too=None)\n"
    assert len(read(rest=rest).rungs) == 5
    assert [(rung.name, getattr(start, "card", start)) for _, rung, start, *_ in calls] == [
        ("a", calls[0][2].card),
        ("other", calls[1][2].card),
        ("scratch", "scratch"),
    ]
    assert [calls[i][2].card.base_channels for i in (0, 1)] == [8, 4]
