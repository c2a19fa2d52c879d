"""What the page shows of a backbone's card."""

import json
from pathlib import Path

from bag_of_transfer.ladder.report.page_data import cards
from bag_of_transfer.ladder.report.results import read_results
from tests.ladder import drawn_ladder as drawn


def test_a_card_names_the_tricks_that_were_on(tmp_path: Path) -> None:
    folder = drawn.draw_ladder(tmp_path / "drawn", seeds=1, whole=True)
    path = folder / "seed0/d_all/pretraining/backbone.json"
    stated = {"mixup": {"on": True, "value": 0.2}, "warmup": {"on": False}, "cosine": {"on": True}}
    path.write_text(json.dumps({**json.loads(path.read_text()), "tricks": stated}))
    entries = {label: dict(found) for label, found, _ in cards(read_results(folder))}
    assert entries[drawn.EVIL]["tricks"] == "mixup, cosine"
    assert "tricks" not in entries["B-standard"]
