"""Pictures of predictions beside the ground truth."""

import json

import numpy as np
import pytest
from PIL import Image

from ladder import pictures
from ladder.plan import Cell

CONFIG = """
default_scope = "mm{scope}"
test_dataloader = dict(dataset=dict(type="FakeOf{task}"))
"""


class FakeDataset:
    def __init__(self, folder):
        self.folder = folder
        self.metainfo = dict(classes=("background", "cat", "dog"))

    def __len__(self):
        return 9

    def get_data_info(self, index):
        image, mask = self.folder / f"i{index}.png", self.folder / f"m{index}.png"
        Image.fromarray(np.full((40, 60, 3), 20 * index, np.uint8)).save(image)
        Image.fromarray(np.full((40, 60), index % 3, np.uint8)).save(mask)
        boxes = [dict(bbox=[5.0, 6.0, 30.0, 31.0], bbox_label=1)]
        return dict(img_path=str(image), seg_map_path=str(mask), instances=boxes)


@pytest.fixture
def cells(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures.DATASETS, "build", lambda cfg: FakeDataset(tmp_path))
    made = []
    for task, scope in (("det", "det"), ("seg", "seg")):
        config = tmp_path / f"{task}.py"
        config.write_text(CONFIG.format(scope=scope, task=task))
        for rung in ("scratch", "d"):
            folder = tmp_path / rung / task
            folder.mkdir(parents=True)
            (folder / "test.json").write_text("{}")
            made.append(Cell(rung, task, 0, folder, config, ()))
    return made


def predict(cells, indices):
    for cell in cells:
        if cell.task == "det":
            rows = [
                dict(image_id=f"i{index}", category_id=3, bbox=[1, 2, 20, 25], score=score)
                for index in indices
                for score in (0.9, 0.1)
            ]
            (cell.folder / "predictions").write_text(json.dumps(rows))
        else:
            (cell.folder / "predictions").mkdir()
            for index in indices:
                mask = Image.fromarray(np.full((40, 60), 2, np.uint8))
                mask.save(cell.folder / "predictions" / f"i{index}.png")


def test_twelve_pictures_show_truth_and_every_rung(cells, tmp_path):
    predict(cells, range(9))
    drawn = pictures.draw_pictures(cells, tmp_path / "out")
    assert len(drawn) == 12
    for path in drawn:
        picture = Image.open(path)
        # 40 x 60 px enlarged to 240 x 360; detection: truth and two rungs, segmentation one more
        panels = 3 if path.name.startswith("det") else 4
        assert picture.size == (panels * 360 + (panels - 1) * 4, 240 + pictures.CAPTION_PX)


def test_a_box_below_the_threshold_is_not_drawn(cells, tmp_path):
    predict(cells, range(9))
    detector = [cell for cell in cells if cell.task == "det"]
    some = Image.open(pictures.draw_pictures(detector, tmp_path / "some")[0])
    for cell in detector:
        rows = json.loads((cell.folder / "predictions").read_text())
        kept = [row for row in rows if row["score"] > 0.5]
        (cell.folder / "predictions").write_text(json.dumps(kept))
    fewer = Image.open(pictures.draw_pictures(detector, tmp_path / "fewer")[0])
    assert np.array_equal(np.asarray(some), np.asarray(fewer))
