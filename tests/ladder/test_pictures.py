"""Pictures of predictions, and of the ground truth beside them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bag_of_transfer.detection.coco_truth import CocoTruth
from bag_of_transfer.ladder.plan.planning import plan
from bag_of_transfer.ladder.plan.spec import Ladder, Rung, Task
from bag_of_transfer.ladder.run import pictures
from bag_of_transfer.prediction import pairs
from bag_of_transfer.prediction.colours import class_colours

CONFIG = """
default_scope = "mm{kind}"
test_dataloader = dict(dataset=dict(type="FakeOf{kind}"))
"""


class FakeDataset:
    """Nine grey images of 40 x 60 pixels, a cat in each."""

    def __init__(self, folder, **meta):
        self.folder, self.first = folder, meta.pop("first", 0)
        self.label, self.folders = meta.pop("label", 1), meta.pop("folders", ())
        self.metainfo = dict(classes=("background", "cat", "dog"), **meta)

    def __len__(self):
        return 9

    def get_data_info(self, index):
        image, mask = self.folder / f"i{index}.png", self.folder / f"m{index}.png"
        if self.folders:
            image = self.folder / self.folders[index // 4] / "i.png"
            image.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((40, 60, 3), 20 * index, np.uint8)).save(image)
        Image.fromarray(np.full((40, 60), self.label + self.first, np.uint8)).save(mask)
        boxes = [dict(bbox=[5.0, 6.0, 30.0, 31.0], bbox_label=1)]
        return dict(
            img_path=str(image),
            img_id=f"i{index}",
            seg_map_path=str(mask),
            instances=boxes,
            reduce_zero_label=bool(self.first),
        )


@pytest.fixture
def make(tmp_path, monkeypatch):
    def data(**meta):
        monkeypatch.setattr(pictures.DATASETS, "build", lambda cfg: FakeDataset(tmp_path, **meta))

    def cells(kind):
        data()
        config = tmp_path / f"{kind}.py"
        config.write_text(CONFIG.format(kind=kind))
        task = Task(kind, kind, config, ())
        rungs = (Rung("scratch", "scratch", label="from scratch"), Rung("a", "scratch", label="A"))
        made = plan(
            Ladder("x", Path("x.py"), rungs, (task,), (0, 1), 0, "a"), tmp_path / "out"
        ).cells
        for cell in made:
            cell.folder.mkdir(parents=True)
            (cell.folder / "cell.json").write_text('{"status": "done"}')
        return made

    cells.data = data
    return cells


def boxes(cell, category=2, scores=(0.9, 0.1), image_id="i{}"):
    rows = [
        dict(image_id=image_id.format(i), category_id=category, bbox=[1, 2, 20, 25], score=score)
        for i in range(9)
        for score in scores
    ]
    (cell.folder / "predictions").write_text(json.dumps(rows))


def masks(cell, value=2):
    (cell.folder / "predictions").mkdir()
    for index in range(9):
        mask = Image.fromarray(np.full((40, 60), value, np.uint8))
        mask.save(cell.folder / "predictions" / f"i{index}.png")


def drawn(cell):
    return sorted(path.name for path in (cell.folder / "pictures").glob("*.png"))


def pixels(path):
    return np.asarray(Image.open(path))


def test_the_same_images_are_drawn_in_every_cell_and_as_truth(make, tmp_path):
    for cell in make("det"):
        boxes(cell)
        pictures.draw_cell(cell, 3)
        assert drawn(cell) == ["i0.png", "i4.png", "i8.png"]
    assert len(list((tmp_path / "out/truth/det").glob("*.png"))) == 3


def test_truth_and_prediction_show_what_they_should(make, tmp_path):
    cell = make("det")[0]
    boxes(cell, scores=(0.9,))
    pictures.draw_cell(cell, 1)
    truth, found = (
        pixels(tmp_path / "out/truth/det/i0.png"),
        pixels(cell.folder / "pictures/i0.png"),
    )
    # 40 px become 240: a box from 5 begins at pixel 30, one from 1 at 6; the image is black
    assert truth[120, 31].any()
    assert not truth[90, 6].any()
    assert found[90, 6].any()


def test_a_box_below_the_threshold_is_not_drawn(make):
    one, other = make("det")[:2]
    boxes(one, scores=(0.9, 0.1))
    boxes(other, scores=(0.9,))
    for cell in (one, other):
        pictures.draw_cell(cell, 1)
    same = [pixels(cell.folder / "pictures/i0.png") for cell in (one, other)]
    assert np.array_equal(*same)


def test_cocos_own_numbers_are_understood(make, tmp_path):
    truth = CocoTruth(tmp_path / "coco.json", (), {"dog": 7, "cat": 3})
    voc, coco = make("det")[:2]
    boxes(voc, category=3)
    pictures.draw_cell(voc, 1)
    boxes(coco, category=7)
    make.data(coco_truth=truth)
    pictures.draw_cell(coco, 1)
    assert np.array_equal(*(pixels(one.folder / "pictures/i0.png") for one in (voc, coco)))


def test_masks_that_count_from_one_look_like_those_that_count_from_zero(make, tmp_path):
    plain = make("seg")[0]
    masks(plain, value=2)
    pictures.draw_cell(plain, 1)
    truth = pixels(tmp_path / "out/truth/seg/i0.png")
    (tmp_path / "out/truth/seg/i0.png").unlink()
    make.data(first=1)
    shifted = plan(
        Ladder("x", Path("x.py"), (plain.rung,), (plain.task,), (5,), 0, "a"), tmp_path / "out"
    ).cells[0]
    shifted.folder.mkdir(parents=True)
    masks(shifted, value=3)
    pictures.draw_cell(shifted, 1)
    assert np.array_equal(*(pixels(one.folder / "pictures/i0.png") for one in (plain, shifted)))
    assert np.array_equal(truth, pixels(tmp_path / "out/truth/seg/i0.png"))


def test_masks_have_a_legend_of_the_classes_that_occur(make, tmp_path):
    cell = make("seg")[0]
    masks(cell, value=2)
    pictures.draw_cell(cell, 1)
    below = pixels(cell.folder / "pictures/i0.png")[240:]
    first, second = class_colours(FakeDataset(tmp_path).metainfo["classes"])[1:3]
    assert (below == second).all(-1).any()
    assert not (below == first).all(-1).any()


def test_mended_labels_are_drawn_anew(make, tmp_path):
    first, other = make("seg")[:2]
    for cell in (first, other):
        masks(cell)
    pictures.draw_cell(first, 1)
    before = pixels(tmp_path / "out/truth/seg/i0.png")
    make.data(label=2)
    pictures.draw_cell(other, 1)
    after = pixels(tmp_path / "out/truth/seg/i0.png")
    assert not np.array_equal(before, after)


def test_images_of_one_name_have_pictures_of_their_own(make, tmp_path):
    cell = make("det")[0]
    boxes(cell)
    make.data(folders=("x", "x/deep", "y"))
    pictures.draw_cell(cell, 3)
    assert drawn(cell) == ["x_deep_i.png", "x_i.png", "y_i.png"]
    truth = (tmp_path / "out/truth/det").glob("*.png")
    assert sorted(path.name for path in truth) == drawn(cell)
    make.data()
    pictures.draw_cell(cell, 0)  # none asked for


def test_files_that_differ_in_their_suffix_keep_it():
    images = ["d/a.jpg", "d/a.png", "d/b.jpg"]
    assert pictures._names(images) == ["a_jpg.png", "a_png.png", "b.png"]
    assert len(set(pictures._names(["d/a_b.jpg", "d/a/b.jpg"]))) == 2


def test_sheets_are_of_what_the_cells_drew(make, tmp_path):
    cells = make("det")
    for cell in cells:
        boxes(cell)
        pictures.draw_cell(cell, 1)
    Image.new("RGB", (9, 9)).save(tmp_path / "out/truth/det/old.png")  # of another test split
    names = [path.name for path in pictures.draw_sheets(cells, tmp_path / "sheets")]
    assert names == ["det_i0.png"]


def test_sheets_show_truth_and_every_rung_of_the_first_seed(make, tmp_path):
    cells = make("det")
    for cell in cells:
        boxes(cell)
        pictures.draw_cell(cell, 2)
    sheets = pictures.draw_sheets(cells, tmp_path / "sheets")
    assert [path.name for path in sheets] == ["det_i0.png", "det_i8.png"]
    # 40 x 60 px enlarged to 240 x 360: truth and two rungs
    assert Image.open(sheets[0]).size == (3 * 360 + 2 * 4, 240 + pairs.CAPTION_PX)


def test_masks_of_one_name_in_several_folders_are_told_apart(make, tmp_path):
    cell = make("seg")[0]
    make.data(folders=("a", "b", "c"), img_dir=str(tmp_path))
    for value, folder in enumerate("abc"):
        path = cell.folder / f"predictions/{folder}/i.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(np.full((40, 60), value, np.uint8)).save(path)
    pictures.draw_cell(cell, 3)
    found = {pixels(cell.folder / "pictures" / name).tobytes() for name in drawn(cell)}
    assert len(found) == 3
