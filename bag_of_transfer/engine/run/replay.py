"""Do a run's step again that met a number that is none, and say where it comes from.

The step's images, their augmentation, mixup and the order follow from the seed.  So the run is
resumed from its newest checkpoint before the step, in a folder that is thrown away, and goes on to
the step.  Nothing is written into the run's own folder.
"""

import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner
from torch import nn

from bag_of_transfer.engine.bare_network import network_of
from bag_of_transfer.engine.errors import UserError, in_one_line
from bag_of_transfer.engine.loop.channels_last import FP32
from bag_of_transfer.engine.loop.lost_step import LostStep
from bag_of_transfer.engine.lr import current_lr
from bag_of_transfer.engine.process_group import is_first_process
from bag_of_transfer.engine.run import training
from bag_of_transfer.engine.run.dry_run import DryRunDone
from bag_of_transfer.engine.run.first_lost import look_at
from bag_of_transfer.engine.weights import checkpoints
from bag_of_transfer.engine.weights.finite import lost_tensor

__all__ = ["Replay", "replay"]

MakeSet = Callable[[Config, Any], tuple[list[str], Any]]


class Replay(Hook):
    """Look at one step of a run, or at an earlier one that loses the weights, and end the run.

    Args:
        step: The step.
        one_by_one: Also look at each image of the batch alone.
        say: Takes each line.
    """

    priority = "HIGHEST"

    def __init__(self, step: LostStep, one_by_one: bool, say: Callable[[str], None]) -> None:
        self._step, self._one_by_one, self._say = step, one_by_one, say
        self._before = _State()

    def say_once(self, line: str) -> None:
        """Say a line in the first process only."""
        if is_first_process():
            self._say(in_one_line(line))

    def before_train(self, runner: Runner) -> None:
        """Leave out checkpoints and validations on the way to the step."""
        # The config stays the run's: it is compared with that of the checkpoint.
        runner.train_loop.val_begin = runner.max_iters + 1
        for hook in runner.hooks:
            if isinstance(hook, CheckpointHook):
                hook.interval, hook.save_last = -1, False

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Keep the network as it is before the step."""
        self._before.keep(network_of(runner.model))

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Look at the step if it is the one.

        Raises:
            DryRunDone: After it.
        """
        tensor, is_it = lost_tensor(runner), runner.iter + 1 == self._step.iteration
        if tensor is not None or is_it:
            for line in self._lines(runner, data_batch, tensor, is_it):
                many = get_world_size() > 1
                self._say(in_one_line(f"process {get_rank()}: {line}" if many else line))
            raise DryRunDone

    def _lines(self, runner: Runner, batch: Any, tensor: str | None, is_it: bool) -> Iterator[str]:
        names = _names(self._step.files if is_it else [], batch)
        if not is_it:
            lr = current_lr(runner.optim_wrapper)
            yield f"it began in iteration {runner.iter + 1}, lr {lr:g}"
            yield from (f"  {name}" for name in names)
        network = network_of(runner.model)
        self._before.restore(network)
        seen = look_at(network, batch, runner.optim_wrapper)
        yield "losses: " + ", ".join(f"{name} {value:.6g}" for name, value in seen.losses.items())
        elsewhere = any(all_gather_object(seen.place))  # an update is that of all processes
        nothing = "nothing in this process, see the others" if elsewhere else _after_update(tensor)
        yield f"first: {seen.place or nothing}"
        if self._one_by_one and seen.place:
            for index, name in enumerate(names):
                self._before.restore(network)
                place = look_at(network, _twice(batch, index), runner.optim_wrapper).place
                yield f"alone: {name}: {place or 'finite'}"


class _State:
    """A network's tensors and the generators' states, as they were."""

    def keep(self, network: nn.Module) -> None:
        self._tensors = {name: one.clone() for name, one in network.state_dict().items()}
        self._draws = (random.getstate(), np.random.get_state(), torch.get_rng_state())  # noqa: NPY002
        self._on_gpus = torch.cuda.get_rng_state_all()

    def restore(self, network: nn.Module) -> None:
        network.load_state_dict(self._tensors)
        random.setstate(self._draws[0])
        np.random.set_state(self._draws[1])  # noqa: NPY002
        torch.set_rng_state(self._draws[2])
        torch.cuda.set_rng_state_all(self._on_gpus)


def _after_update(tensor: str | None) -> str:
    if tensor is None:
        return (
            "nothing, every number is finite here: the hardware, a library, or what the run began "
            "from is another"
        )
    return (
        f"the update, after which {tensor} holds NaN, infinity or a number beyond 1e19; loss and "
        "gradients are finite"
    )


def replay(cfg: Config, step: LostStep, folder: Path, make_set: MakeSet, hook: Replay) -> None:
    """Train on from the newest checkpoint before a step, up to the step.

    Args:
        cfg: The run's resolved config, from ``load_config``; changed.
        step: The step.
        folder: The run's folder.
        make_set: Takes the config and the training data, and returns lines and the data to use.
        hook: Looks at the step.

    Raises:
        UserError: If the run had another number of processes, or cannot be resumed.
    """
    checkpoint, done = _start(step, folder)
    left = step.iteration - 1 - done
    begin = f"after {checkpoint.name}" if checkpoint else "from the start: no earlier checkpoint"
    hook.say_once(f"begins {begin}; steps that are done again before it: {left}")
    with tempfile.TemporaryDirectory() as cfg.work_dir:
        cfg.update(compile=False, log_level="ERROR")
        wanted = str(checkpoint) if checkpoint else None
        # Where a run without mixed precision has none, the type of its optimizer says so.
        amp = "off" if cfg.optim_wrapper.get("type", FP32) == FP32 else "auto"
        lines, images = training.prepare_training(cfg, amp, resume_from=wanted)
        if get_world_size() != step.processes:
            raise UserError(
                f"the run had {step.processes} processes, this one {get_world_size()}",
                folder,
                f"start torchrun --nproc_per_node {step.processes} tools/replay.py FILE "
                "--launcher pytorch",
            )
        if cfg.get("resume") or checkpoint:  # load_from is where a resumed run went on
            cfg.resume, cfg.load_from = False, None
        more, images = make_set(cfg, images)
        training.train(cfg, lines + more, images, resume_from=wanted, rehearsal=hook)


def _start(step: LostStep, folder: Path) -> tuple[Path | None, int]:
    """Return the newest usable checkpoint before a step, and the steps that it has done."""
    names = [step.checkpoint] if step.checkpoint else []
    every = sorted(folder.glob("*.pth"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in [*(folder / name for name in names), *every]:
        try:
            done = checkpoints.check_resumable(path)["iter"]
        except UserError:
            continue
        if done < step.iteration:
            return path, done
    return None, 0


def _names(files: list[str], batch: Any) -> list[str]:
    """Return the files of a batch, as far as they are known."""
    contents = batch if isinstance(batch, dict) else {}
    known = [str(one.img_path) for one in contents.get("data_samples") or () if "img_path" in one]
    count = len(contents.get("inputs", ()))
    numbers = [f"image {number + 1}" for number in range(count)]
    return next((names for names in (known, files) if len(names) == count), numbers)


def _twice(batch: Any, index: int) -> Any:
    """Return a batch of one of its images twice: batch norm takes no single value."""
    if isinstance(batch, dict):
        count = len(batch["inputs"])
        return {key: _chosen(value, index, count) for key, value in batch.items()}
    return batch


def _chosen(value: Any, index: int, count: int) -> Any:
    if isinstance(value, torch.Tensor) and value.ndim and len(value) == count:
        return value[[index, index]]
    if isinstance(value, list | tuple) and len(value) == count:
        return [value[index], value[index]]
    return value
