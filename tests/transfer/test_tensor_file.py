"""Tensors of a file by name: what its name hides, and the table of its parts."""

from pathlib import Path

import pytest
import torch

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.tensor_file import TensorFile, read_tensors, summarise


def test_a_checkpoint_named_safetensors_is_no_damage(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.ones(2, 2)}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=r"a checkpoint of torch\.save.*: name it \.pth"):
        read_tensors(tmp_path / "a.safetensors")


def test_tensors_of_every_kind_have_their_place_in_the_table() -> None:
    tensors = {
        "a.empty": torch.ones(0, 3),
        "a.flag": torch.tensor(True),
        "a.small": torch.full((2,), -4.0).to(torch.float8_e4m3fn),
        "b.empty": torch.ones(0),
    }
    lines = summarise(TensorFile(Path("f"), tensors, ""))
    assert [line.split() for line in lines[1:3]] == [["a", "3", "3", "4"], ["b", "1", "0", "0"]]
