"""Objects are cut out into their class's folder, and no name leads out of it."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bag_of_transfer.engine.errors import RefusedError, UserError
from bag_of_transfer.prediction.crops import folder_of, write_crops
from bag_of_transfer.prediction.files import check_request, write_predictions
from bag_of_transfer.prediction.inputs import find_images
from bag_of_transfer.prediction.results import Boxes
from bag_of_transfer.prediction.work import Choices, summary

EVIL = [
    *("..", ".", "", "../up", "/etc", "a/b", "a\\b", "C:", "nul\0", "line\nbreak", " blank "),
    *("\u202eright to left", "a%2Fb", "x" * 300, "猫" * 200, "\ud800"),
]


@pytest.mark.parametrize("name", [*EVIL, "traffic light", "Katze (klein)", "猫", "a.b"])
def test_a_class_is_one_folder_whatever_its_name(tmp_path: Path, name: str) -> None:
    folder = folder_of(name)
    assert folder.isprintable()
    assert not set('/\\:*?"<>|') & set(folder)
    (tmp_path / folder).mkdir()
    assert (tmp_path / folder).resolve().parent == tmp_path.resolve()
    assert [path.name for path in tmp_path.iterdir()] == [folder]
    if name not in EVIL:
        assert folder == name


def test_different_classes_have_different_folders() -> None:
    names = [*EVIL, "a_b", "x" * 301, "%", "%2E"]
    assert len({folder_of(name) for name in names}) == len(names)


def boxes(path: Path, corners: list, classes: tuple[str, ...] = ("cat",)) -> Boxes:
    array = np.array(corners, float).reshape(-1, 4)
    with Image.open(path) as image:
        size = image.size
    labels = np.arange(len(array)) % len(classes)
    return Boxes(path, size, classes, True, array, labels, np.linspace(0.9, 0.5, len(array)))


def test_a_crop_has_the_pixels_of_its_box(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    corners = [[10.2, 20, 30, 39.5], [-5, -5, 9, 9], [60, 40, 90, 90], [69.5, 49.5, 69.6, 49.6]]
    corners += [[80, 60, 90, 70]]  # beyond the image: its last pixel
    files = write_crops(boxes(tmp_path / "a.png", corners, ("cat", "a/b")), tmp_path, "deep/a")
    assert files == [
        f"crops/{folder}/deep/a_{n}.png"
        for n, folder in enumerate(("cat", "a%2Fb", "cat", "a%2Fb", "cat"), 1)
    ]
    for file, (x, y) in zip(
        files,
        [((10, 30), (20, 40)), ((0, 9), (0, 9)), ((60, 70), (40, 50)), *[((69, 70), (49, 50))] * 2],
        strict=True,
    ):
        crop = np.asarray(Image.open(tmp_path / file))
        assert np.array_equal(crop, pixels[slice(*y), slice(*x)])
    assert write_crops(boxes(tmp_path / "a.png", []), tmp_path, "b") == []


def test_a_link_leads_no_crop_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "out/crops").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/crops/cat").symlink_to(tmp_path / "elsewhere")
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="a link leads out"):
        write_crops(boxes(tmp_path / "a.png", [[0, 0, 5, 5]]), tmp_path / "out", "a")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_crops_are_refused_removed_and_recorded_like_pictures(
    predictors, photos: Path, tmp_path: Path
) -> None:
    out, choices = tmp_path / "out", Choices(min_score=0.5, save_crops=True)
    sources = find_images([photos / "wide.png", photos / "odd.png"], out)
    check_request(sources, out, choices)
    write_predictions(predictors["det"], sources, out, choices)
    record = json.loads((out / "predictions.json").read_text())
    listed = [file for row in record["images"] for file in row["crops"]]
    there = {str(p.relative_to(out)) for p in (out / "crops").rglob("*") if p.is_file()}
    assert set(listed) == there
    assert len(listed) == sum(len(row["scores"]) for row in record["images"]) > 3
    (out / "predictions.json").unlink()  # as after a kill
    for row in record["images"]:
        (out / row["picture"]).unlink()
    with pytest.raises(RefusedError, match=r"there are predictions already: .*crops"):
        check_request(sources, out, choices)
    check_request(sources, out, choices, force=True)
    (out / "predictions.json").write_text(json.dumps(record))
    write_predictions(predictors["det"], sources, out, Choices(min_score=1.0))
    assert not [path for path in (out / "crops").rglob("*") if path.is_file()]
    one = find_images([out / "wide.png"], out)
    with pytest.raises(UserError, match="only a detector"):
        write_predictions(predictors["seg"], one, tmp_path / "other", choices)
    (out / "crops/mine.png").write_bytes((photos / "odd.png").read_bytes())
    with pytest.raises(UserError, match="a picture would overwrite its image"):
        check_request(find_images([out / "crops/mine.png"], out), out, choices, force=True)


def test_that_nothing_was_found_is_said_in_line_picture_and_record(
    predictors, photos: Path, tmp_path: Path
) -> None:
    sources = find_images([photos / "wide.png"], tmp_path)
    head = write_predictions(predictors["det"], sources, tmp_path, Choices(min_score=0.999))
    line = summary(head, tmp_path / "predictions.json")
    assert line.startswith("1 image -> ")
    assert line.endswith("predictions.json (1 with nothing above 0.999)")
    record = json.loads((tmp_path / "predictions.json").read_text())
    assert record["num_empty"] == 1
    (row,) = record["images"]
    assert row["boxes_xyxy"] == []
    assert 0.1 < row["highest_score"] < 0.999
    below = np.asarray(Image.open(tmp_path / "wide.png"))[260:]  # 65 pixels are enlarged 4 times
    assert (below < 90).all(-1).any()  # letters
    head = write_predictions(predictors["det"], sources, tmp_path, Choices(min_score=0.1))
    assert "nothing" not in summary(head, Path("out"))
    assert Image.open(tmp_path / "wide.png").size == (97 * 4, 65 * 4)
