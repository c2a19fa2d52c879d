"""A task that is tested with the config's test-time augmentation."""

from pathlib import Path

import pytest

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.plan.cells import commands
from bag_of_transfer.ladder.plan.plan_file import describe
from bag_of_transfer.ladder.plan.planning import plan
from bag_of_transfer.ladder.plan.spec import Ladder, read_ladder
from bag_of_transfer.ladder.run.fingerprint import config_digest

ROOT = Path(__file__).resolve().parents[2]
SEG = ROOT / "configs/segmentation/fcn_d8_demo.py"


@pytest.fixture
def read(tmp_path: Path):
    def of(config: Path, said: str) -> Ladder:
        path = tmp_path / "mine.py"
        path.write_text(
            "rungs = dict(a=dict(scratch=True))\n"
            f"tasks = dict(t=dict(config={str(config)!r}{said}))\nseeds = [0]\n"
        )
        return read_ladder(path)

    return of


def test_only_the_test_gets_the_flag_and_only_where_asked_for(read, tmp_path):
    for said, expected in (("", [False, False]), (", tta=True", [False, True])):
        (cell,) = plan(read(SEG, said), tmp_path).cells
        made = commands(cell, "last")
        assert [command.tool for command in made] == ["tools/train.py", "tools/test.py"]
        assert ["--tta" in command.options for command in made] == expected


def test_it_is_part_of_the_fingerprint_and_told_below_the_tables(read, tmp_path):
    plain, augmented = (read(SEG, said) for said in (", tta=False", ", tta=True"))
    cells = [plan(ladder, tmp_path).cells[0] for ladder in (plain, augmented)]
    assert len({config_digest(cell, "last") for cell in cells}) == 2
    notes = [describe(ladder)["notes"] for ladder in (plain, augmented)]
    assert set(notes[1]) - set(notes[0]) == {"Tested with test-time augmentation: t."}


def test_a_config_must_say_how(read):
    without = ", cfg_options=['tta_pipeline=None'], tta=True"
    with pytest.raises(UserError, match=r"has no tta_pipeline: .*tasks\.t\.tta: state it"):
        read(SEG, without)
    with pytest.raises(UserError, match=r"tasks\.t\.tta"):
        read(SEG, ", tta='yes'")
