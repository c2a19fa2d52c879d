"""A record that is written row by row is what would be written at once."""

from pathlib import Path

import numpy as np
import pytest

from bag_of_transfer.engine.atomic import json_text
from bag_of_transfer.prediction.record_file import Rows, write_record

HEAD = {"schema": 1, "classes": ["a", "b\n}"], "left_out": []}
ROW = {"file": Path("ü\n,.jpg"), "scores": np.array([0.5, np.nan]), "names": []}


@pytest.mark.parametrize("num", [0, 1, 3])
def test_the_text_is_that_of_the_whole_record(tmp_path: Path, num: int) -> None:
    images, videos = Rows(tmp_path), Rows(tmp_path)
    for _ in range(num):
        images.add(ROW)
        frames = Rows(tmp_path)
        for number in range(num - 1):
            frames.add({"frame": number})
        videos.add({"file": "v.mp4"}, frames=frames)
    write_record(tmp_path / "record.json", HEAD, images=images, videos=videos)
    rows = [{"file": "v.mp4", "frames": [{"frame": n} for n in range(num - 1)]}] * num
    whole = json_text({**HEAD, "images": [ROW] * num, "videos": rows})
    assert (tmp_path / "record.json").read_text() == whole
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]
    images.add(ROW)  # more may follow
    assert len(images) == num + 1


def test_rows_are_on_disk(tmp_path: Path) -> None:
    rows = Rows(tmp_path)
    size = sum(len(str(value)) for value in vars(rows).values())
    for _ in range(200):
        rows.add(ROW)
    assert sum(len(str(value)) for value in vars(rows).values()) < size + 10
