"""The knobs: each is written to where it takes effect, and what nothing reads is refused."""

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

import bag_of_transfer.classification
import bag_of_transfer.detection
import bag_of_transfer.segmentation  # noqa: F401  the three register their classes
from bag_of_transfer.engine.config.config_file import load_config, read_config, resolved_config
from bag_of_transfer.engine.config.config_sources import config_sources, places_of
from bag_of_transfer.engine.config.config_vocabulary import known_children
from bag_of_transfer.engine.config.json_config import dump_config
from bag_of_transfer.engine.config.knob_names import ALL_NAMES, KNOBS, SYNONYMS
from bag_of_transfer.engine.config.knobs import OURS, follow_options, left_lines
from bag_of_transfer.engine.config_nodes import nodes
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.recipe import differences
from bag_of_transfer.engine.stock_configs import config_path
from bag_of_transfer.engine.tasks import Phase

CONFIGS = Path(__file__).parents[2] / "configs"
LEAVES = sorted(
    path
    for folder in ("classification", "detection", "segmentation")
    for path in (CONFIGS / folder).glob("*.py")
)
# One of each data base and each schedule; the others share theirs.
DIFFERENT = {
    *("resnet18-d_demo", "resnet18-d_tiny", "resnet18-d-slim_own-images"),
    *("faster-rcnn_c4_paper_voc", "faster-rcnn_fpn_photographs"),
    *("fcn_d8_160k_ade20k", "fcn_d8_photographs"),
}
CLS = CONFIGS / "classification/resnet50-d_own-images.py"
DET = CONFIGS / "detection/faster-rcnn_fpn_own-voc.py"
SEG = CONFIGS / "segmentation/fcn_d8_own-masks.py"
PAPER_SEG = CONFIGS / "segmentation/fcn_d8_paper_ade20k.py"
ITERS = CONFIGS / "segmentation/fcn_d8_voc2012.py"


@cache
def _read(path: Path) -> Config:
    return resolved_config(path)


_sources = cache(config_sources)


def with_knobs(path: Path, **knobs: Any) -> Config:
    """Return a shipped config with knobs of the command line; it is read once."""
    cfg = copy.deepcopy(_read(path))
    cfg.merge_from_dict(knobs)
    follow_options(cfg, set(knobs), _sources(path))
    return cfg


def changed(path: Path, **knobs: Any) -> dict[str, Any]:
    """Return what knobs change in a config, apart from the names that hold them."""
    now = with_knobs(path, **knobs).to_dict()
    found = differences(_read(path).to_dict(), now)
    return {change.key: change.now for change in found if change.key not in ALL_NAMES}


@pytest.fixture
def own(tmp_path: Path) -> Callable[..., Path]:
    """Write a config of a user's on another one."""

    def write(base: Path, text: str, name: str = "own") -> Path:
        path = tmp_path / f"{name}.py"
        path.write_text(f'_base_ = ["{base}"]\n{text}\n')
        return path

    return write


# ---- every name of every config ----


def test_every_name_of_every_config_is_a_knob_or_read_or_refused_with_the_key_that_works() -> None:
    refused, knobs = set(), set()
    for path in LEAVES:
        sources = _sources(path)
        scope = {"classification": "mmengine", "detection": "mmdet"}.get(path.parent.name, "mmseg")
        read = (known_children("", {}, scope) or frozenset()) | OURS
        names = {name for source in sources for name in source.names}
        knobs |= names & ALL_NAMES
        for name in names - read - ALL_NAMES:
            with pytest.raises(UserError, match=f"^`{name}` changes nothing") as caught:
                follow_options(Config(dict(default_scope=scope)), {name}, sources)
            for place in places_of(name, sources):
                assert place.partition(".")[0] in read, (name, place)
            assert caught.value.mend.startswith("set ")
            assert "it was used for" not in caught.value.mend, name
            refused.add(name)
    assert len(LEAVES) == 77
    assert {"data_root", "classes", "image_scale", "num_epochs", "crop_size", "max_iters"} <= knobs
    assert {
        "norm_cfg",
        "train_pipeline",
        "own",
        "splits",
        "warmup_epochs",
        "vis_backends",
    } < refused


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[] if path.stem in DIFFERENT else [pytest.mark.slow])
        for path in LEAVES
    ],
)
def test_each_knob_takes_effect_in_each_config(path: Path) -> None:
    by_iters = "max_iters" in _read(path).train_cfg
    values = dict(data_root="/elsewhere", classes=["cat", "dog"], image_size=40, batch_size=3)
    values |= dict(lr=0.123) | (dict(max_iters=77) if by_iters else dict(epochs=77))
    assert {*values, "epochs", "max_iters"} == set(KNOBS)
    for name, value in values.items():
        followed = changed(path, **{name: value})
        assert any(key.startswith("train") or key.endswith(".lr") for key in followed), name
        for split in ("val", "test"):
            loader = f"{split}_dataloader"
            if name in ("data_root", "classes") and loader in _read(path):
                assert any(key.startswith(loader) for key in followed), (name, split)
    stated = {name for source in _sources(path) for name in source.names}
    for name in stated & SYNONYMS.keys():
        assert changed(path, **{name: 41}) == changed(path, **{SYNONYMS[name]: 41})


def test_the_key_that_works_is_a_key_of_the_config() -> None:
    for path in (PAPER_SEG, DET, CONFIGS / "classification/resnet18-d_demo.py"):
        keys = dict(nodes(_read(path).to_dict()))
        for name in {name for source in _sources(path) for name in source.uses}:
            for place in places_of(name, _sources(path)):
                assert place in keys or place == name, place


@pytest.mark.parametrize("path", [CLS, DET, PAPER_SEG], ids=lambda path: path.stem)
def test_a_config_without_knobs_resolves_to_what_its_files_say(path: Path) -> None:
    assert _read(path).to_dict() == read_config(path).to_dict()


# ---- what follows from each ----


def test_a_list_that_was_replaced_by_a_shorter_one_is_told_as_it_is(
    own: Callable[..., Path],
) -> None:
    hooks = '[dict(type="EpochSeed"), dict(type="ExactState")]'
    base = own(CLS, f"custom_hooks = {hooks}", "base")
    leaf = own(base, 'custom_hooks = [dict(type="EpochSeed")]', "leaf")
    explicit = load_config(leaf, Phase.PRETRAINING)[1]
    assert any("base.py sets custom_hooks.0.type='EpochSeed'" in line for line in explicit.lines)
    cfg, _ = load_config(leaf, Phase.PRETRAINING, options=["custom_hooks=[]"])
    assert cfg.custom_hooks == []


def test_a_classifier_is_trained_and_evaluated_at_the_size_and_resized_in_proportion() -> None:
    assert changed(CLS, image_size=299) == {
        "train_dataloader.dataset.pipeline.0.size": 299,
        "val_dataloader.dataset.pipeline.0.size": 342,  # 256 / 224 x 299
        "val_dataloader.dataset.pipeline.1.size": 299,
    }
    tiny = with_knobs(CONFIGS / "classification/resnet18-d_tiny.py", image_size=40)
    assert tiny.val_dataloader.dataset.pipeline[0].size == (40, 40)


def test_a_detector_resizes_to_the_long_and_short_side_in_every_pipeline() -> None:
    cfg = with_knobs(DET, image_size=[640, 400])
    assert cfg.train_dataloader.dataset.pipeline[2].scale == (640, 400)
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        assert loader.dataset.pipeline[1].scale == (640, 400)
    assert cfg.tta_pipeline[1].transforms[0][0].scale == (640, 400)


def test_a_segmenters_crop_is_width_and_height_and_everything_keeps_its_ratio() -> None:
    cfg = with_knobs(PAPER_SEG, image_size=(240, 120))
    resize, crop, pad = (cfg.train_dataloader.dataset.pipeline[index] for index in (2, 3, 5))
    assert (crop.crop_size, pad.size) == ((120, 240), (240, 120))
    assert resize.scale == (13000, 130)  # the short side 520 of a crop of 480
    assert resize.ratio_range == (0.5, 2.0)
    assert cfg.model.data_preprocessor.size == (120, 240)
    assert cfg.tta_test_cfg == dict(mode="slide", crop_size=(120, 240), stride=(80, 160))
    both = {"image_size": (240, 120), "tta_test_cfg.crop_size": (96, 96)}
    windows = with_knobs(PAPER_SEG, **both).tta_test_cfg
    assert windows == dict(mode="slide", crop_size=(96, 96), stride=(80, 160))
    # mmsegmentation's variable of this name holds (height, width).
    assert changed(ITERS, crop_size=(64, 32)) == changed(ITERS, image_size=(32, 64))


def test_the_schedule_keeps_its_shape_at_another_length() -> None:
    paper = CONFIGS / "classification/resnet50_efficient_8xb128_in1k.py"
    cfg = with_knobs(paper, epochs=12)
    assert cfg.train_cfg.max_epochs == 12
    warm_up, steps = cfg.param_scheduler
    assert (warm_up.end, steps.milestones) == (0.5, [3, 6, 9])
    assert with_knobs(paper, epochs=1).param_scheduler[1].milestones == [1, 1, 1]
    assert with_knobs(paper, epochs=240).param_scheduler[0].end == 10
    demo = with_knobs(CONFIGS / "segmentation/fcn_d8_demo.py", epochs=3)
    assert demo.train_cfg.val_interval == 3  # at the end, as before
    one_x = with_knobs(CONFIGS / "detection/faster-rcnn_fpn_1x_coco.py", epochs=6)
    assert one_x.param_scheduler[0].end == 500  # iterations
    assert (one_x.param_scheduler[1].end, one_x.param_scheduler[1].milestones) == (6, [4, 6])


def test_epochs_without_a_trick_follow_and_iterations_have_their_own_knob() -> None:
    cfg = copy.deepcopy(_read(CLS))
    cfg.model.mixup.off_epochs, cfg.epochs = 20, 30
    follow_options(cfg, {"epochs"}, ())
    assert cfg.model.mixup.off_epochs == 5
    followed = changed(ITERS, max_iters=1000)
    assert followed["param_scheduler.0.end"] == followed["train_cfg.max_iters"] == 1000
    assert followed["default_hooks.checkpoint.interval"] == 1000  # every 2,000 would be never
    with pytest.raises(UserError, match=r"^epochs cannot be set here.*set max_iters=N$"):
        with_knobs(ITERS, epochs=3)
    with pytest.raises(UserError, match=r"set epochs=N$"):
        with_knobs(CLS, max_iters=3)


def test_the_paths_of_all_splits_move_together() -> None:
    voc = with_knobs(CONFIGS / "detection/faster-rcnn_fpn_1x_voc.py", data_root="/x/VOCdevkit")
    parts = voc.train_dataloader.dataset.datasets
    assert [part.data_root for part in parts] == ["/x/VOCdevkit/VOC2007", "/x/VOCdevkit/VOC2012"]
    assert voc.test_dataloader.dataset.data_root == "/x/VOCdevkit/VOC2007"
    photographs = with_knobs(CONFIGS / "detection/faster-rcnn_fpn_photographs.py", data_root="/x")
    assert photographs.train_dataloader.dataset.data_root == "/x/"
    images = with_knobs(CLS, data_root="~/birds")
    assert images.val_dataloader.dataset.classes_from == "~/birds/train"


def test_paths_beside_the_data_of_a_stock_config_move_too() -> None:
    stock = config_path("mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py")
    followed = changed(stock, data_root="/x/coco/")
    assert followed["val_evaluator.ann_file"] == "/x/coco/annotations/instances_val2017.json"
    assert changed(stock, classes=["cat"])["model.roi_head.bbox_head.num_classes"] == 1
    assert changed(stock, image_size=(800, 480))["test_dataloader.dataset.pipeline.1.scale"]


def test_a_stock_config_says_that_its_lr_does_not_follow_the_batch() -> None:
    detector = with_knobs(config_path("mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py"))
    segmenter = with_knobs(config_path("mmseg::fcn/fcn_r50-d8_4xb4-20k_voc12aug-512x512.py"))
    (line,) = left_lines(detector, {"batch_size"}, ())
    assert line == "the lr stays at 0.02; auto_scale_lr.enable=True scales it"
    (line,) = left_lines(segmenter, {"batch"}, ())
    assert line.startswith("the lr stays at 0.01; auto_scale_lr.enable=True auto_scale_lr.base_bat")
    for others in ({"batch_size", "lr"}, {"batch_size", "optim_wrapper.optimizer.lr"}, {"epochs"}):
        assert left_lines(detector, others, ()) == []
    detector.auto_scale_lr.enable = True
    assert left_lines(detector, {"batch_size"}, ()) == []
    assert left_lines(with_knobs(DET), {"batch_size"}, ()) == []


def test_the_sides_of_a_stock_config_may_be_short_first_and_its_lengths_in_epochs() -> None:
    cfg = with_knobs(config_path("mmdet::detr/detr_r50_8xb2-150e_coco.py"), image_size=(800, 600))
    assert cfg.val_dataloader.dataset.pipeline[1].scale == (800, 600)  # was (1333, 800)
    one, _ = cfg.train_dataloader.dataset.pipeline[3].transforms
    assert one[0].scales[0] == (800, 360)  # was (480, 1333)
    yolox = with_knobs(config_path("mmdet::yolox/yolox_s_8xb8-300e_coco.py"), max_epochs=30)
    assert yolox.custom_hooks[0].num_last_epochs == 2  # was 15 of 300
    warm_up, cosine, last = yolox.param_scheduler
    assert (warm_up.end, cosine.begin, cosine.end, last.begin) == (0.5, 0.5, 28.5, 29)
    assert cosine.T_max == 29  # mmengine takes whole ones


def test_a_root_that_all_data_sets_state_themselves_has_the_last_word(
    own: Callable[..., Path],
) -> None:
    loaders = ("train_dataloader", "val_dataloader", "test_dataloader")
    stated = "\n".join(f'{name} = dict(dataset=dict(data_root="/y"))' for name in loaders)
    leaf = own(own(DET, 'data_root = "/x"', "base"), stated, "leaf")
    cfg = resolved_config(leaf)
    assert {cfg[name].dataset.data_root for name in loaders} == {"/y"}
    both = own(DET, f'data_root = "/x"\n{stated}', "both")
    with pytest.raises(UserError, match=r"data_root='/x' contradicts train_dataloader\.dataset"):
        resolved_config(both)


def test_what_begins_near_the_end_of_a_stock_config_follows_too() -> None:
    rtmdet = config_path("mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py")
    cfg = with_knobs(rtmdet, epochs=30)
    assert _read(rtmdet).custom_hooks[1].switch_epoch == 280
    assert cfg.custom_hooks[1].switch_epoch == 28
    assert cfg.train_cfg.dynamic_intervals == [(28, 1)]  # was 280
    cfg = copy.deepcopy(_read(rtmdet))
    cfg.epochs = 30
    follow_options(cfg, {"epochs", "train_cfg.dynamic_intervals"}, ())
    assert (cfg.custom_hooks[1].switch_epoch, cfg.train_cfg.dynamic_intervals[0][0]) == (28, 280)


@pytest.mark.parametrize(
    ("stated", "epochs", "scaled"),
    [
        (dict(periods=[100, 100, 40]), 12, dict(periods=[5, 5, 2])),
        (dict(periods=[80, 80, 80]), 8, dict(periods=[3, 2, 3])),  # restarts at 2.67 and 5.33
        (dict(periods=[239, 1]), 3, dict(periods=[3, 1])),
        (dict(total_steps=240), 12, dict(total_steps=12)),
        (dict(total_steps=240, convert_to_iter_based=True), 480, dict(total_steps=480)),
        (dict(total_steps=240, by_epoch=False), 12, dict(total_steps=240)),  # iterations
    ],
)
def test_restarts_and_cycles_follow_the_epochs(
    stated: dict[str, Any], epochs: int, scaled: dict[str, Any]
) -> None:
    cfg = copy.deepcopy(_read(CLS))
    assert cfg.train_cfg.max_epochs == 120
    cfg.train_cfg.max_epochs = 240
    cfg.param_scheduler = [{"type": "A", **stated}]
    cfg.custom_hooks = [{"type": "EMAHook", "begin_epoch": 120, "begin_iter": 7}]
    cfg.epochs = epochs
    follow_options(cfg, {"epochs"}, ())
    assert {key: cfg.param_scheduler[0][key] for key in scaled} == scaled
    assert cfg.custom_hooks[0] == {
        "type": "EMAHook",
        "begin_epoch": int(epochs / 2 + 0.5),
        "begin_iter": 7,
    }


def test_data_in_several_folders_are_not_moved_as_one(own: Callable[..., Path]) -> None:
    path = own(CLS, 'train_dataloader = dict(dataset=dict(root="/a/train"))')
    with pytest.raises(UserError, match=r"^data_root cannot be set here.*several folders"):
        resolved_config(path, ["data_root=/x"])


def test_the_rate_of_a_config_that_was_scaled_is_scaled_again() -> None:
    cfg = copy.deepcopy(_read(CLS))
    cfg.lr_rule = dict(
        lr=0.1, base_batch_size=256, per_device=32, world=1, accumulation=1, effective=0.0125
    )
    cfg.lr = 0.4
    follow_options(cfg, {"lr"}, ())
    assert (cfg.lr_rule.lr, cfg.optim_wrapper.optimizer.lr) == (0.4, 0.05)


@pytest.mark.parametrize(
    ("path", "knobs", "said"),
    [
        (CLS, dict(image_size=(224, 160)), "a classifier sees squares"),
        (CLS, dict(image_size="large"), "image_size is 'large'.*whole number, or two"),
        (DET, dict(image_size=(1, 2, 3)), "image_size is .*: --cfg-options: give pixels"),
        (CLS, dict(epochs=0), "epochs is 0: --cfg-options: give a whole number, 1 or more"),
        (CLS, dict(lr=-1), "lr is -1"),
        (CLS, dict(batch_size=2.5), "batch_size is 2.5"),
        (DET, dict(classes="cat"), "give a list of different names"),
        (SEG, dict(classes=["cat", "cat"]), "give a list of different names"),
        (CLS, dict(data_root=3), "give the path of a folder"),
        (CLS, dict(imgsz=32, image_size=48), "one knob with two values, image_size=48, imgsz=32"),
        ("mmdet::yolox/yolox_s_8xb8-300e_coco.py", dict(image_size=320), "cannot follow"),
    ],
)
def test_what_a_knob_cannot_mean_is_refused(path: Any, knobs: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        with_knobs(config_path(path) if isinstance(path, str) else path, **knobs)


# ---- who has the last word ----


def test_an_own_config_sets_knobs_by_any_of_their_names(own: Callable[..., Path]) -> None:
    path = own(DET, 'data_root = "/x/"\nimage_scale = (96, 96)\nnum_epochs = 1')
    cfg, explicit = load_config(path, Phase.FINE_TUNING)
    assert cfg.test_dataloader.dataset.data_root == "/x/"
    assert cfg.val_dataloader.dataset.pipeline[1].scale == (96, 96)
    assert cfg.train_cfg.max_epochs == 1
    told = "\n".join(explicit.lines)
    assert f"{path} sets data_root='/x/', image_scale=(96, 96), num_epochs=1" in told
    assert "epochs=1 (as num_epochs): train_cfg.max_epochs=1" in told
    assert load_config(DET, Phase.FINE_TUNING)[1].lines == []


def test_the_file_that_is_read_later_has_the_last_word(own: Callable[..., Path]) -> None:
    first = own(CLS, "epochs = 30\nimage_size = 96\nbatch_size = 8", "first")
    second = own(first, "train_cfg = dict(max_epochs=7)\nimgsz = 64", "second")
    cfg = resolved_config(second)
    assert cfg.train_cfg.max_epochs == 7
    assert cfg.train_dataloader.dataset.pipeline[0].size == 64
    assert cfg.train_dataloader.batch_size == 8
    cfg = resolved_config(second, ["epochs=3", "train_dataloader.batch_size=4", "image_size=300"])
    assert (cfg.train_cfg.max_epochs, cfg.train_dataloader.batch_size) == (3, 4)
    # From the files' 224, not from the 64 in between: 73 / 64 x 300 would be another.
    assert cfg.val_dataloader.dataset.pipeline[0].size == 343


def test_a_knob_and_its_key_with_another_value_are_refused(own: Callable[..., Path]) -> None:
    where = r"epochs=5 contradicts train_cfg\.max_epochs=3: {}: keep one of the two"
    with pytest.raises(UserError, match=where.format("--cfg-options")):
        resolved_config(CLS, ["epochs=5", "train_cfg.max_epochs=3"])
    path = own(CLS, "epochs = 5\ntrain_cfg = dict(max_epochs=3)")
    with pytest.raises(UserError, match=where.format(r".*own\.py")):
        resolved_config(path)
    assert resolved_config(CLS, ["epochs=5", "train_cfg.max_epochs=5"]).train_cfg.max_epochs == 5


def test_a_name_that_the_own_config_uses_is_its_own(own: Callable[..., Path]) -> None:
    path = own(CLS, "batch_size = 4\nval_dataloader = dict(batch_size=batch_size)")
    cfg = resolved_config(path)
    assert (cfg.train_dataloader.batch_size, cfg.val_dataloader.batch_size) == (32, 4)


@pytest.mark.parametrize(
    ("base", "text", "said"),
    [
        (SEG, 'norm_cfg = dict(type="BN")', r"set model\.backbone\.norm_cfg and"),
        (SEG, "train_pipeline = []", r"set train_dataloader\.dataset\.pipeline"),
        (DET, "flipped_keys = ()", "set tta_pipeline"),
        (CLS, "epoch = 3", "did you mean `epochs`"),
        (CLS, "num_epoch = 3", "did you mean `epochs`"),
        (CLS, "optim_wraper = dict()", "did you mean `optim_wrapper`"),
    ],
)
def test_a_name_without_effect_is_refused(
    own: Callable[..., Path], base: Path, text: str, said: str
) -> None:
    with pytest.raises(UserError, match=rf"changes nothing.*own\.py.*{said}"):
        resolved_config(own(base, text))


def test_a_new_name_that_nothing_reads_is_told(own: Callable[..., Path]) -> None:
    _, explicit = load_config(own(CLS, 'remark = "the first try"'), Phase.PRETRAINING)
    (line,) = explicit.lines
    assert line.startswith("`remark` in ")
    assert line.endswith("nothing reads it")
    _, explicit = load_config(own(CLS, "lr_config = dict(step=[8, 11])"), Phase.PRETRAINING)
    assert explicit.lines[0].endswith("nothing reads it, today it is `param_scheduler`")


@pytest.mark.parametrize("option", ["norm_cfg.type=BN", "image_size.0=3", "own=1"])
def test_an_override_without_effect_is_refused(option: str) -> None:
    with pytest.raises(UserError, match=r": --cfg-options: "):
        resolved_config(SEG, [option])


# ---- once and not twice ----


def test_a_resolved_config_resolves_to_itself(own: Callable[..., Path], tmp_path: Path) -> None:
    path = own(PAPER_SEG, "image_size = 240\nepochs = 30\nlr = 0.02\nclasses = ['a', 'b']")
    cfg, explicit = load_config(path, Phase.FINE_TUNING)
    dump_config(cfg, explicit, tmp_path / "resolved.json")  # completes custom_imports
    cfg.dump(tmp_path / "resolved_config.py")
    for name in ("resolved_config.py", "resolved.json"):
        again, _ = load_config(tmp_path / name, Phase.FINE_TUNING)
        assert again.to_dict() | dict(work_dir="") == cfg.to_dict() | dict(work_dir="")
    longer, _ = load_config(
        tmp_path / "resolved_config.py", Phase.FINE_TUNING, options=["epochs=60"]
    )
    assert longer.train_cfg.max_epochs == 60
    assert longer.train_dataloader.dataset.pipeline[3].crop_size == (240, 240)
