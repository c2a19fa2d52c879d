"""What is kept of a step whose loss, gradient or update was no number, for ``tools/replay.py``."""

import itertools
import math
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.dist import all_gather_object, get_world_size, is_main_process
from mmengine.runner import Runner

from bag_of_transfer.engine.atomic import write_json
from bag_of_transfer.engine.data.data_sets import file_of
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.fields import (
    ANYTHING,
    COUNT,
    NUMBER,
    TEXT,
    WHOLE,
    Rule,
    by_name,
    list_of,
    optional,
)
from bag_of_transfer.engine.json_file import read_json
from bag_of_transfer.engine.loop.history import RecentHistory
from bag_of_transfer.engine.progress import counts_epochs
from bag_of_transfer.engine.run_files import LOST_STEP, RESOLVED_CONFIG, newest_checkpoint

__all__ = ["LostStep", "NewestBatches", "read_lost_step"]

SCHEMA = 1
MEND = "give the non_finite.json of a run"
_NAME = Rule(
    lambda v: isinstance(v, str) and Path(v).name == v != "",
    "the name of a file in the same folder",
)
RULES = {
    "why": TEXT,
    **dict.fromkeys(("epoch", "iteration", "processes"), COUNT),
    "files": list_of(TEXT),
    "images": list_of(ANYTHING),
    "lr": optional(NUMBER),
    "losses": by_name(ANYTHING),
    "tensor": optional(TEXT),
    "seed": WHOLE,
    "checkpoint": optional(_NAME),
    "config": _NAME,
}


class LostStep(NamedTuple):
    """The contents of ``non_finite.json``.

    Args:
        why: What was no number, in words.
        epoch: Counted from 1, as are iterations.
        iteration: That of the step.
        files: The images of the batch, of the processes that met it.
        images: Their indices in the data set, with the turns of ``draws.py``.
        lr: That of the step; None if it is not known any more.
        losses: Its loss and parts; what is no number is a string.
        tensor: The first tensor that is no number where weights were looked at; else None.
        seed: The run's.
        processes: How many the run had.
        checkpoint: The name of the newest checkpoint at that time; None if there was none.
        config: The name of the resolved config beside the file.
    """

    why: str
    epoch: int
    iteration: int
    files: list[str]
    images: list[tuple[int, list[int]]]
    lr: float | None
    losses: dict[str, float | str]
    tensor: str | None
    seed: int
    processes: int
    checkpoint: str | None
    config: str


class NewestBatches:
    """Keeps the files of the newest batches until the loss is looked at.

    Args:
        length: Number of batches.

    Attributes:
        done: How many steps the run has done.
    """

    def __init__(self, length: int) -> None:
        self._paths: deque[list[str]] = deque(maxlen=length)
        self.done = 0

    def add(self, runner: Runner, batch: Any) -> None:
        """Note the batch of an iteration, after its step."""
        self.done = runner.iter + 1
        samples = batch.get("data_samples") if isinstance(batch, dict) else None
        self._paths.append([one.img_path for one in samples or () if hasattr(one, "img_path")])

    def keep(
        self, runner: Runner, why: str, iteration: int, tensor: str | None, together: bool
    ) -> LostStep:
        """Write what is known of a step into the work dir, on rank 0, and return it.

        Args:
            runner: Of the run.
            why: See :class:`LostStep`.
            iteration: This process's: another one may have met it before.
            tensor: See :class:`LostStep`.
            together: Whether all processes call this at the same time.
        """
        own = (iteration, *self._batch(runner, iteration))
        every = all_gather_object(own) if together else [own]
        first = min(number for number, *_ in every)
        met = [(files, images) for number, files, images in every if number == first]
        newest = newest_checkpoint(Path(runner.work_dir))
        lr, losses = self._logged(runner, first)
        step = LostStep(
            why=why,
            epoch=math.ceil(first / len(runner.train_dataloader)),
            iteration=first,
            files=[one for files, _ in met for one in files],
            images=[one for _, images in met for one in images],
            lr=lr,
            losses=losses,
            tensor=tensor,
            seed=runner.seed or 0,
            processes=get_world_size(),
            checkpoint=newest.name if newest else None,
            config=RESOLVED_CONFIG,
        )
        if is_main_process():
            path = Path(runner.work_dir, LOST_STEP)
            write_json(path, {"schema": SCHEMA, "task": runner.cfg.get("task"), **step._asdict()})
        return step

    def _batch(self, runner: Runner, iteration: int) -> tuple[list[str], list[Any]]:
        """Return the files of a batch, and its indices with their turns.

        The batches are drawn again: a sampler gives the same ones for the same epoch.
        """
        loader: Any = runner.train_dataloader
        number = iteration - 1
        if counts_epochs(runner):
            number %= len(loader)
        sampled = getattr(loader, "batch_sampler", None) or ()
        indices = next(itertools.islice(iter(sampled), number, None), ())
        ago = self.done - iteration + 1
        files = self._paths[-ago] if 0 < ago <= len(self._paths) else []
        if not files:
            files = [one for index in indices if (one := file_of(loader.dataset, index))]
        return files, [(int(index), list(getattr(index, "turn", ()))) for index in indices]

    def _logged(
        self, runner: Runner, iteration: int
    ) -> tuple[float | None, dict[str, float | str]]:
        """Return lr and losses of an iteration, as far as the log's history reaches back."""
        ago = self.done - iteration + 1
        losses: dict[str, float | str] = {}
        lr = None
        begun = runner.message_hub.get_info("iter", 0) >= self.done
        for key, history in runner.message_hub.log_scalars.items():
            name = key.removeprefix("train/")
            values = history.data[0] if isinstance(history, RecentHistory) else ()
            # Of the next step, the rates may be known already.
            back = ago + (name == "lr" and begun)
            if name != key and 0 < back <= len(values):
                value = float(values[-back])
                if name == "lr":
                    lr = value
                elif "loss" in name:
                    losses[name] = value if math.isfinite(value) else str(value)
        return lr, losses


def read_lost_step(path: Path) -> LostStep:
    """Read ``non_finite.json``.

    Raises:
        UserError: If it is missing or damaged, or of another kind.
    """
    contents: Mapping[str, Any] = read_json(path, MEND)
    stated: dict[str, Any] = {name: contents.get(name) for name in LostStep._fields}
    for name, rule in RULES.items():
        if not rule.keeps(stated[name]):
            raise UserError(f"{name} is missing or not valid", path, MEND)
    return LostStep(**stated)
