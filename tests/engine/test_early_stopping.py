"""Early stopping: its arguments are checked, and its count outlives a resumption."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import get_priority

import bag_of_transfer.classification  # noqa: F401  registers TopK
from bag_of_transfer.engine.data.watched_metrics import settle_watched_metrics
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.file_hash import sha256_of
from bag_of_transfer.engine.loop.early_stopping import StopEarly
from bag_of_transfer.engine.loop.own_parts import own
from bag_of_transfer.engine.loop.records import RunRecorder
from bag_of_transfer.engine.run_files import newest_checkpoint
from bag_of_transfer.engine.weights.checkpoint_hook import SafeCheckpointHook
from bag_of_transfer.engine.weights.exact_state import ExactState, collect
from tests.engine.test_checkpoint_hook import make_runner

SCORES = [10.0, 30.0, 20.0, 25.0, 29.0, 28.0]  # after the fifth, three were no better than 30


def runner() -> Any:
    logger = SimpleNamespace(info=lambda message: None)
    return SimpleNamespace(train_loop=SimpleNamespace(stop_training=False), logger=logger)


def validations_until_the_end(hook: StopEarly, scores: list[float]) -> int:
    run = runner()
    for number, score in enumerate(scores, start=1):
        hook.after_val_epoch(run, {"top1": score})
        if run.train_loop.stop_training:
            return number
    return 0


def test_mmengines_name_gives_ours() -> None:
    assert own({"type": "EarlyStoppingHook", "monitor": "top1"})["type"] is StopEarly


def test_a_falling_loss_does_not_end_a_run() -> None:
    def scored(**more: Any) -> bool:
        hook, run = StopEarly("val/loss", patience=1, **more), runner()
        for score in (9.0, 8.0, 7.0):
            hook.after_val_epoch(run, {"val/loss": score})
        return bool(run.train_loop.stop_training)

    assert not scored()
    assert scored(rule="greater")


@pytest.mark.parametrize("stopped_after", range(5))
def test_a_resumed_run_ends_where_the_run_without_a_stop_ends(stopped_after: int) -> None:
    assert validations_until_the_end(StopEarly("top1", patience=3), SCORES) == 5
    first = StopEarly("top1", patience=3)
    assert validations_until_the_end(first, SCORES[:stopped_after]) == 0
    resumed = StopEarly("top1", patience=3)
    resumed.load_process_state(runner(), first.process_state(runner()))
    assert validations_until_the_end(resumed, SCORES[stopped_after:]) == 5 - stopped_after


@pytest.mark.parametrize("more", [{}, {"stopping_threshold": 30.0, "patience": 9}])
def test_a_run_that_has_ended_stays_ended_unless_it_may_go_on(more: dict[str, Any]) -> None:
    first = StopEarly("top1", **{"patience": 3, **more})
    assert validations_until_the_end(first, [31.0, *SCORES]) == (1 if more else 4)
    state, run, longer = first.process_state(runner()), runner(), runner()
    StopEarly("top1", **{"patience": 3, **more}).load_process_state(run, state)
    StopEarly("top1", patience=9).load_process_state(longer, state)
    assert (run.train_loop.stop_training, longer.train_loop.stop_training) == (True, False)


@pytest.mark.parametrize("by_epoch", [True, False])
def test_the_weights_of_the_last_validation_are_saved(tmp_path: Path, by_epoch: bool) -> None:
    run = make_runner(tmp_path, 9, [1.0, 3.0, 2.0, 2.5], by_epoch=by_epoch, interval=4)
    for hook in (StopEarly("top1", patience=1), RunRecorder()):
        run.register_hook(hook)
    run.train()
    newest = tmp_path / ("epoch_3.pth" if by_epoch else "iter_6.pth")  # two iterations each
    assert newest_checkpoint(tmp_path) == newest
    meta = torch.load(newest, weights_only=True)["meta"]
    assert (meta["epoch"], meta["iter"]) == (3, 6)
    record = json.loads((tmp_path / "metrics.json").read_text())
    assert record["metrics"] == {"top1": 2.0}
    assert record["checkpoint_sha256"] == sha256_of(newest)


def test_metrics_name_no_checkpoint_of_other_weights(tmp_path: Path) -> None:
    run = make_runner(tmp_path, 9, [3.0, 2.0, 1.0], interval=2, save_last=False)
    for hook in (StopEarly("top1", patience=2), RunRecorder()):
        run.register_hook(hook)
    run.train()
    assert newest_checkpoint(tmp_path) == tmp_path / "epoch_2.pth"
    record = json.loads((tmp_path / "metrics.json").read_text())
    assert (record["metrics"], record["checkpoint_sha256"]) == ({"top1": 1.0}, None)


def test_another_number_of_processes_counts_on() -> None:
    first = StopEarly("top1", patience=3)
    validations_until_the_end(first, SCORES[:3])
    state = {"StopEarly": first.process_state(runner()), "Alone": {}}
    resumed, alone = StopEarly("top1", patience=3), Alone()
    run: Any = SimpleNamespace(_resume=True, hooks=[resumed, alone, ExactState()])
    ExactState().after_load_checkpoint(run, {"processes": [state, state]})
    assert (resumed.best_score, resumed.wait_count) == (30.0, 1)


@pytest.mark.parametrize("cut", [False, True])
def test_each_of_several_gets_its_own_state(cut: bool) -> None:
    before = [StopEarly("top1", patience=4), StopEarly("top1", patience=9)]
    for hook, count in zip(before, (3, 5), strict=True):
        validations_until_the_end(hook, SCORES[:count])
    run: Any = SimpleNamespace(_resume=True, hooks=before)
    (state,) = collect(run)
    if cut:  # a file of an earlier version: the last one's took the place of all
        state = {"StopEarly": state["StopEarly 2"]}
    run.hooks = [StopEarly("top1", patience=4), StopEarly("top1", patience=9)]
    ExactState().after_load_checkpoint(run, {"processes": [state]})
    assert [hook.wait_count for hook in run.hooks] == ([0, 0] if cut else [1, 3])


@pytest.mark.parametrize("now", [{"monitor": "top5"}, {"monitor": "top1", "rule": "less"}])
def test_another_metric_or_rule_is_counted_from_the_start(now: dict[str, Any]) -> None:
    first = StopEarly("top1", rule="greater", patience=9)
    validations_until_the_end(first, SCORES)
    resumed, run = StopEarly(**{"rule": "greater", "patience": 3, **now}), runner()
    resumed.load_process_state(run, first.process_state(run))
    assert (resumed.wait_count, run.train_loop.stop_training) == (0, False)


def test_a_state_from_before_the_metric_was_stored_counts_on() -> None:
    resumed = StopEarly("top1", patience=9)
    resumed.load_process_state(runner(), {"best_score": 30.0, "wait_count": 2})
    assert (resumed.best_score, resumed.wait_count) == (30.0, 2)


class Alone(Hook):
    """Has a state of each process's own."""

    def load_process_state(self, runner: Any, state: Any) -> None:
        raise AssertionError


def test_a_checkpoint_of_a_better_score_knows_of_its_validation() -> None:
    assert get_priority(StopEarly.priority) < get_priority(SafeCheckpointHook.priority)


@pytest.mark.parametrize(
    "state",
    [
        *({"best_score": "1", "wait_count": 0}, {"best_score": float("nan"), "wait_count": 0}),
        *({"best_score": None, "wait_count": -1}, {"best_score": 1.0, "wait_count": 1.5}),
    ],
)
def test_a_damaged_state_is_refused(state: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no state of early stopping"):
        StopEarly("top1").load_process_state(runner(), state)


@pytest.mark.parametrize("patience", [0, -1, 2.5, True, "3"])
def test_patience_is_a_whole_number_from_1(patience: Any) -> None:
    with pytest.raises(ValueError, match="patience must be a whole number"):
        StopEarly("top1", patience=patience)


def stopping(monitor: str, **more: Any) -> Config:
    hooks = [{"type": "EarlyStoppingHook", "monitor": monitor}]
    return Config({"custom_hooks": hooks, "val_evaluator": [{"type": "TopK"}], **more})


def test_its_metric_must_exist_before_anything_is_trained() -> None:
    settle_watched_metrics(stopping("top1", val_dataloader={"batch_size": 1}))
    with pytest.raises(UserError, match=r"called 'mAP': custom_hooks\.0\.monitor: use one of"):
        settle_watched_metrics(stopping("mAP", val_dataloader={"batch_size": 1}))
    with pytest.raises(UserError, match=r"nothing is validated: custom_hooks\.0"):
        settle_watched_metrics(stopping("top1"))
