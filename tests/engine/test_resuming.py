"""A run goes on only as the run that the config would have given from the start."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from bag_of_transfer.engine.errors import RefusedError, UserError
from bag_of_transfer.engine.loop.turns import EndlessTurns, Turns
from bag_of_transfer.engine.recipe import recipe_of
from bag_of_transfer.engine.run.resuming import (
    ConfiguredSchedule,
    _epoch_differences,
    _refuse_others,
    _refuse_shorter,
    resume,
)
from bag_of_transfer.engine.run_files import manifest_of

PATH = Path("epoch_2.pth")
STEP = [dict(type="MultiStepLR", milestones=[1, 3], gamma=0.1)]
COSINE = [dict(type="CosineAnnealingLR")]
ITERS = 3  # per epoch


class Line(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, inputs: torch.Tensor, mode: str = "tensor") -> Any:
        return {"loss": self.weight.sum()}


class Rates(Hook):
    """Note the lr of each epoch."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def before_train_epoch(self, runner: Runner) -> None:
        self.seen.append(round(runner.optim_wrapper.get_lr()["lr"][0], 9))


def config(folder: Path, epochs: int, schedule: list[dict], lr: float = 0.1, **more: Any) -> Config:
    return Config(
        dict(
            work_dir=str(folder),
            optim_wrapper=dict(optimizer=dict(type="SGD", lr=lr, momentum=0.9)),
            param_scheduler=schedule,
            train_cfg=dict(by_epoch=True, max_epochs=epochs),
            train_dataloader=dict(batch_size=1),
            default_hooks=dict(checkpoint=dict(type="SafeCheckpointHook"), logger=None),
            randomness=dict(seed=0),
            **more,
        )
    )


def train(cfg: Config, batch: int = 1) -> list[float]:
    data = [{"inputs": torch.zeros(1)} for _ in range(ITERS)]
    rates = Rates()
    apart = ("train_dataloader", "channels_last")  # the latter is no argument of mmengine's
    given = {key: value for key, value in cfg.items() if key not in apart}
    runner = Runner(
        model=Line(),
        train_dataloader=DataLoader(data, batch, sampler=DefaultSampler(data, shuffle=False)),
        custom_hooks=[rates],
        experiment_name=f"{cfg.work_dir}_{id(cfg)}",
        cfg=cfg,
        **given,
    )
    if cfg.get("resume"):
        runner.register_hook(ConfiguredSchedule())
    runner.train()
    return rates.seen


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the work dir of a run of two epochs, which is not to be changed."""
    folder = tmp_path_factory.mktemp("run")
    assert train(config(folder, 2, STEP)) == [0.1, 0.01]
    return folder


@pytest.fixture
def trained(shared: Path, tmp_path: Path) -> Path:
    """Return a copy of that work dir."""
    return Path(shutil.copytree(shared, tmp_path / "run"))


def changed(work_dir: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the newest checkpoint, as an earlier version or another program would write it."""
    path = work_dir / "epoch_2.pth"
    file = torch.load(path, weights_only=True)
    change(file)
    torch.save(file, path)
    manifest_of(path).unlink()


def go_on(cfg: Config, wanted: str | None = "auto") -> list[str]:
    return resume(cfg, wanted)


def test_the_rest_of_a_schedule_is_the_configs(trained: Path) -> None:
    """mmengine would keep the old end, and the milestone at 3 would never come."""
    longer = config(trained, 4, STEP)
    line, moved = go_on(longer)
    assert "which change nothing that is trained: work_dir was" in moved
    assert line.endswith("so far: train_cfg.max_epochs was 2, now 4")
    assert train(longer) == [0.01, 0.001]  # epochs 3 and 4 of a run of four


def test_a_milestone_at_the_old_end_is_not_missed(tmp_path: Path) -> None:
    train(config(tmp_path, 2, [dict(STEP[0], milestones=[2])]))
    longer = config(tmp_path, 4, [dict(STEP[0], milestones=[2])])
    go_on(longer)
    assert train(longer) == [0.01, 0.01]


def test_a_milestone_that_was_still_to_come_may_move(trained: Path) -> None:
    later = config(trained, 5, [dict(STEP[0], milestones=[1, 4])])
    assert "milestones was [1, 3], now [1, 4]" in go_on(later)[0]
    assert train(later) == [0.01, 0.01, 0.001]


@pytest.mark.parametrize(("was", "now"), [([2], [4]), ([3], [2])])
def test_a_milestone_that_is_due_at_the_checkpoint_may_not_move(
    tmp_path: Path, was: list[int], now: list[int]
) -> None:
    """The file's optimizer has the next epoch's rate already."""
    longer = config(tmp_path, 3, [dict(STEP[0], milestones=was)])
    longer.default_hooks.checkpoint.interval = 1
    train(longer)
    other = config(tmp_path, 5, [dict(STEP[0], milestones=now)])
    with pytest.raises(RefusedError, match=rf"milestones was \[{was[0]}\], now \[{now[0]}\]"):
        go_on(other, str(tmp_path / "epoch_2.pth"))


def test_a_milestone_at_the_old_end_may_move_as_nothing_has_followed_it(tmp_path: Path) -> None:
    train(config(tmp_path, 2, [dict(STEP[0], milestones=[2])]))
    later = config(tmp_path, 5, [dict(STEP[0], milestones=[4])])
    go_on(later)
    assert train(later) == [0.1, 0.1, 0.01]
    # A schedule with an end of its own has moved on.
    train(config(tmp_path / "own", 2, [dict(STEP[0], milestones=[2], end=9)]))
    with pytest.raises(RefusedError):
        go_on(config(tmp_path / "own", 5, [dict(STEP[0], milestones=[4], end=9)]))


def test_other_images_are_refused_before_a_step(tmp_path: Path) -> None:
    train(config(tmp_path, 2, STEP))
    path = tmp_path / "epoch_2.pth"
    file = torch.load(path, weights_only=True)
    assert json.loads(file["meta"]["config_json"])["config"]["param_scheduler"] == STEP
    assert json.loads(file["meta"]["data_json"]) == {"training images": [{"number": ITERS}]}
    file["meta"]["data_json"] = json.dumps(
        {"training images": [{"number": 9}], "validation images": []}
    )
    torch.save(file, path)
    manifest_of(path).unlink()
    longer = config(tmp_path, 4, STEP)
    go_on(longer)
    with pytest.raises(RefusedError, match=r"training images\.0\.number was 9, now 3"):
        train(longer)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (["optimizer", "param_schedulers"], "no state of the optimizer"),
        (["param_schedulers"], "no state of the schedule"),  # save_param_scheduler=False
    ],
)
def test_a_best_checkpoint_is_no_state_to_go_on_from(
    trained: Path, parts: list[str], said: str
) -> None:
    def leave_out(file: dict[str, Any]) -> None:
        for part in parts:
            del file[part]

    changed(trained, leave_out)
    longer, as_long = config(trained, 4, STEP), config(trained, 2, STEP)
    for cfg in (longer, as_long):
        go_on(cfg)
    with pytest.raises(UserError, match=said) as caught:
        train(longer)
    assert caught.value.exit_code == 2
    assert train(as_long) == []  # nothing remains to be trained


def test_a_constant_rate_needs_no_state_of_a_schedule(tmp_path: Path) -> None:
    train(config(tmp_path, 2, []))
    changed(tmp_path, lambda file: file.pop("param_schedulers"))
    longer = config(tmp_path, 3, [])
    go_on(longer)
    assert train(longer) == [0.1]


def test_what_a_run_may_change_is_told(trained: Path) -> None:
    other = config(trained, 2, STEP)
    other.merge_from_dict({"train_dataloader.num_workers": 2, "env_cfg.cudnn_benchmark": True})
    rounding, harmless = go_on(other)
    assert rounding.endswith("rounding: env_cfg.cudnn_benchmark was not stated, now True")
    assert harmless.endswith("; train_dataloader.num_workers was not stated, now 2")


def recipes(was: Config, now: Config) -> tuple[dict, dict]:
    meta = {"epoch": 2, "iter": 2 * ITERS, "recipe": recipe_of(was)}
    return recipe_of(now), meta


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ((4, COSINE), (6, COSINE)),  # a longer cosine was higher from the start
        ((4, STEP), (4, COSINE)),
        ((4, STEP), (4, [])),
        ((4, STEP), (4, [dict(STEP[0], milestones=[2, 3])])),
        ((4, STEP), (4, STEP, 0.2)),
        ((4, [dict(type="CosineAnnealingMomentum")]), (6, [dict(type="CosineAnnealingMomentum")])),
    ],
)
def test_a_schedule_that_began_otherwise_is_refused(tmp_path: Path, was: Any, now: Any) -> None:
    told, meta = recipes(config(tmp_path, *was), config(tmp_path, *now))
    with pytest.raises(RefusedError, match=r"^the run was trained with other values, ") as caught:
        _refuse_others(told, meta, PATH)
    assert caught.value.exit_code == 3
    assert "use --cfg-options load_from=PATH" in str(caught.value)


def test_an_older_file_within_an_epoch_does_not_tell_its_place(tmp_path: Path) -> None:
    told, meta = recipes(config(tmp_path, 4, STEP), config(tmp_path, 6, STEP))
    assert _refuse_others(told, meta, PATH)
    with pytest.raises(RefusedError, match="max_epochs was 4, now 6"):
        _refuse_others(told, meta, Path("epoch_2_iter_6.pth"))


def test_epochs_of_another_length_are_refused_before_a_step(trained: Path) -> None:
    """As with drop_last: 63 images are two batches of two processes, and one batch of one."""
    longer = config(trained, 4, STEP)
    go_on(longer)
    said = r"iterations per epoch \(drop_last, processes\) was 3, now 2"
    with pytest.raises(RefusedError, match=said):
        train(longer, batch=2)


def test_a_sampler_without_epochs_may_have_any_length() -> None:
    meta = {"iters_per_epoch": 9}
    for kind, number in ((EndlessTurns, 0), (Turns, 1)):
        loader = DataLoader(range(ITERS), sampler=kind(InfiniteSampler(range(ITERS))))
        runner = SimpleNamespace(train_dataloader=loader)
        assert len(_epoch_differences(runner, meta)) == number
        assert _epoch_differences(runner, {}) == []  # an older file


def test_every_changed_value_is_told(tmp_path: Path) -> None:
    other = config(tmp_path, 4, STEP, lr=0.2, classes=("a", "b"))
    other.merge_from_dict({"optim_wrapper.optimizer.momentum": 0.5, "randomness.seed": 3})
    told, meta = recipes(config(tmp_path, 4, STEP, classes=("a", "c")), other)
    with pytest.raises(RefusedError) as caught:
        _refuse_others(told, meta, PATH)
    for part in (
        "optim_wrapper.optimizer.lr was 0.1, now 0.2",
        "optim_wrapper.optimizer.momentum was 0.9, now 0.5",
        "randomness.seed was 0, now 3",
        "classes was c, now b",
    ):
        assert part in str(caught.value)


def test_what_is_counted_from_the_end_forbids_another_end(tmp_path: Path) -> None:
    model = dict(model=dict(mixup=dict(off_epochs=1)))
    told, meta = recipes(config(tmp_path, 2, STEP, **model), config(tmp_path, 4, STEP, **model))
    with pytest.raises(RefusedError, match="max_epochs was 2, now 4"):
        _refuse_others(told, meta, PATH)


def test_the_same_images_per_step_may_come_from_more_processes(tmp_path: Path) -> None:
    told, meta = recipes(config(tmp_path, 4, STEP), config(tmp_path, 4, STEP))
    told["processes"] = 2
    assert [one.key for one in _refuse_others(told, meta, PATH)] == ["processes"]


@pytest.mark.parametrize("damage", [{"param_scheduler": None}, {"train_cfg": 3}, {}, [1]])
def test_a_recipe_of_a_strange_file_is_refused_or_passed_over(tmp_path: Path, damage: Any) -> None:
    told, meta = recipes(config(tmp_path, 4, STEP), config(tmp_path, 4, STEP))
    meta["recipe"] = damage
    if isinstance(damage, list):
        assert _refuse_others(told, meta, PATH) == []
    else:
        with pytest.raises(RefusedError):
            _refuse_others(told, meta, PATH)


OLD = [
    ({"lr": 0.2}, "optimizer.lr was 0.1, now 0.2"),
    ({"schedule": [dict(STEP[0], gamma=0.5)]}, "param_scheduler.0.gamma was 0.1, now 0.5"),
    ({"schedule": STEP * 2}, "number of schedulers was 1, now 2"),
    ({"iters": 5}, "iterations per epoch was 5, now 3"),
    ({}, None),
]


@pytest.mark.parametrize(("change", "said"), OLD)
def test_a_file_without_a_recipe_is_compared_with_what_was_built(
    trained: Path, change: dict[str, Any], said: str | None
) -> None:
    def age(file: dict[str, Any]) -> None:
        for key in ("recipe", "config_json", "data_json"):
            del file["meta"][key]
        file["meta"]["iter"] = 2 * change.get("iters", ITERS)

    changed(trained, age)
    cfg = config(trained, 2, change.get("schedule", STEP), change.get("lr", 0.1))
    assert go_on(cfg) == []
    if said is None:
        assert train(cfg) == []  # it was complete
    else:
        with pytest.raises(RefusedError) as caught:
            train(cfg)
        assert said in str(caught.value)


@pytest.mark.parametrize(("change", "said"), [("seed", "was 0, now 7"), ("classes", "was a, now")])
def test_seed_and_classes_of_a_file_without_a_recipe_are_compared(
    tmp_path: Path, change: str, said: str
) -> None:
    cfg = config(tmp_path, 2, STEP, classes=("a", "b"))
    meta = {"epoch": 2, "iter": 6, "seed": 0, "dataset_meta": {"classes": ("a", "b")}}
    assert _refuse_others(recipe_of(cfg), meta, PATH) == []
    cfg.merge_from_dict({"randomness.seed": 7} if change == "seed" else {"classes": ("x", "b")})
    with pytest.raises(RefusedError, match=said):
        _refuse_others(recipe_of(cfg), meta, PATH)


def test_a_configs_own_resume_is_compared_too(trained: Path) -> None:
    with pytest.raises(RefusedError, match=r"lr was 0\.1, now 0.2"):
        go_on(config(trained, 2, STEP, 0.2, resume=True), None)


@pytest.mark.parametrize(("key", "done"), [("max_epochs", "epoch"), ("max_iters", "iter")])
def test_a_longer_run_is_no_run_of_a_shorter_config(key: str, done: str) -> None:
    meta = {"epoch": 3, "iter": 3}
    _refuse_shorter(Config({key: 3}), meta, Path("a.pth"))
    with pytest.raises(RefusedError) as caught:
        _refuse_shorter(Config({key: 2}), meta, Path("a.pth"))
    assert str(caught.value) == (
        f"the run was trained for 3 {done}s, the config says 2: a.pth: raise "
        f"train_cfg.{key}, or name another --work-dir"
    )
