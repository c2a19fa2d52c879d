"""tools/predict.py: pictures, masks and predictions.json; nothing lost, nothing half-done."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bag_of_transfer import Predictor
from bag_of_transfer.prediction.colours import class_colours
from tests.prediction.tiny_networks import CLASSES, CONFIGS

MIN_SCORE = 0.54  # no random box of these images has a score within 0.01 of it


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Five images, two of them with one stem, and one that is broken."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    names = ("a.jpg", "a.png", "b.png", "deep/a.jpg", "deep/c.png")
    for index, name in enumerate(names):
        size = (250 + 8 * (index % 2), 260, 3)
        Image.fromarray(rng.integers(0, 256, size).astype(np.uint8)).save(folder / name)
    (folder / "broken.jpg").write_bytes((folder / "a.jpg").read_bytes()[:2000])
    return folder


def record_in(folder: Path) -> dict:
    return json.loads((folder / "predictions.json").read_text())


@pytest.mark.parametrize("task", CONFIGS)
def test_a_folder_is_predicted_and_what_is_broken_is_named(
    tool, checkpoints, photos: Path, tmp_path: Path, capsys, task: str
) -> None:
    out = tmp_path / "out"
    flags = ("--out-dir", out, "--batch-size", 2, "--device", "cpu", "--min-score", MIN_SCORE)
    assert tool("predict", CONFIGS[task], checkpoints[task], photos, *flags) == 0
    said = capsys.readouterr().out
    assert "predicting | 5/6" in said
    assert "left out: " in said
    assert "5 images -> " in said
    assert "(1 left out)" in said
    assert (" --force" in said) == (task == "det")  # of the command that draws weaker boxes, too

    record = record_in(out)
    assert (record["schema"], record["task"], record["num_images"]) == (1, task, 5)
    assert [Path(row["file"]).name for row in record["left_out"]] == ["broken.jpg"]
    assert "can't be read" in record["left_out"][0]["why"]
    assert record["classes"] == list(CLASSES[task])
    pictures = [row["picture"] for row in record["images"]]
    assert pictures == ["a_jpg.png", "a_png.png", "b.png", "deep/a.png", "deep/c.png"]
    masks = [f"masks/{name}" for name in pictures] if task == "seg" else []
    there = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert there == {"predictions.json", *pictures, *masks}

    # the API says the same, one image at a time
    predictor = Predictor(CONFIGS[task], checkpoints[task], "cpu")
    for row in record["images"]:
        (result,) = predictor(row["file"], batch_size=1)
        assert row["size"] == list(result.size)
        check(task, row, result, out)


def check(task: str, row: dict, result, out: Path) -> None:
    picture = Image.open(out / row["picture"])
    if task == "cls":
        assert len(row["top5"]) == 5
        top = [(one["name"], one["probability"]) for one in row["top5"]]
        for (name, probability), (wanted, value) in zip(top, result.top(), strict=True):
            assert name == wanted
            assert probability == pytest.approx(value, abs=1e-4)
    elif task == "det":
        kept = result.scores >= MIN_SCORE
        assert 0 < kept.sum() < len(kept)
        np.testing.assert_allclose(row["scores"], result.scores[kept], atol=1e-4)
        np.testing.assert_allclose(row["boxes_xyxy"], result.boxes_xyxy[kept], atol=0.05)
        assert row["names"] == [CLASSES[task][label] for label in result.labels[kept]]
        _, top, right, bottom = row["boxes_xyxy"][0]  # the surest lies on top
        at = (min(round(right), picture.width - 1), round((top + bottom) / 2))
        assert (
            picture.getpixel(at)
            == class_colours(CLASSES[task])[CLASSES[task].index(row["names"][0])]
        )
    else:
        mask = np.asarray(Image.open(out / row["mask"]))
        assert mask.dtype == np.uint8
        assert mask.shape == result.mask.shape
        assert (mask == result.mask).mean() > 0.999
        assert sum(row["pixel_share"].values()) == pytest.approx(1)
        for name, share in row["pixel_share"].items():
            assert share == pytest.approx((mask == CLASSES[task].index(name)).mean())
        image = result.image()
        label = next(label for label in np.unique(mask) if label)
        y, x = np.argwhere(mask == label)[0].tolist()
        before, colour = image.getpixel((x, y)), class_colours(CLASSES[task])[label]
        mixed = [0.45 * one + 0.55 * two for one, two in zip(before, colour, strict=True)]
        assert picture.getpixel((x, y)) == pytest.approx(mixed, abs=0.51)


def test_boxes_are_those_that_test_py_dumps(tool, checkpoints, world: Path, tmp_path) -> None:
    dump = tmp_path / "dump.json"
    call = (CONFIGS["det"], checkpoints["det"])
    assert tool("test", *call, "--dump-predictions", dump) == 0
    flags = ("--out-dir", tmp_path / "out", "--min-score", 0, "--device", "cpu")
    assert tool("predict", *call, *flags, "--truth", "test", "--data-root", world) == 0
    theirs = json.loads(dump.read_text())
    assert len(theirs) > 8
    for row in record_in(tmp_path / "out")["images"]:
        rows = [one for one in theirs if one["image_id"] == Path(row["file"]).stem]
        rows.sort(key=lambda one: -one["score"])
        corners = [[x, y, x + w, y + h] for x, y, w, h in (one["bbox"] for one in rows)]
        np.testing.assert_allclose(sorted(row["boxes_xyxy"]), sorted(corners), atol=0.05)
        np.testing.assert_allclose(row["scores"], [one["score"] for one in rows], atol=1e-3)
        assert len(row["truth"]["names"]) == len(row["truth"]["boxes_xyxy"]) > 0
        assert set(row["truth"]["names"]) <= set(CLASSES["det"])
        width, _ = Image.open(tmp_path / "out" / row["picture"]).size
        assert width > 2 * row["size"][0]


def test_masks_are_those_that_test_py_dumps(tool, checkpoints, world: Path, tmp_path) -> None:
    call = (CONFIGS["seg"], checkpoints["seg"])
    assert tool("test", *call, "--dump-predictions", tmp_path / "dump") == 0
    flags = ("--truth", "test", "--out-dir", tmp_path / "out", "--device", "cpu")
    assert tool("predict", *call, *flags) == 0
    for row in record_in(tmp_path / "out")["images"]:
        assert sum(row["truth"]["pixel_share"].values()) == pytest.approx(1)
    dumped = sorted((tmp_path / "dump").glob("*.png"))
    assert len(dumped) == 4  # as many as the tiny config tests on
    for path in dumped:
        ours = np.asarray(Image.open(tmp_path / "out/masks" / path.name))
        assert len(np.unique(ours)) > 1
        assert (ours == np.asarray(Image.open(path))).mean() > 0.999


def test_a_split_of_other_classes_is_no_truth(tool, checkpoints, world, tmp_path, capsys) -> None:
    flags = ("--truth", "val", "--out-dir", tmp_path / "out", "--data-root", world)
    assert tool("predict", CONFIGS["cls"], checkpoints["cls"], *flags, "--device", "cpu") == 2
    message = "error: the val split has other classes than the checkpoint, 3 for 6 classes: val_"
    assert capsys.readouterr().err.startswith(message)
    assert not (tmp_path / "out").exists()


def test_earlier_predictions_are_kept_unless_forced(
    tool, checkpoints, photos: Path, tmp_path: Path, capsys
) -> None:
    out = tmp_path / "out"
    call = ("predict", CONFIGS["cls"], checkpoints["cls"])
    flags = ("--out-dir", out, "--device", "cpu")
    assert tool(*call, photos / "a.jpg", photos / "b.png", *flags) == 0
    before = (out / "predictions.json").read_bytes()
    (out / "mine.png").write_bytes(b"my own")
    assert tool(*call, photos / "b.png", *flags) == 3
    assert capsys.readouterr().err.startswith("error: there are predictions already: ")
    assert (out / "predictions.json").read_bytes() == before
    (out / "predictions.json").unlink()  # a call that was cut off leaves pictures alone
    assert tool(*call, photos / "b.png", *flags) == 3
    (out / "predictions.json").write_bytes(before)
    assert tool(*call, photos / "b.png", *flags, "--force") == 0
    assert sorted(path.name for path in out.iterdir()) == ["b.png", "mine.png", "predictions.json"]
    assert len(record_in(out)["images"]) == 1


def test_a_record_cannot_make_force_remove_files_elsewhere(
    tool, checkpoints, photos: Path, tmp_path: Path
) -> None:
    out, victim = tmp_path / "out", tmp_path / "victim.png"
    out.mkdir()
    victim.write_bytes(b"mine")
    rows = [{"picture": "../victim.png"}, {"picture": str(victim)}]
    (out / "predictions.json").write_text(json.dumps({"images": rows}))
    flags = ("--out-dir", out, "--device", "cpu", "--force")
    assert tool("predict", CONFIGS["cls"], checkpoints["cls"], photos / "a.jpg", *flags) == 0
    assert victim.exists()


def test_an_input_is_never_overwritten(tool, checkpoints, photos: Path, capsys) -> None:
    before = (photos / "b.png").read_bytes()
    call = ("predict", CONFIGS["cls"], checkpoints["cls"], photos / "b.png", "--force")
    assert tool(*call, "--out-dir", photos) == 2
    assert "would overwrite its image" in capsys.readouterr().err
    assert (photos / "b.png").read_bytes() == before


@pytest.mark.parametrize(
    ("inputs", "flags", "message"),
    [
        (["none.jpg"], (), "no such file or folder: "),
        (["empty"], (), "no image in the folder: "),
        (["photos/broken.jpg"], (), "the image can't be read ("),
        (["photos/a.jpg"], ("--batch-size", "0"), "0 is not a valid number: --batch-size"),
        (["photos/a.jpg"], ("--every", "0"), "0 is not a valid number: --every"),
        (["photos/a.jpg"], ("--truth", "test"), "the config has no test split: --truth"),
        ([], (), "no image is named: INPUT"),
        (["photos/a.jpg"], ("--min-score", "30"), "30.0 is not a score: --min-score"),
        (["photos/a.jpg"], ("--out-dir", "photos/b.png"), "a file, not a folder: "),
        (["photos/a.jpg"], ("--out-dir", "photos/b.png/out"), "cannot create the folder ("),
        (["photos/a.jpg"], ("--cfg-options", "model.backbon=1"), "override `model.backbon`"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    tool, checkpoints, photos: Path, tmp_path: Path, capsys, inputs, flags, message
) -> None:
    (tmp_path / "empty").mkdir()
    inputs = [tmp_path / name for name in inputs]
    flags = [tmp_path / one if one.startswith("photos/") else one for one in flags]
    call = ("predict", CONFIGS["cls"], checkpoints["cls"], *inputs, "--device", "cpu")
    out = () if "--out-dir" in flags else ("--out-dir", tmp_path / "out")
    assert tool(*call, *out, *flags) == 2
    first = capsys.readouterr().err.splitlines()[0]
    assert message in first
    assert first.startswith("error: ")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_broken_images_is_an_error(tool, checkpoints, photos, tmp_path, capsys) -> None:
    (tmp_path / "bad").mkdir()
    (photos / "broken.jpg").rename(tmp_path / "bad/broken.jpg")
    (tmp_path / "bad/text.jpg").write_text("no image")
    call = ("predict", CONFIGS["cls"], checkpoints["cls"], tmp_path / "bad", "--device", "cpu")
    assert tool(*call, "--out-dir", tmp_path / "out") == 2
    assert "none of 2 images can be used" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def test_help_ends_in_an_example(tool, capsys) -> None:
    with pytest.raises(SystemExit) as end:
        tool("predict", "-h")
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert "example:\n  python tools/predict.py " in said
    for flag in ("--out-dir", "--batch-size", "--min-score", "--device", "--force", "--debug"):
        assert flag in said
