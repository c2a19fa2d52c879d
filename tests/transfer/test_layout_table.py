"""A library is one record: with it in the table its files are read, whatever its names are."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from bag_of_transfer.transfer.convert.into_ours import convert_weights
from bag_of_transfer.transfer.layouts import recognise
from bag_of_transfer.transfer.layouts.layout import Images, Layout
from bag_of_transfer.transfer.layouts.renaming import rename_all
from bag_of_transfer.transfer.layouts.table import LAYOUTS, layout_named
from tests.transfer.foreign_names import state


def _to_ours(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return rename_all(tensors, lambda name: name.replace("kernel", "weight"))


NEW = Layout(
    name="new",
    library="NewLib",
    signature=r"\.kernel$",
    differs="kernel for weight",
    to_ours=_to_ours,
    first_block="layer1.0.conv1.kernel",
    extra="layer1.0.drawn",
    images=Images((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), "BGR"),
    plain_variant="A",
    plain_names=False,
)


@pytest.fixture
def new_in_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognise, "LAYOUTS", (NEW, *LAYOUTS))
    monkeypatch.setattr(recognise, "FIRST_BLOCK", re.compile(r"()layer1\.0\.conv1\.kernel$"))


@pytest.mark.usefixtures("new_in_table")
def test_a_new_library_needs_nothing_but_its_record(
    tmp_path: Path, small: Callable[..., nn.Module]
) -> None:
    ours = state(small("ResNetA"))
    theirs = {name.replace("weight", "kernel"): tensor for name, tensor in ours.items()}
    theirs |= {"layer1.0.drawn": torch.ones(1), "fc.kernel": torch.ones(5, 256)}
    torch.save(theirs, tmp_path / "theirs.pth")
    done = convert_weights(str(tmp_path / "theirs.pth"), tmp_path / "o.safetensors")
    assert done.lines == [
        f"read: 267 tensors in the layout of new, from {tmp_path}/theirs.pth",
        "used: 265",
        "left out: 1 not in NewLib's network: layer1.0.drawn",
        "left out: 1 of the classifier: fc.kernel",
        "not checked by a forward pass: no implementation of new is installed",
        "images: BGR, mean [1.0, 2.0, 3.0], std [4.0, 5.0, 6.0] on 0 to 255",
    ]
    assert done.card.type == "ResNetA"
    written = load_file(tmp_path / "o.safetensors")
    assert all(torch.equal(written[name], tensor) for name, tensor in ours.items())


def test_no_two_layouts_have_one_name() -> None:
    assert all(layout_named(layout.name) is layout for layout in LAYOUTS)
    assert layout_named("auto") is None


@pytest.mark.parametrize("layout", [row for row in LAYOUTS if row.target], ids=lambda row: row.name)
def test_what_is_written_for_a_library_is_read_again(
    layout: Layout, small: Callable[..., nn.Module]
) -> None:
    ours = state(small())
    assert layout.target is not None
    again = layout.to_ours(layout.target.from_ours(ours))
    assert all(again[name] is tensor for name, tensor in ours.items())
