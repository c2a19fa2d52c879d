"""What each process of a run needs, beside the network and the optimizer, to go on at any step.

A checkpoint holds it under ``processes``, a dict per process by the names of the hooks that gave it
(the second of a class is called ``NAME 2``): ``collect`` asks every hook that has
``process_state``, and a resumed run gives it back to ``load_process_state`` of the same hook.  With
another number of processes, only hooks get theirs whose class states ``same_in_all_processes``.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.numbers import is_whole, numbered

__all__ = ["PROCESSES", "VALIDATED", "ExactState", "collect", "resumed_from"]

PROCESSES = "processes"  # the checkpoint's key
ALIKE = "same_in_all_processes"  # of a hook's class
THREADS = "threads"  # in the part of ExactState
MOST_THREADS = 1024  # more than a machine's cores: the file is damaged
VALIDATED = "validated"  # the message hub's, for the iteration after which a validation has ended


def collect(runner: Runner) -> list[dict[str, Any]]:
    """Return the state of every process, in the order of their ranks; all must call it."""
    hooks = [hook for hook in runner.hooks if hasattr(hook, "process_state")]
    names = numbered(type(hook).__name__ for hook in hooks)
    own = {name: hook.process_state(runner) for name, hook in zip(names, hooks, strict=True)}
    return all_gather_object(own) if get_world_size() > 1 else [own]


def resumed_from(runner: Runner) -> str:
    """Return what a run resumes from, for an error; mmengine's own Runner finds it by itself."""
    return str(runner._load_from or runner.work_dir)


@HOOKS.register_module()
class ExactState(Hook):
    """Give the hooks of a resumed run what a checkpoint holds of them; restore the generators.

    Its own part are the generators of python, numpy and torch, from which a network draws.  They
    are restored just before the first step, after all hooks that may draw at an epoch's start.
    What a validation draws changes nothing for the steps after it.

    On a CPU, the number of compute threads is restored, too: it decides how sums are rounded, and
    follows from the cores and the loader workers, which a resumed run may change.
    """

    priority = "LOWEST"

    def __init__(self) -> None:
        self._resumed: Mapping[str, Any] | None = None
        self._before_val: dict[str, Any] | None = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Give each hook its part; with another number of processes, only if it is all alike.

        Raises:
            UserError: If a part is not what the hook gave.
        """
        stored = checkpoint.pop(PROCESSES, None)
        if not runner._resume or stored is None:
            return
        try:
            if len(stored) == get_world_size():
                _give(runner.hooks, runner, stored[get_rank()])
            else:
                alike = [one for one in runner.hooks if getattr(one, ALIKE, False)]
                _give(alike, runner, stored[0])
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            mend = "resume from another checkpoint"
            what = f"the state of the run is damaged ({PROCESSES})"
            raise UserError(what, resumed_from(runner), mend) from error

    def before_train_epoch(self, runner: Runner) -> None:
        """Restore the generators where a resumed run goes on within an epoch.

        At an epoch's start they are seeded.
        """
        stored, self._resumed = self._resumed, None
        if stored and runner.iter > runner.epoch * len(runner.train_dataloader):
            _set_generators(stored)

    def before_val_epoch(self, runner: Runner) -> None:
        """Keep the generators' states; a checkpoint of this validation holds these."""
        self._before_val = _generators()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Put them back."""
        if self._before_val is not None:
            _set_generators(self._before_val)
            self._before_val = None

    def process_state(self, runner: Runner) -> dict[str, Any]:
        """Return the states of this process's generators, and the number of its threads."""
        return {**(self._before_val or _generators()), THREADS: torch.get_num_threads()}

    def load_process_state(self, runner: Runner, state: Mapping[str, Any]) -> None:
        """Keep the generators' states until training begins; take the number of threads.

        Raises:
            ValueError: If that is no possible number.
        """
        self._resumed = state
        threads = state.get(THREADS)  # files from before it was stored lack it
        if threads is not None and not (is_whole(threads) and 1 <= threads <= MOST_THREADS):
            raise ValueError(f"{THREADS} must be 1 to {MOST_THREADS}, got {threads!r}")
        if threads and threads != torch.get_num_threads() and not torch.cuda.is_available():
            torch.set_num_threads(threads)
            print_log(f"compute threads: {threads}, as the run began with", logger="current")


def _give(hooks: Sequence[Hook], runner: Runner, stored: Mapping[str, Any]) -> None:
    """Give each hook its part, but none to hooks of a class of which there were fewer.

    Whose part it would be is not known: earlier versions stored that of a class's last hook only.
    """
    taking = [hook for hook in hooks if hasattr(hook, "load_process_state")]
    names = numbered(type(hook).__name__ for hook in taking)
    lacking = {name.partition(" ")[0] for name in names if " " in name and name not in stored}
    for name in sorted(lacking & stored.keys()):
        print_log(f"{name} begins anew: the file has no state of all of them", logger="current")
    for name, hook in zip(names, taking, strict=True):
        part = None if type(hook).__name__ in lacking else stored.get(name)
        if part is not None:
            hook.load_process_state(runner, part)


def _generators() -> dict[str, Any]:
    state: Any = np.random.get_state()  # noqa: NPY002  mmcv's transforms draw from it
    kind, words, *rest = state
    states: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": [str(kind), words.tolist(), *rest],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def _set_generators(states: Mapping[str, Any]) -> None:
    random.setstate(states["python"])
    kind, words, *rest = states["numpy"]
    np.random.set_state((kind, np.array(words, np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(_bytes(states["torch"]))
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(_bytes(states["cuda"]))


def _bytes(state: Tensor) -> Tensor:
    """Bring a state back to the CPU: mmengine loads a checkpoint onto the run's device."""
    return state.to("cpu", torch.uint8)
