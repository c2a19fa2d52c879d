"""A signal ends the run even where Python swallows the exception of its handler."""

import os
import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from bag_of_transfer.engine.cli import run_tool
from bag_of_transfer.engine.interruption import TerminatedError, listen, raise_if_swallowed
from bag_of_transfer.engine.progress import ProgressHook


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    listen()  # forgets what was noted
    for one, handler in before.items():
        signal.signal(one, handler)


def swallow(number: signal.Signals) -> None:
    """As an at-fork hook does."""
    with pytest.raises((KeyboardInterrupt, TerminatedError)):
        signal.raise_signal(number)


def iterate(stage: str) -> None:
    hook, runner = ProgressHook(), SimpleNamespace(train_loop=None, max_iters=9, iter=0)
    getattr(hook, f"after_{stage}_iter")(runner, 0, {"inputs": []}, {})


@pytest.mark.parametrize("stage", ["train", "val", "test"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_next_iteration_ends_the_run(number: signal.Signals, code: int, stage: str) -> None:
    def main(argv: Any) -> int:
        iterate(stage)
        swallow(number)
        iterate(stage)
        return 0

    assert run_tool(main, []) == code


def test_a_new_run_forgets_the_signals_of_an_earlier_one() -> None:
    assert run_tool(lambda argv: swallow(signal.SIGTERM) or 0, []) == 0
    assert run_tool(lambda argv: raise_if_swallowed() or 0, []) == 0


def test_a_background_job_goes_on_ignoring_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def main(argv: Any) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        raise_if_swallowed()
        return 0

    assert run_tool(main, []) == 0
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
