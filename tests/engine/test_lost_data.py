"""A file of the data that vanishes while a run reads it: the user's to mend, and named."""

from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from bag_of_transfer.engine.data.image_reader import read_pixels
from bag_of_transfer.engine.data.mask_reader import read_mask
from bag_of_transfer.engine.errors import as_user_error, mistake_in


def opened(path: Path) -> bytes:
    """Read a file as transforms of others do."""
    with path.open("rb") as file:
        return file.read()


READERS = {"image": read_pixels, "mask": read_mask, "other": opened}


class Files(Dataset):
    def __init__(self, path: Path, read: str) -> None:
        self.path, self.read = path, read

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> torch.Tensor:
        READERS[self.read](self.path)
        return torch.zeros(1)


@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.parametrize("read", READERS)
def test_a_file_that_vanished_is_named(tmp_path: Path, read: str, num_workers: int) -> None:
    gone = tmp_path / "it's gone.png"
    with pytest.raises(Exception, match="gone") as caught:  # of many kinds
        list(DataLoader(Files(gone, read), num_workers=num_workers))
    told = mistake_in(caught.value) or as_user_error(caught.value)
    assert told is not None
    assert told.exit_code == 2
    assert f"{gone}: " in str(told)
    assert "no such file" in str(told)


def test_a_file_of_ours_that_is_not_there_is_no_mistake_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        opened(tmp_path / "inner.json")
    assert as_user_error(caught.value) is None
