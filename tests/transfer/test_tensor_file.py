"""Tensors of a file by name: what its name hides, and the table of its parts."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.tensor_file import TensorFile, read_tensors, summarise


def test_a_checkpoint_named_safetensors_is_no_damage(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.ones(2, 2)}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=r"a checkpoint of torch\.save.*: rename it to \.pth"):
        read_tensors(tmp_path / "a.safetensors")


@pytest.mark.parametrize("length", [0x80, 0x180, 0x4B50], ids=["pickle", "longer", "zip"])
def test_a_head_whose_length_begins_as_another_format_is_read(tmp_path: Path, length: int) -> None:
    data = save({"a.weight": torch.ones(2, 2)})
    head = data[8 : 8 + int.from_bytes(data[:8], "little")]
    padded = length.to_bytes(8, "little") + head.ljust(length)  # JSON may end in spaces
    (tmp_path / "a.safetensors").write_bytes(padded + data[8 + len(head) :])
    file = read_tensors(tmp_path / "a.safetensors")
    assert file.tensors["a.weight"].tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_tensors_of_every_kind_have_their_place_in_the_table() -> None:
    tensors = {
        "a.empty": torch.ones(0, 3),
        "a.flag": torch.tensor(True),
        "a.small": torch.full((2,), -4.0).to(torch.float8_e4m3fn),
        "b.empty": torch.ones(0),
    }
    lines = summarise(TensorFile(Path("f"), tensors, ""))
    assert [line.split() for line in lines[1:3]] == [["a", "3", "3", "4"], ["b", "1", "0", "0"]]
