"""Which process says an error, and the exit code that all end with."""

import signal

import pytest
import torch

from bag_of_transfer.engine import shared_exit
from bag_of_transfer.engine.cli import run_tool
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.process_group import LOCAL_RANKS
from bag_of_transfer.engine.shared_exit import join_failure


class Group:
    """Two processes that share a store, as ``torch.distributed`` looks from one of them."""

    def __init__(self, store: torch.distributed.Store, rank: int) -> None:
        self.store, self.rank = store, rank
        self.distributed_c10d = self

    def get_rank(self) -> int:
        return self.rank

    def _get_default_store(self) -> torch.distributed.Store:
        return self.store


@pytest.fixture(autouse=True)
def _keep_the_signal():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def act_as(monkeypatch: pytest.MonkeyPatch):
    store = torch.distributed.HashStore()
    return lambda rank: monkeypatch.setattr(
        shared_exit, "process_group", lambda: Group(store, rank)
    )


def test_the_first_to_fail_speaks_and_all_end_with_its_code(act_as) -> None:
    act_as(1)
    assert join_failure(2, on_all_ranks=True) == (True, 2)
    act_as(0)
    assert join_failure(1, on_all_ranks=False) == (False, 2)
    assert join_failure(143, on_all_ranks=False) == (False, 2)
    # torchrun's SIGTERM comes a moment later and must not change the code.
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def test_what_follows_from_anothers_failure_is_not_said(act_as, capsys) -> None:
    def fail(error: Exception) -> int:
        def main(argv: object) -> int:
            raise error

        return run_tool(main, [])

    act_as(1)
    assert fail(UserError("bad label", "mask.png", "use 0 to 5")) == 2
    act_as(0)
    assert fail(RuntimeError("Connection closed by peer")) == 2
    assert capsys.readouterr().err == "error: bad label: mask.png: use 0 to 5\n"


def test_without_the_store_everybody_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def compare_set(self, *_: str) -> bytes:
            raise RuntimeError("Broken pipe")

    monkeypatch.setattr(shared_exit, "process_group", lambda: Group(Gone(), 1))
    assert join_failure(1, on_all_ranks=False) == (True, 1)


@pytest.mark.parametrize("variable", ["LOCAL_RANK", "SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK"])
def test_before_they_meet_one_process_per_machine_tells_a_users_mistake(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in LOCAL_RANKS.values():
        monkeypatch.delenv(name, raising=False)
    assert join_failure(2, on_all_ranks=True) == (True, 2)  # alone
    monkeypatch.setenv(variable, "0")
    assert join_failure(2, on_all_ranks=True) == (True, 2)
    monkeypatch.setenv(variable, "1")
    assert join_failure(2, on_all_ranks=True) == (False, 2)
    assert join_failure(1, on_all_ranks=False) == (True, 1)


@pytest.mark.parametrize(
    ("backend", "argv", "error", "leaves"),
    [
        ("nccl", None, None, True),
        ("nccl", [], None, False),  # further tools may follow in these processes
        ("gloo", None, None, False),
        ("nccl", None, UserError("bad label", "mask.png", "use 0 to 5"), False),
    ],
)
def test_an_orderly_run_leaves_nccls_group_which_would_warn(
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
    argv: list[str] | None,
    error: Exception | None,
    leaves: bool,
) -> None:
    left: list[bool] = []

    def destroy() -> None:
        left.append(True)
        raise RuntimeError("NCCL error: the other process is gone")

    def main(argv: object) -> int:
        if error:
            raise error
        return 0

    fake = {
        "is_initialized": lambda: True,
        "get_world_size": lambda: 1,
        "get_backend": lambda: backend,
        "destroy_process_group": destroy,
    }
    for name, replacement in fake.items():
        monkeypatch.setattr(torch.distributed, name, replacement)
    monkeypatch.setattr("sys.argv", ["tool"])
    for ending in ("gc.freeze", "bag_of_transfer.engine.cli.end_at_once"):  # of this process
        monkeypatch.setattr(ending, lambda *_: None)
    assert run_tool(main, argv) == (2 if error else 0)
    assert bool(left) == leaves
