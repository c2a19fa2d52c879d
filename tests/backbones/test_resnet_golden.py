"""Names, shapes and counts of the tensors: a rename breaks users' files."""

import json
import runpy
from pathlib import Path

import pytest

import backbones
from tests.fast_builds import on_meta

GOLDEN = Path(__file__).parents[1] / "golden" / "resnet_keys.json"


def test_tensors_have_the_names_and_shapes_of_the_golden_file():
    describe_all = runpy.run_path(str(GOLDEN.with_suffix(".py")))["describe_all"]
    with on_meta():
        rows = describe_all()
    expected = json.loads(GOLDEN.read_text())
    assert len(expected) == 20  # four variants, five depths
    for name, row in expected.items():
        assert rows[name] == row, f"{name}; if meant: {GOLDEN.with_suffix('.py')} --update-golden"
    assert rows.keys() == expected.keys()


# Without the classifier. Hand check of 50: C has 19_232 parameters more than B in the stem
# (864 + 9_216 + 18_432 + 256 for 9_408 + 128); D's pools have none.
@pytest.mark.parametrize(
    ("depth", "plain_stem", "deep_stem"),
    [
        (18, 11_176_512, 11_195_744),
        (34, 21_284_672, 21_303_904),
        (50, 23_508_032, 23_527_264),
        pytest.param(101, 42_500_160, 42_519_392, marks=pytest.mark.slow),
        (152, 58_143_808, 58_163_040),
    ],
)
def test_number_of_parameters(depth, plain_stem, deep_stem):
    with on_meta():
        counts = [
            sum(p.numel() for p in getattr(backbones, f"ResNet{letter}")(depth).parameters())
            for letter in "ABCD"
        ]
    assert counts == [plain_stem, plain_stem, deep_stem, deep_stem]


@pytest.mark.parametrize("depth", [18, 34, 50, pytest.param(101, marks=pytest.mark.slow), 152])
@pytest.mark.parametrize(("letter", "suffix"), [("B", ""), ("D", "d")])
def test_number_of_parameters_is_timms(depth, letter, suffix):
    timm = pytest.importorskip("timm")
    with on_meta():
        theirs = timm.create_model(f"resnet{depth}{suffix}", num_classes=0)
        ours = getattr(backbones, f"ResNet{letter}")(depth)
    num_ours, num_theirs = (sum(p.numel() for p in net.parameters()) for net in (ours, theirs))
    assert num_ours == num_theirs


def test_resnet50_d_file_has_275_tensors():
    assert json.loads(GOLDEN.read_text())["ResNetD-50"]["num_tensors"] == 275  # contracts.md
