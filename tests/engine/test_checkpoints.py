import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner import CheckpointLoader

from bag_of_transfer.engine import atomic
from bag_of_transfer.engine.config.process_setup import prepare_process
from bag_of_transfer.engine.errors import RefusedError, UserError
from bag_of_transfer.engine.manifest import write_checkpoint
from bag_of_transfer.engine.run_files import follow_pointer, manifest_of, newest_checkpoint
from bag_of_transfer.engine.weights.checkpoints import (
    find_resumable,
    load_checkpoint,
    state_dict_of,
)


class RunsCode:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    path, proof = tmp_path / "evil.pth", tmp_path / "proof"
    torch.save({"state_dict": {}, "meta": RunsCode(proof)}, path)
    with pytest.raises(UserError, match=r"refused, .* would run code \(\w*\.mkdir"):
        load_checkpoint(path)
    assert not proof.exists()
    torch.load(path, weights_only=False)  # the trap is real
    assert proof.exists()


def test_mmengine_itself_runs_no_code_from_a_local_file(tmp_path: Path) -> None:
    prepare_process()
    path, proof = tmp_path / "evil.pth", tmp_path / "proof"
    torch.save({"state_dict": {}, "meta": RunsCode(proof)}, path)
    with pytest.raises(UserError, match="would run code"):
        CheckpointLoader.load_checkpoint(str(path))
    assert not proof.exists()


def test_getattr_is_allowed_for_the_methods_of_a_log_history_only(tmp_path: Path) -> None:
    class Sly:
        def __reduce__(self) -> tuple[Any, tuple[Any, str]]:
            return getattr, (HistoryBuffer, "__init__")

    torch.save({"meta": Sly()}, tmp_path / "sly.pth")
    with pytest.raises(UserError):
        load_checkpoint(tmp_path / "sly.pth")


def test_a_config_that_resuming_would_execute_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    torch.save({"state_dict": {"a": torch.ones(1)}, "meta": {"config": "import os"}}, path)
    with pytest.raises(UserError, match="program text"):
        load_checkpoint(path)
    prepare_process()
    loaded = CheckpointLoader.load_checkpoint(str(path))
    assert "config" not in loaded["meta"]


@pytest.mark.parametrize("keep", [0, 10, 400, -30], ids=lambda keep: f"keep{keep}")
def test_a_truncated_file_is_called_damaged(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.pth"
    torch.save({"state_dict": {"a": torch.ones(100)}}, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match="damaged") as caught:
        load_checkpoint(path)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            ("und" + 100 * "kein Häkchen").encode(),
            "^a text file, not a checkpoint: ",
        ),  # cut within a letter
        (
            b"\xff\xfe neither text nor pickle",
            r"^damaged, truncated or not a checkpoint(: | \((?!Unp))",
        ),
        (pickle.dumps([1, 2]), "not a checkpoint but a list"),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    if said.endswith("list"):
        stream = io.BytesIO()
        torch.save([1, 2], stream)
        content = stream.getvalue()
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(UserError, match=said):
        load_checkpoint(tmp_path / "a.pth")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such checkpoint: .*gone\.pth"):
        load_checkpoint(tmp_path / "gone.pth")


def test_the_pointer_of_a_work_dir_is_followed(tmp_path: Path) -> None:
    for name, value in (("here", 1.0), ("there", 2.0)):
        (tmp_path / name).mkdir()
        torch.save({"state_dict": {"a": torch.tensor(value)}}, tmp_path / name / "epoch_1.pth")
    pointer = tmp_path / "here" / "last_checkpoint"
    pointer.write_text(f"{tmp_path / 'there' / 'epoch_1.pth'}\n")
    assert load_checkpoint(pointer)["state_dict"]["a"] == 1  # a copied folder: its own file
    (tmp_path / "here" / "epoch_1.pth").unlink()
    assert load_checkpoint(pointer)["state_dict"]["a"] == 2
    pointer.write_text("")
    with pytest.raises(UserError, match="last_checkpoint"):
        load_checkpoint(pointer)


def test_a_stock_mmengine_checkpoint_with_histories_is_read(tmp_path: Path) -> None:
    hub = MessageHub.get_instance("hub_of_a_stock_checkpoint")
    hub.update_scalar("train/loss", 0.5)
    hub.update_info("best_score", np.float64(71.5))
    state = {"state_dict": {"a": torch.ones(2)}, "message_hub": hub.state_dict()}
    torch.save(state, tmp_path / "stock.pth")
    read = load_checkpoint(tmp_path / "stock.pth")
    assert read["message_hub"]["log_scalars"]["train/loss"].mean() == 0.5
    assert read["message_hub"]["runtime_info"]["best_score"] == 71.5


def test_weights_are_found_under_either_key_or_bare() -> None:
    weights = {"a": torch.ones(2)}
    for checkpoint in ({"state_dict": weights, "meta": {}}, {"model": weights}, weights):
        assert state_dict_of(checkpoint) == weights
    with pytest.raises(UserError, match=r"no weights in the file .*keys at the top epoch, net"):
        state_dict_of({"net": {"far": {"too": {"deep": weights}}}, "epoch": 1})


# ---- finding the one to resume ----


def save_state(path: Path, epoch: int) -> None:
    hub: dict[str, Any] = {"log_scalars": {}, "runtime_info": {}, "resumed_keys": {}}
    stream = io.BytesIO()
    torch.save({"meta": {"epoch": epoch}, "message_hub": hub, "state_dict": {}}, stream)
    write_checkpoint(path, stream.getvalue(), {})


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def three_epochs(work_dir: Path) -> None:
    for epoch in (2, 9, 10):  # 10 sorts before 9 as text
        save_state(work_dir / f"epoch_{epoch}.pth", epoch)
    atomic.write_text(work_dir / "last_checkpoint", str(work_dir / "epoch_10.pth"))


def test_the_newest_checkpoint_is_found(tmp_path: Path) -> None:
    assert find_resumable(tmp_path) is None
    three_epochs(tmp_path)
    assert find_resumable(tmp_path) == tmp_path / "epoch_10.pth"


@pytest.mark.parametrize("harm", ["remove", "truncate", "flip", "strip"])
def test_the_next_older_one_is_taken_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    said: list[str] = []
    monkeypatch.setattr("bag_of_transfer.engine.weights.checkpoints.warn", said.append)
    three_epochs(tmp_path)
    newest = tmp_path / "epoch_10.pth"
    if harm == "remove":
        newest.unlink()
    elif harm == "truncate":
        newest.write_bytes(newest.read_bytes()[:-40])
    elif harm == "flip":
        flip_a_bit(newest)
    else:
        manifest_of(newest).unlink()
        torch.save({"state_dict": {}}, newest)
    assert find_resumable(tmp_path) == tmp_path / "epoch_9.pth"
    assert len(said) == 1
    assert "epoch_10.pth" in said[0]


def test_a_run_killed_before_it_wrote_last_checkpoint_is_found(tmp_path: Path) -> None:
    three_epochs(tmp_path)
    (tmp_path / "last_checkpoint").unlink()
    assert find_resumable(tmp_path) == tmp_path / "epoch_10.pth"


def test_a_moved_work_dir_resumes_from_its_own_files(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    three_epochs(tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    assert find_resumable(tmp_path / "new") == tmp_path / "new" / "epoch_10.pth"


def test_nothing_is_started_over_files_that_are_all_damaged(tmp_path: Path) -> None:
    three_epochs(tmp_path)
    for path in tmp_path.glob("*.pth"):
        path.write_bytes(b"")
    with pytest.raises(RefusedError, match="none of 3 checkpoints") as caught:
        find_resumable(tmp_path)
    assert caught.value.exit_code == 3


def test_a_pointer_to_a_checkpoint_that_was_moved_away_leaves_a_new_start(tmp_path: Path) -> None:
    (tmp_path / "last_checkpoint").write_text(str(tmp_path / "epoch_3.pth"))
    assert find_resumable(tmp_path) is None


def test_a_copied_work_dir_goes_by_its_own_checkpoint(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "epoch_3.pth").write_bytes(b"")
        (folder / "last_checkpoint").write_text(str(old / "epoch_3.pth"))
    assert newest_checkpoint(new) == follow_pointer(new / "last_checkpoint") == new / "epoch_3.pth"
    (new / "epoch_3.pth").unlink()
    assert newest_checkpoint(new) == old / "epoch_3.pth"


@pytest.mark.parametrize("text", ["", " \n", "gone.pth", "\0", "a\0b", "/", "."])
def test_a_pointer_to_nothing_names_no_checkpoint(tmp_path: Path, text: str) -> None:
    (tmp_path / "last_checkpoint").write_text(text)
    assert newest_checkpoint(tmp_path) is None
    assert newest_checkpoint(tmp_path / "none") is None
