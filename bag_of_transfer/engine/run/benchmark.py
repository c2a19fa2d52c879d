"""What bounds a run of any task, how long it would take, and which switch would help."""

import os
import time
from collections.abc import Iterable
from dataclasses import asdict
from statistics import median
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from bag_of_transfer.engine.bars import Step
from bag_of_transfer.engine.cores import available_cores
from bag_of_transfer.engine.loop.channels_last import KEY, lay_out
from bag_of_transfer.engine.loop.metrics_record import hardware, versions
from bag_of_transfer.engine.loop.peak_memory import forget_peak, peak_memory
from bag_of_transfer.engine.loop.update import lay_out_state
from bag_of_transfer.engine.run import rates, switches
from bag_of_transfer.engine.run.dry_run import DryRunDone, val_images
from bag_of_transfer.engine.run.switches import Setting

__all__ = ["Benchmark", "bound_by", "ratios"]

SCHEMA = 1
# Shares of the seconds.
DATA, STEP, TOGETHER, EVALUATION, SWITCHES = 0.15, 0.15, 0.2, 0.1, 0.4
NUM_BATCHES = 4  # for the step alone: images of a detector differ in size
NUM_ROUNDS = 3
BOUNDS = 1.25  # a part bounds the run if the other is so many times as fast


class Benchmark(Hook):
    """Measure with the very objects that training would use, then end the run.

    Args:
        seconds: How long to measure; a slow network takes longer, for two steps of each kind.

    Attributes:
        record: What was found, see docs/files.md.
    """

    priority = "LOWEST"

    def __init__(self, seconds: float) -> None:
        self.record: dict[str, Any] = {}
        self._seconds = seconds

    def before_train(self, runner: Runner) -> None:
        """Measure.

        Raises:
            DryRunDone: Always.
        """
        forget_peak()
        load = os.getloadavg()[0]
        progress = Step("measuring", total=5)
        base = switches.as_configured(runner)
        speeds: dict[str, rates.Speed] = {}
        starts: list[float] = []

        progress.show("loading alone")
        work = rates.loading(base.loader, starts)
        speeds["data"] = rates.Speed.of(rates.measure(work, DATA * self._seconds))
        progress.advance_to(1)
        progress.show("steps alone")
        speeds["step"] = _steps_alone(runner, STEP * self._seconds)
        progress.advance_to(2)
        progress.show("both together")
        speeds["together"] = _together(runner, base, TOGETHER * self._seconds)
        progress.advance_to(3)
        if runner.val_loop is not None:
            progress.show("evaluation")
            work = rates.evaluating(runner)
            speeds["evaluation"] = rates.Speed.of(rates.measure(work, EVALUATION * self._seconds))
        peak = peak_memory()  # some switches need more
        progress.advance_to(4)
        others = switches.to_try(runner)
        progress.show(f"switches: {len(others)}")
        tried = _compare(runner, [base, *others], SWITCHES * self._seconds)
        progress.advance_to(5)
        progress.end("")

        kind = runner.cfg.optim_wrapper.type
        self.record = {
            "schema": SCHEMA,
            "task": runner.cfg.task,
            "config": runner.cfg.filename,
            "batch_size": runner.cfg.train_dataloader.batch_size,
            "precision": switches.MODES.get(kind, kind),
            "channels_last": base.channels_last,
            "threads": base.threads,
            "workers": base.loader.num_workers,
            "rates": {name: asdict(speed) for name, speed in speeds.items()},
            "bound_by": bound_by(speeds["data"], speeds["step"]),
            "run": _whole_run(runner, speeds, median(starts)),
            "peak_memory": peak,
            "switches": tried,
            "unmeasured": switches.to_name(runner.cfg),
            "cores": available_cores(),
            "load": load,
            "hardware": hardware(),
            "versions": versions(),
        }
        raise DryRunDone


def bound_by(data: rates.Speed, step: rates.Speed) -> str:
    """Return ``data``, ``step`` or ``balanced``."""
    if step.img_per_s >= BOUNDS * data.img_per_s:
        return "data"
    return "step" if data.img_per_s >= BOUNDS * step.img_per_s else "balanced"


def ratios(rounds: Iterable[list[float]]) -> list[list[float]]:
    """Return for each but the first of a round's rates by how much it is faster than the first.

    Args:
        rounds: Images per second of all settings, round by round.

    Returns:
        The factors round by round, a list per setting.
    """
    factors = [[other / base for other in others] for base, *others in rounds]
    return [list(column) for column in zip(*factors, strict=True)]


def _steps_alone(runner: Runner, seconds: float) -> rates.Speed:
    step = rates.step_of(runner)
    batches = [batch for batch, _ in zip(runner.train_dataloader, range(NUM_BATCHES), strict=False)]
    # The first step is slow, the second tells how many there may be in a slice.
    (one,) = rates.measure(rates.stepping(batches[:1], step, runner.model), 0, num_slices=1)
    count = int(seconds / rates.NUM_SLICES / one.seconds)
    work = rates.stepping(batches[: max(1, count)], step, runner.model)
    return rates.Speed.of(rates.measure(work, seconds))


def _together(
    runner: Runner, setting: Setting, seconds: float, num_slices: int = rates.NUM_SLICES
) -> rates.Speed:
    """Measure a training with a setting."""
    before = torch.get_num_threads()
    torch.set_num_threads(setting.threads)
    changes_layout = setting.channels_last != runner.cfg[KEY]
    if changes_layout:
        _lay_out(runner, setting.channels_last)
    try:
        step = rates.step_of(runner, setting.wrapper)
        work = rates.training(setting.loader, step, runner.model)
        return rates.Speed.of(rates.measure(work, seconds, num_slices))
    finally:
        torch.set_num_threads(before)
        if changes_layout:
            _lay_out(runner, runner.cfg[KEY])


def _lay_out(runner: Runner, channels_last: bool) -> None:
    """Change the layout of the network and of the optimizer's state."""
    lay_out(runner.model, channels_last)
    lay_out_state(runner.optim_wrapper.optimizer)


def _compare(runner: Runner, settings: list[Setting], seconds: float) -> list[dict[str, Any]]:
    """Train with each setting in turn; the first is the run's own."""
    if len(settings) < 2:
        return []
    end = time.perf_counter() + seconds
    each = seconds / NUM_ROUNDS / len(settings)
    rounds: list[list[float]] = []
    while len(rounds) < NUM_ROUNDS and (not rounds or time.perf_counter() < end):
        rounds.append([_together(runner, one, each, 1).img_per_s for one in settings])
    return [
        {"set": one.words, "ratio": median(found), "low": min(found), "high": max(found)}
        for one, found in zip(settings[1:], ratios(rounds), strict=True)
    ]


def _whole_run(
    runner: Runner, speeds: dict[str, rates.Speed], start_of_pass: float
) -> dict[str, float]:
    """Return the iterations, the images of all validations, and the seconds of both."""
    iterations = runner.max_iters - runner.iter
    images = iterations * runner.cfg.train_dataloader.batch_size
    passes = iterations / len(runner.train_dataloader)
    validated = val_images(runner)
    return {
        "iterations": iterations,
        "training_s": images / speeds["together"].img_per_s + passes * start_of_pass,
        "val_images": validated,
        "validation_s": validated / speeds["evaluation"].img_per_s if validated else 0.0,
    }
