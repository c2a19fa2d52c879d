"""What :class:`Benchmark` found, in lines for a reader."""

from collections.abc import Mapping
from typing import Any

from bag_of_transfer.engine.loop.peak_memory import in_words
from bag_of_transfer.engine.quantities import duration, rate

__all__ = ["lines"]

NAMES = {
    "data": "loading alone",
    "step": "steps alone",
    "together": "both together",
    "evaluation": "evaluation",
}
BOUND = {
    "data": "loading, it is slower than the steps: more workers, smaller pictures, a faster disk",
    "step": "the steps, they are slower than loading: faster steps help, more workers do not",
    "balanced": "both, loading and steps are about as fast as each other",
}
HELPS = 1.03  # in every round; less may be noise


def lines(record: Mapping[str, Any]) -> list[str]:
    """Return the lines.

    Args:
        record: That of :class:`Benchmark`.
    """
    run = record["run"]
    training, validation = run["training_s"], run["validation_s"]
    busy = record["load"] > record["cores"]
    layout = f"channels {'last' if record['channels_last'] else 'first'}"
    return [
        f"{record['task']}, batch {record['batch_size']}, precision {record['precision']}, "
        f"{layout}, compute threads {record['threads']}, loader workers {record['workers']}; "
        f"{record['hardware']}",
        *[f"the machine was busy, load {record['load']:.1f}: measure again when it is idle"] * busy,
        *(_rate(NAMES[name], speed) for name, speed in record["rates"].items()),
        f"bound by      {BOUND[record['bound_by']]}",
        in_words(record["peak_memory"]),
        f"the whole run {duration(training + validation)} = {duration(training)} for "
        f"{run['iterations']} iterations + {duration(validation)} for {run['val_images']} images "
        "of validations; without start, metrics and checkpoints",
        *_switches(record),
    ]


def _rate(name: str, speed: Mapping[str, float]) -> str:
    median, low, high = (rate(speed[key], "img") for key in ("img_per_s", "low", "high"))
    return f"{name:14}{median} ({low} to {high})"


def _switches(record: Mapping[str, Any]) -> list[str]:
    named = [f"  {words}: unmeasured, {why}" for words, why in record["unmeasured"].items()]
    tried = map(_tried, record["switches"])
    return ["switches, each alone, measured in turn with the run as it is:", *tried, *named]


def _tried(switch: Mapping[str, Any]) -> str:
    ratio, low, high = (f"{switch[name]:.2f}" for name in ("ratio", "low", "high"))
    return f"  {switch['set']}: {ratio} times as fast ({low} to {high}), {_verdict(switch)}"


def _verdict(switch: Mapping[str, float]) -> str:
    if switch["low"] >= HELPS:
        return "helps"
    return "slower" if switch["high"] <= 1 / HELPS else "no clear difference"
