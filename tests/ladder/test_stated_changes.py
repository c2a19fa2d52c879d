"""What a rung states that it changes, and what it changes besides, from the resolved configs."""

from pathlib import Path
from typing import Any

import pytest

from bag_of_transfer.engine.config import knob_names
from bag_of_transfer.engine.config.config_vocabulary import known_children
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.report.compared_settings import COMPARED, KNOBS, compared
from bag_of_transfer.ladder.report.documents import table_file, tables_of
from bag_of_transfer.ladder.report.findings import find, find_top1
from bag_of_transfer.ladder.report.footnotes import footnotes
from bag_of_transfer.ladder.report.page_data import config_changes
from bag_of_transfer.ladder.report.publish import publish
from bag_of_transfer.ladder.report.results import LadderResults, read_results
from bag_of_transfer.ladder.report.step_tables import step_notes, step_table
from bag_of_transfer.ladder.report.steps import read_steps
from bag_of_transfer.ladder.report.trick_keys import TRICK_KEYS
from tests.ladder import drawn_ladder as drawn

LR = "optim_wrapper.optimizer.lr"
PUBLISHED = Path(__file__).resolve().parents[2] / "docs/results/small"
STEP = "dict(type='MultiStepLR', milestones=[8, 11])"
RECIPE = {
    "model": "dict(backbone=dict(type='ResNetD', depth=18))",
    "optim_wrapper": "dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1))",
    "param_scheduler": f"[{STEP}]",
    "train_cfg": "dict(max_epochs=12)",
    "work_dir": "'work_dirs/{rung}'",
    "num_epochs": "12",
}
TRICKS = {name: {"on": False, "value": None} for name in TRICK_KEYS}


class Drawn:
    """Two rungs with a pretraining each, ``b`` and ``d``, and detection; only what is given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan: dict[str, Any] = drawn.plan(1)
        rung = self.plan["rungs"]["b_standard"]
        self.plan["rungs"] = {name: {**rung, "label": name.upper()} for name in "bd"}
        self.plan["tasks"].pop("segmentation")
        self.plan["reference"] = "b"

    def run(
        self, rung: str, task: str = "pretraining", seed: int = 0, tricks: Any = None, **recipe: str
    ) -> None:
        """Draw a cell with a recipe, and the tricks that are at work beside those of TRICKS."""
        own = self.folder / f"seed{seed}/{rung}/{task}"
        drawn.write(own / "cell.json", drawn.record(rung, task, seed))
        metrics = {"top1": 50.0, "mAP_voc07": 40.0}
        drawn.write(own / "metrics.json", {"split": "test", "metrics": metrics})
        if tricks is not None:
            drawn.write(own / "tricks.json", {**TRICKS, **tricks})
        texts = {**RECIPE, **recipe}
        lines = (f"{key} = {text.replace('{rung}', rung)}\n" for key, text in texts.items())
        (own / "resolved_config.py").write_text("".join(lines))

    def results(self, **of_d: Any) -> LadderResults:
        self.plan["rungs"]["d"].update(of_d)
        drawn.write(self.folder / "ladder.json", self.plan)
        return read_results(self.folder)


@pytest.fixture
def two(tmp_path: Path) -> Drawn:
    drawn_ladder = Drawn(tmp_path)
    drawn_ladder.run("b", tricks={})
    return drawn_ladder


def only_step(ladder: LadderResults) -> tuple[tuple[str, ...], dict[str, tuple[Any, Any]]]:
    """What the only step states, and what differs besides by key."""
    (step,) = read_steps(ladder)
    return step.stated, {change.key: (change.before, change.after) for change in step.besides}


def optimizer(lr: float) -> str:
    return f"dict(type='OptimWrapper', optimizer=dict(type='SGD', lr={lr}))"


def test_keys_of_the_trick_that_is_at_work_are_stated(two: Drawn) -> None:
    mixed = "dict(backbone=dict(type='ResNetD', depth=18), mixup=dict(alpha=0.2))"
    two.run("d", tricks={"mixup": {"on": True, "value": {"alpha": 0.2}}}, model=mixed)
    assert only_step(two.results()) == (("mixup",), {})


def test_keys_of_a_trick_that_is_not_at_work_differ_besides(two: Drawn) -> None:
    mixed = "dict(backbone=dict(type='ResNetD', depth=18), mixup=dict(alpha=0.2))"
    two.run("d", tricks={}, model=mixed)
    assert only_step(two.results()) == ((), {"model.mixup.alpha": (None, "0.2")})


def test_another_lr_is_no_part_of_the_linear_scaling(two: Drawn) -> None:
    scaled = {"on": True, "value": {"base_lr": 1.2}}
    two.run("b", tricks={"linear_scaling": {"on": True, "value": {"base_lr": 0.1}}})
    two.run("d", tricks={"linear_scaling": scaled}, optim_wrapper=optimizer(1.2))
    assert only_step(two.results()) == ((), {LR: ("0.1", "1.2")})


def test_the_lr_is_the_one_before_the_rule_scaled_it(two: Drawn) -> None:
    rule = "dict(lr={}, base_batch_size=256, per_device=32, world=1, accumulation=1, effective={})"
    two.run("b", tricks={}, optim_wrapper=optimizer(0.0125), lr_rule=rule.format(0.1, 0.0125))
    two.run("d", tricks={}, optim_wrapper=optimizer(0.05), lr_rule=rule.format(0.4, 0.05))
    assert only_step(two.results())[1] == {LR: ("0.1", "0.4")}


def test_a_warmup_before_the_decay_does_not_hide_another_decay(two: Drawn) -> None:
    later = "[dict(type='GradualWarmup', end=1), dict(type='MultiStepLR', milestones=[6, 11])]"
    two.run("d", tricks={"warmup": {"on": True, "value": {"iters": 9}}}, param_scheduler=later)
    stated, besides = only_step(two.results())
    assert stated == ("warmup",)
    assert besides == {"param_scheduler.MultiStepLR.milestones": ("[8, 11]", "[6, 11]")}


def test_what_a_rung_states_is_not_besides(two: Drawn) -> None:
    two.run("d", tricks={}, train_cfg="dict(max_epochs=20)", optim_wrapper=optimizer(0.2))
    assert set(only_step(two.results())[1]) == {"train_cfg.max_epochs", LR}
    assert only_step(two.results(states=["train_cfg"])) == (("train_cfg",), {LR: ("0.1", "0.2")})


def test_tuned_values_are_the_recipe(two: Drawn) -> None:
    two.run("d", tricks={}, optim_wrapper=optimizer(0.2))
    two.plan["tuning_seeds"] = [8]
    for rung in "bd":
        two.plan["rungs"][rung]["tune"] = {LR: [0.1, 0.2]}
    assert only_step(two.results()) == ((f"tuned: {LR}",), {})


@pytest.mark.parametrize(
    ("key", "set_by_it"),
    [
        ("lr", {"optim_wrapper": optimizer(0.2)}),
        (
            "param_scheduler.0.milestones",
            {"param_scheduler": f"[{STEP.replace('8, 11', '6, 11')}]"},
        ),
        (
            "epochs",
            {
                "train_cfg": "dict(max_epochs=24)",
                "param_scheduler": f"[{STEP.replace('8, 11', '16, 22')}]",
            },
        ),
    ],
)
def test_knobs_and_items_of_lists_that_are_tuned_are_the_recipe_too(
    two: Drawn, key: str, set_by_it: dict[str, str]
) -> None:
    model = "dict(backbone=dict(type='ResNetD', depth=34))"
    two.run("d", tricks={}, **{**set_by_it, "model": model})
    two.plan["tuning_seeds"] = [8]
    for rung in "bd":
        two.plan["rungs"][rung]["tune"] = {key: [1, 2]}
    besides = {"model.backbone.depth": ("18", "34")}
    assert only_step(two.results()) == ((f"tuned: {key}",), besides)


def test_what_only_another_rung_was_tuned_in_is_not_stated(two: Drawn) -> None:
    two.run("d", tricks={}, optim_wrapper=optimizer(0.2))
    two.plan["tuning_seeds"] = [8]
    another = {**two.plan["rungs"]["b"], "label": "C", "tune": {LR: [0.1, 0.2]}}
    two.plan["rungs"] = {"c": another, **two.plan["rungs"]}
    *_, step = read_steps(two.results())
    assert (step.before, step.after, step.stated) == ("b", "d", ())
    assert [change.key for change in step.besides] == [LR]


def test_every_knob_of_a_recipe_can_be_tuned() -> None:
    assert KNOBS.keys() == {*knob_names.KNOBS} - {"data_root", "classes"}


def test_a_teacher_and_its_files_are_stated(two: Drawn) -> None:
    taught = "dict(backbone=dict(type='ResNetD', depth=18), distillation=dict(teacher='t.pth'))"
    two.run("d", tricks={"distillation": {"on": True, "value": {}}}, model=taught)
    assert only_step(two.results(teacher="b")) == (("teacher B", "distillation"), {})


def test_the_same_precision_may_be_asked_for_in_two_ways(two: Drawn) -> None:
    fp32 = {"mixed_precision": {"on": False, "value": "fp32"}}
    two.run("b", tricks=fp32)
    other = "dict(type='AutocastOptimWrapper', optimizer=dict(type='SGD', lr=0.1))"
    two.run("d", tricks=fp32, optim_wrapper=other, amp="'auto'")
    assert only_step(two.results())[1] == {}
    for rung, wrapper in (("b", optimizer(0.1)), ("d", other)):
        two.run(rung, tricks={}, optim_wrapper=wrapper)  # without evidence
    assert set(only_step(two.results())[1]) == {"optim_wrapper.type"}


def test_places_seeds_and_a_files_own_variables_do_not_count(two: Drawn) -> None:
    two.run("d", seed=3, tricks={}, num_epochs="20", randomness="dict(seed=3)")
    two.plan["seeds"] = [0, 3]
    assert only_step(two.results())[1] == {}


def test_a_start_from_a_backbone_is_stated_but_another_network_is_not(two: Drawn) -> None:
    start = "norm_eval={}, frozen_stages={}, type='{}'"
    scratch = f"dict(backbone=dict({start.format(False, -1, 'ResNetD')}))"
    file = f"dict(backbone=dict({start.format(True, 1, 'ResNetB')}, init_cfg=dict(checkpoint='f')))"
    two.plan["rungs"]["b"] |= {"kind": "scratch", "config": None}
    two.run("b", "detection", model=scratch)
    two.run("d", "detection", model=file)
    stated, besides = only_step(two.results())
    assert stated == ("pretraining",)
    assert besides == {"model.backbone.type": ("'ResNetD'", "'ResNetB'")}


def test_a_rung_may_be_compared_with_another_than_the_one_before(two: Drawn) -> None:
    rung = two.plan["rungs"].pop("d")
    two.plan["rungs"] |= {"c": {**rung, "label": "C"}, "d": rung}
    two.run("c", tricks={}, train_cfg="dict(max_epochs=99)")
    two.run("d", tricks={})
    assert [(step.before, bool(step.besides)) for step in read_steps(two.results())] == [
        ("b", True),
        ("c", True),
    ]
    ladder = two.results(compared_with="b")
    assert [bool(step.besides) for step in read_steps(ladder)] == [True, False]
    assert [(change.before, change.after) for change in config_changes(ladder)] == [("B", "C")]


def test_a_rung_that_is_compared_with_none_of_the_plan_is_a_damaged_plan(two: Drawn) -> None:
    with pytest.raises(UserError, match=r"what d is compared with, .z., is not one of the rungs"):
        two.results(compared_with="z")


def test_missing_configs_are_unknown(two: Drawn) -> None:
    table = step_table(two.results())
    assert table is not None
    assert table.rows[0][3].text == "pretraining: unknown; detection: unknown"


def test_rungs_that_differ_in_more_are_marked_and_footnoted(two: Drawn) -> None:
    two.run("d", tricks={}, train_cfg="dict(max_epochs=20)")
    for rung in "bd":
        two.run(rung, "detection")
    ladder = two.results()
    findings, top1 = find(ladder), find_top1(ladder)
    for table in tables_of(ladder, findings, top1)[:2]:
        assert {row[0].text: row[0].remark for row in table.rows}["D"] == "*"
    notes = footnotes(ladder, findings, top1)
    assert "D (*) differs from B in more than it states: train_cfg.max_epochs." in notes
    text = table_file(ladder, findings, top1, "det", notes)
    assert "pretraining: train_cfg.max_epochs 12 -&gt; 20" in text
    assert "| D (*) |" in text


def test_a_published_copy_has_the_same_table(two: Drawn, tmp_path: Path) -> None:
    two.run("d", tricks={}, train_cfg="dict(max_epochs=20)")
    table = step_table(two.results())
    publish(two.folder, tmp_path / "copy")
    assert step_table(read_results(tmp_path / "copy")) == table


def test_the_published_ladder_shows_that_two_rungs_had_another_lr() -> None:
    notes = "\n".join(step_notes(read_results(PUBLISHED)))
    assert f"D-efficient (*) differs from B-standard in more than it states: {LR}." in notes
    assert "+ mixup w/o distill (*) differs from" in notes
    assert "+ cosine" not in notes


def test_every_part_that_a_run_is_built_from_is_compared() -> None:
    known = known_children("", {}, "mmengine")
    assert known is not None
    assert COMPARED - known == {"amp", "lr_rule"}  # ours
    assert known - COMPARED == {
        *("work_dir", "experiment_name", "load_from", "resume", "launcher", "log_level"),  # places
        *("log_processor", "visualizer", "custom_imports", "default_scope", "env_cfg"),
        *("randomness", "held_out"),  # the seed, and what only searches hold out
        *("channels_last", "compile"),  # how, not what
        *("find_unused_parameters", "model_wrapper_cfg"),
        "auto_scale_lr",  # lr_rule says what it did
    }


def test_loaders_that_follow_a_cells_cores_are_not_compared() -> None:
    stated = {"train_dataloader.batch_size": "8", "val_dataloader.dataset.ann_file": "'a'"}
    loading = {
        "train_dataloader.num_workers": "1",
        "train_dataloader.persistent_workers": "True",
        "test_dataloader.dataset.datasets.0.backend_args.x": "1",
    }
    assert compared({**stated, **loading}) == stated
