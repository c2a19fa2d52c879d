"""The committed manifest, which ``tools/prepare_data.py demo --update-golden`` writes."""

import ast
import hashlib
from pathlib import Path

import pytest

from bag_of_transfer.demo_world.draw import draw_world
from bag_of_transfer.demo_world.files import write_picture
from bag_of_transfer.demo_world.manifest import RUN, first_difference, read_manifest, run_hashes
from bag_of_transfer.demo_world.sets import SPLITS, Split

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/golden/demo_manifest.json"
DRAWING = ("dice", "geometry", "shapes", "textures", "classes", "canvas", "scene", "truth", "sets")


def test_manifest_is_small_and_names_every_split() -> None:
    golden = read_manifest(GOLDEN)
    assert GOLDEN.stat().st_size < 50_000
    assert {key: split["num_pictures"] for key, split in golden["splits"].items()} == {
        split.key: split.num_pictures for split in SPLITS
    }
    assert len(golden["splits"]) == 8


@pytest.mark.parametrize("name", DRAWING)
def test_nothing_is_drawn_with_fractions(name: str) -> None:
    """Rounding of floats may differ between machines; whole numbers cannot."""
    tree = ast.parse((ROOT / f"bag_of_transfer/demo_world/{name}.py").read_text())
    nodes = list(ast.walk(tree))
    assert len(nodes) > 100
    assert not [node for node in nodes if isinstance(node, ast.Div)]
    assert not [n for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, float)]
    assert not [n for n in nodes if isinstance(n, ast.Attribute) and "float" in n.attr]


@pytest.mark.parametrize(
    "split",
    [
        # Val is drawn as train and test are.
        pytest.param(split, id=split.key, marks=[pytest.mark.slow] * split.key.endswith("val"))
        for split in SPLITS
    ],
)
def test_first_pictures_are_the_committed_ones(split: Split, tmp_path: Path) -> None:
    for index in range(RUN):
        for path in (split.image_file(index), split.truth_file(index)):
            if path is not None:
                (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    digests = [write_picture(tmp_path, split, index, seed=0) for index in range(RUN)]
    golden = read_manifest(GOLDEN)["splits"][split.key]
    assert run_hashes(digests) == golden[f"every_{RUN}"][:1]


def test_no_two_splits_share_a_picture() -> None:
    pictures = {
        hashlib.sha256(split.draw(index, seed=0).rgb.tobytes()).digest()
        for split in SPLITS
        for index in range(4)
    }
    assert len(pictures) == 8 * 4


@pytest.mark.slow
def test_the_whole_world_is_the_committed_one(tmp_path: Path) -> None:
    drawn = draw_world(tmp_path / "demo", seed=0, golden=None, num_processes=2)
    assert first_difference(drawn, read_manifest(GOLDEN)) is None
