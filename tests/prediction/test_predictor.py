"""The Python API: results are those of the network, whatever the batch."""

import json
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.structures import SegDataSample
from PIL import Image

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.prediction import Boxes, Classes, Mask, Predictor
from bag_of_transfer.prediction.network import scope_of
from bag_of_transfer.prediction.pipeline import ignores_orientation, without_truth
from bag_of_transfer.prediction.predictor import WINDOW
from tests.prediction.tiny_networks import CLASSES, CONFIGS, SIZES, random_network


def paths_in(photos: Path) -> list[Path]:
    return [photos / f"{name}.png" for name in SIZES]


def arrays(result: Classes | Boxes | Mask) -> tuple[np.ndarray, ...]:
    if isinstance(result, Boxes):
        return result.boxes_xyxy, result.labels, result.scores
    return (result.scores,) if isinstance(result, Classes) else (result.mask,)


@pytest.mark.parametrize("task", CONFIGS)
def test_one_by_one_and_in_a_batch_are_the_same(predictors, photos: Path, task: str) -> None:
    seen = []
    step = predictors[task].network.test_step
    predictors[task].network.test_step = lambda data: (
        seen.append(len(data["inputs"])),
        step(data),
    )[1]
    batch = predictors[task](paths_in(photos), batch_size=3)
    del predictors[task].network.test_step
    assert sorted(seen) == {"cls": [1, 3], "det": [2, 2], "seg": [1, 1, 2]}[task]
    single = predictors[task](map(str, paths_in(photos)), batch_size=1)
    assert [result.path for result in batch] == paths_in(photos)
    assert [result.size for result in batch] == list(SIZES.values())
    for one, other in zip(batch, single, strict=True):
        for ours, theirs in zip(arrays(one), arrays(other), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3)
    firsts = [arrays(result)[0].ravel()[:8].tolist() for result in batch if task != "seg"]
    assert len({str(first) for first in firsts}) == len(firsts)  # images are told apart


def test_more_images_than_are_read_ahead_keep_their_order(predictors, photos: Path) -> None:
    many = (paths_in(photos) * 3)[: 2 * WINDOW + 1]
    assert [result.path for result in predictors["cls"](many, batch_size=2)] == many


def test_a_classifier_says_what_its_network_says(predictors, photos: Path) -> None:
    (result,) = predictors["cls"](photos / "wide.png")
    network, _ = random_network("cls")
    small = Image.open(photos / "wide.png").resize((32, 32), Image.Resampling.BILINEAR)
    inputs = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None]
    with torch.no_grad():
        logits = network.logits(network.data_preprocessor({"inputs": inputs})["inputs"])[0]
    np.testing.assert_allclose(result.scores, logits.softmax(0), atol=1e-3)
    assert result.scores.std() > 0.01
    name, probability = result.top(1)[0]
    assert name == CLASSES["cls"][int(logits.argmax())]
    assert probability == pytest.approx(float(logits.softmax(0).max()), abs=1e-3)
    assert len(result.top()) == 5


def test_a_detector_says_what_its_network_says(predictors, photos: Path) -> None:
    (result,) = predictors["det"](photos / "tall.png")
    network, _ = random_network("det")
    expected = direct(network, photos / "tall.png", "det").pred_instances
    np.testing.assert_allclose(result.boxes_xyxy, expected.bboxes, atol=1e-2)
    np.testing.assert_allclose(result.scores, expected.scores, atol=1e-4)
    assert result.labels.tolist() == expected.labels.tolist()
    assert result.names == [CLASSES["det"][label] for label in expected.labels]
    assert len(result.scores) > 5
    assert result.boxes_xyxy[:, 2].max() <= 65
    assert 65 < result.boxes_xyxy[:, 3].max() <= 97  # in the image's pixels, not the network's


def test_a_segmenter_says_what_its_network_says(predictors, photos: Path) -> None:
    (result,) = predictors["seg"](photos / "tall.png")
    network, _ = random_network("seg")
    mask = direct(network, photos / "tall.png", "seg").pred_sem_seg.data[0].numpy()
    assert result.mask.shape == (97, 65)
    assert np.array_equal(result.mask, mask)
    names, counts = np.unique(mask, return_counts=True)
    assert len(names) > 1
    by_name = {CLASSES["seg"][n]: c / mask.size for n, c in zip(names, counts, strict=True)}
    assert result.shares() == pytest.approx(by_name)


def direct(network, path: Path, task: str):
    """Do by hand what the tiny configs' test pipelines do: nothing or a resize, then pack."""
    image = Image.open(path)
    cfg = Config.fromfile(CONFIGS[task])
    scale = next(
        (s["scale"] for s in cfg.test_dataloader.dataset.pipeline if s["type"] == "Resize"), None
    )
    size = image.size
    if scale is not None:
        factor = min(max(scale) / max(size), min(scale) / min(size))
        size = tuple(int(side * factor + 0.5) for side in size)
    resized = cv2.resize(np.array(image)[..., ::-1], size, interpolation=cv2.INTER_LINEAR)
    sample = (DetDataSample if task == "det" else SegDataSample)()
    sample.set_metainfo(
        dict(
            ori_shape=image.size[::-1],
            img_shape=size[::-1],
            scale_factor=(size[0] / image.width, size[1] / image.height),
        )
    )
    inputs = torch.from_numpy(np.ascontiguousarray(resized)).permute(2, 0, 1)
    scope = {"det": "mmdet", "seg": "mmseg"}[task]
    with torch.no_grad(), DefaultScope.overwrite_default_scope(scope):
        return network.test_step({"inputs": [inputs], "data_samples": [sample]})[0]


def scopes() -> dict[str, str]:
    """Return the names of all default scopes: mmengine copies the scopes when it restores one."""
    return {name: one.scope_name for name, one in DefaultScope._instance_dict.items()}


@pytest.mark.parametrize("task", CONFIGS)
def test_no_default_scope_is_left_behind(checkpoints, photos: Path, task: str) -> None:
    before = scopes()
    Predictor(CONFIGS[task], checkpoints[task], "cpu")([photos / "odd.png"])
    assert scopes() == before


def test_threads_that_predict_leave_no_default_scope(predictors, photos: Path, monkeypatch) -> None:
    before, second_is_inside, first_has_left = scopes(), threading.Event(), threading.Event()

    def interleave(task: str, comes: threading.Event, waits_for: threading.Event) -> None:
        network = predictors[task].network
        step = network.test_step

        def test_step(data: object) -> object:
            comes.set()
            assert waits_for.wait(60)
            return step(data)

        monkeypatch.setattr(network, "test_step", test_step)

    interleave("det", threading.Event(), second_is_inside)
    interleave("seg", second_is_inside, first_has_left)
    path = photos / "odd.png"
    threads = [threading.Thread(target=predictors[task], args=(path,)) for task in ("det", "seg")]
    threads[0].start()
    threads[1].start()
    threads[0].join()
    first_has_left.set()
    threads[1].join()
    assert scopes() == before


def test_one_thread_at_a_time_has_a_default_scope() -> None:
    def enter() -> None:
        with scope_of("mmseg"):
            pass

    before, other = scopes(), threading.Thread(target=enter)
    with scope_of("mmdet"), scope_of("mmdet"):
        other.start()
        other.join(0.2)
        assert other.is_alive()
    other.join()
    assert scopes() == before


@pytest.mark.parametrize("task", CONFIGS)
def test_an_image_that_its_note_turns_is_predicted_upright(
    predictors, photos: Path, tmp_path: Path, task: str
) -> None:
    image = Image.open(photos / "tall.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side
    turned = tmp_path / "turned.png"
    image.transpose(Image.Transpose.ROTATE_90).save(turned, exif=exif)
    upright, from_turned = predictors[task]([photos / "tall.png", turned])
    assert from_turned.size == (65, 97)
    for ours, theirs in zip(arrays(from_turned), arrays(upright), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)
    assert np.array_equal(np.asarray(from_turned.draw()), np.asarray(upright.draw()))


def test_a_config_that_ignores_the_note_gets_and_shows_the_image_as_stored(
    checkpoints, tmp_path: Path, photos: Path
) -> None:
    config = tmp_path / "as_stored.py"
    text = f"_base_ = {str(CONFIGS['seg'])!r}\n" + (
        "test_dataloader = dict(dataset=dict(pipeline=[dict(type='LoadImageFromFile', "
        "color_type='color_ignore_orientation'), dict(type='PackSegInputs')]))\n"
    )
    config.write_text(text)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = tmp_path / "turned.png"
    Image.open(photos / "wide.png").save(turned, exif=exif)
    (result,) = Predictor(config, checkpoints["seg"], "cpu")(turned)
    assert result.size == (97, 65)
    assert np.array_equal(np.asarray(result.image()), np.asarray(Image.open(photos / "wide.png")))


def test_overrides_reach_the_network_that_the_checkpoint_describes(checkpoints, photos) -> None:
    options = {"model.test_cfg.rcnn.max_per_img": 2}
    few = Predictor(CONFIGS["det"], checkpoints["det"], "cpu", options)
    assert len(few(photos / "wide.png")[0].scores) == 2


def test_truth_is_left_out_of_a_pipeline_and_of_what_it_nests() -> None:
    load, truth = dict(type="LoadImageFromFile"), dict(type="LoadAnnotations", with_bbox=True)
    nested = dict(
        type="TestTimeAug",
        transforms=[[load], [truth], [dict(type="mmdet.LoadPanopticAnnotations"), load]],
    )
    assert without_truth([load, truth, nested]) == [
        load,
        dict(type="TestTimeAug", transforms=[[load], [load]]),
    ]
    assert ignores_orientation([dict(load, color_type="unchanged_ignore_orientation")])
    assert not ignores_orientation([dict(load, color_type="unchanged")])


def test_mmengines_own_checkpoint_is_read_with_the_configs_network(tmp_path: Path, photos) -> None:
    """Stock checkpoints do not describe their network, and mm 2.x's carry a config as text."""
    network, _ = random_network("seg")
    state = network.state_dict()
    config = tmp_path / "stated.py"
    heads = "model = dict(decode_head=dict(num_classes=4), auxiliary_head=dict(num_classes=4))"
    config.write_text(f"_base_ = {str(CONFIGS['seg'])!r}\n{heads}\n")
    for meta in (
        {"dataset_meta": {"classes": CLASSES["seg"]}},
        {"CLASSES": CLASSES["seg"], "config": "raise SystemExit('executed')"},
    ):
        torch.save({"state_dict": state, "meta": meta}, tmp_path / "stock.pth")
        (result,) = Predictor(config, tmp_path / "stock.pth", "cpu")(photos / "odd.png")
        assert result.classes == CLASSES["seg"]
        assert len(np.unique(result.mask)) > 1
    torch.save({"state_dict": state, "meta": {}}, tmp_path / "stock.pth")
    with pytest.raises(UserError, match="does not name its classes"):
        Predictor(config, tmp_path / "stock.pth", "cpu")


def test_what_does_not_fit_is_an_error(checkpoints, tmp_path: Path, photos: Path) -> None:
    state = torch.load(checkpoints["det"], weights_only=True)
    dropped = sorted(state["state_dict"])[3]
    del state["state_dict"][dropped]
    torch.save(state, tmp_path / "cut.pth")
    with pytest.raises(UserError, match=f"1 of .* do not fit, first {dropped}"):
        Predictor(CONFIGS["det"], tmp_path / "cut.pth", "cpu")
    with pytest.raises(UserError, match="model is FasterRCNN, the config's EncoderDecoder"):
        Predictor(CONFIGS["seg"], checkpoints["det"], "cpu")
    with pytest.raises(UserError, match="no such checkpoint"):
        Predictor(CONFIGS["seg"], tmp_path / "none.pth", "cpu")
    with pytest.raises(UserError, match="device 'gpu' is unknown"):
        Predictor(CONFIGS["seg"], checkpoints["seg"], "gpu")
    no_model = CONFIGS["cls"].parents[1] / "_base_/default_runtime.py"
    with pytest.raises(UserError, match="not a classifier's"):
        Predictor(no_model, checkpoints["seg"], "cpu")


def test_cuda_without_a_gpu_is_an_error(monkeypatch, checkpoints) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="torch finds no GPU"):
        Predictor(CONFIGS["seg"], checkpoints["seg"], "cuda")
    assert Predictor(CONFIGS["seg"], checkpoints["seg"]).device == torch.device("cpu")


def test_images_that_cannot_be_read_are_an_error_or_handed_over(
    predictors, photos: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes((photos / "wide.png").read_bytes()[:500])
    for task in CONFIGS:
        with pytest.raises(UserError, match=r"image can't be read .*broken\.png"):
            predictors[task]([photos / "odd.png", broken])
        bad: dict[Path, UserError] = {}
        good = [photos / "odd.png", photos / "tall.png"]
        wanted = [good[0], broken, good[1]]
        results = list(predictors[task].stream(wanted, 2, bad.__setitem__))
        assert [result.path for result in results] == good
        assert list(bad) == [broken]
    with pytest.raises(UserError, match="no such file"):
        predictors["cls"](tmp_path / "none.png")
    with pytest.raises(UserError, match=r"\(a folder, not a file\): .*: give the files that are"):
        predictors["cls"](tmp_path)
    for size in (0, 2.5, "2"):
        with pytest.raises(UserError, match=f"{size!r} is not a valid number"):
            predictors["cls"](photos / "odd.png", batch_size=size)
        with pytest.raises(UserError, match="is not a valid number"):
            list(predictors["cls"].frames("clip", [], batch_size=size))


def test_pixels_are_predicted_as_frames_and_refused_as_paths(predictors, photos: Path) -> None:
    path = photos / "odd.png"
    image = Image.open(path)
    for task in CONFIGS:
        (of_file,) = predictors[task](path)
        (of_pixels,) = predictors[task].frames("shot", [np.asarray(image)])
        assert [one.path for one in predictors[task].stream(str(path))] == [path]
        assert all(map(np.array_equal, arrays(of_file), arrays(of_pixels)))
        for wrong in (image, [image], np.asarray(image), path.read_bytes(), None, 3):
            with pytest.raises(UserError, match=r"is no path: paths: .*frames\(NAME, \[PIXELS\]\)"):
                list(predictors[task].stream(wrong))


def test_frames_of_other_values_or_channels_are_refused(predictors, photos: Path) -> None:
    pixels = np.asarray(Image.open(photos / "odd.png"))
    others = [pixels[..., 0], np.dstack([pixels, pixels[..., 0]]), pixels[None], pixels[:0]]
    for wrong in (pixels / 255, *others):
        for task in CONFIGS:
            with pytest.raises(UserError, match="give arrays of RGB pixels, H x W x 3, uint8"):
                list(predictors[task].frames("shot", [wrong]))


@pytest.mark.parametrize("task", CONFIGS)
def test_a_result_can_be_written_as_json(predictors, photos: Path, task: str) -> None:
    (result,) = predictors[task](photos / "odd.png")
    record = result.record()
    assert json.loads(json.dumps(record)) == record
