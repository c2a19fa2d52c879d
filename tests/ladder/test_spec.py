"""What a ladder config may say, and what it is told when it says something wrong."""

from pathlib import Path

import pytest

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.folder import selection_of
from bag_of_transfer.ladder.plan.plan_file import describe
from bag_of_transfer.ladder.plan.spec import read_ladder

ROOT = Path(__file__).resolve().parents[2]
B = ROOT / "configs/classification/resnet18-b_demo.py"
D = ROOT / "configs/classification/resnet18-d-all_demo.py"
DET = ROOT / "configs/detection/faster-rcnn_fpn_demo.py"
SEG = ROOT / "configs/segmentation/fcn_d8_demo.py"
RUNGS = f"""rungs = dict(
    scratch=None,
    b=dict(config={str(B)!r}, row="B-standard"),
    d=dict(config={str(D)!r}, teacher="b", label="D, all"),
)
"""
TASKS = f"tasks = dict(detection={str(DET)!r}, segmentation=dict(config={str(SEG)!r}))\n"
SEEDS = "seeds = [0, 1]\n"


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)

    def from_text(*parts: str, seeds=None):
        path = tmp_path / "mine.py"
        path.write_text("".join(parts))
        return read_ladder(path, seeds)

    return from_text


def test_rungs_tasks_and_seeds_are_read(read):
    ladder = read(RUNGS, TASKS, SEEDS)
    assert [rung.name for rung in ladder.rungs] == ["scratch", "b", "d"]
    assert [rung.label for rung in ladder.rungs] == ["scratch", "B-standard", "D, all"]
    assert [rung.kind for rung in ladder.rungs] == ["scratch", "config", "config"]
    assert ladder.rungs[2].teacher == "b"
    assert [(t.name, t.kind, t.metrics) for t in ladder.tasks] == [
        ("detection", "det", ("mAP_voc07",)),
        ("segmentation", "seg", ("pixAcc", "mIoU")),
    ]
    assert (ladder.seeds, ladder.reference, ladder.selection) == ((0, 1), "scratch", "last")


def test_a_path_in_the_home_folder_is_found(read, monkeypatch):
    monkeypatch.setenv("HOME", str(B.parent))
    rungs = f"rungs = dict(scratch=None, b=dict(config='~/{B.name}'))\n"
    assert read(rungs, TASKS, SEEDS).rungs[1].source == str(B)


def test_a_rung_may_state_what_it_changes_and_against_which(read):
    other = f"c=dict(config={str(B)!r}, compared_with='scratch', states=['train_cfg'])"
    ladder = read(RUNGS, f"rungs.update({other})\n", TASKS, SEEDS)
    rung = ladder.rungs[3]
    assert (rung.compared_with, rung.states) == ("scratch", ("train_cfg",))
    written = describe(ladder)["rungs"]
    assert (written["c"]["compared_with"], written["c"]["states"]) == ("scratch", ["train_cfg"])
    assert not {"compared_with", "states"} & written["b"].keys()


def test_the_papers_figures_come_with_the_row(read):
    published = read(RUNGS, TASKS, SEEDS).rungs[1].published
    assert (published["top1"], published["mAP_voc07"]) == (76.14, 77.54)
    assert (published["pixAcc"], published["mIoU"]) == (78.08, 37.05)


def test_seeds_are_matched_unless_a_config_says_shared(read):
    ladder = read(RUNGS, TASKS, SEEDS)
    assert {rung.seeds for rung in ladder.rungs} == {"matched"}
    shared = read(RUNGS, TASKS, SEEDS, "pretrain_seeds = 'shared'\n")
    assert [rung.seeds for rung in shared.rungs] == ["matched", "shared", "shared"]


def test_a_public_model_is_always_shared(read):
    rungs = "rungs = dict(scratch=None, public=dict(model='resnet50d.gluon_in1k'))\n"
    rung = read(rungs, TASKS, SEEDS).rungs[1]
    assert (rung.kind, rung.seeds) == ("model", "shared")


def test_without_scratch_the_first_rung_is_the_reference(read):
    rungs = f"rungs = dict(b=dict(config={str(B)!r}), d=dict(config={str(D)!r}))\n"
    assert read(rungs, TASKS, SEEDS).reference == "b"


def test_other_seeds_leave_the_shared_backbones_seed_alone(read):
    ladder = read(RUNGS, TASKS, SEEDS, seeds=[3, 4])
    assert (ladder.seeds, ladder.shared_seed) == ((3, 4), 0)


def test_scratch_may_be_of_another_network(read):
    other = "b=dict(scratch=True, label='scratch, B', task_options=['model.backbone.type=ResNetB'])"
    rung = read(f"rungs = dict(scratch=None, {other})\n", TASKS, SEEDS).rungs[1]
    assert (rung.kind, rung.label) == ("scratch", "scratch, B")
    assert rung.task_options == ("model.backbone.type=ResNetB",)


FREEZE = "model.backbone.frozen_stages"
A = f"rungs = dict(a=dict(config={str(B)!r}, "
T = f"tasks = dict(t=dict(config={str(DET)!r}, "
WRONG = [
    ((RUNGS, TASKS, SEEDS, "referenze = 'b'\n"), "referenze"),
    ((TASKS, SEEDS), "rungs"),
    ((RUNGS, TASKS, "seeds = [1, 1]\n"), "seeds"),
    ((RUNGS, TASKS, "seeds = [0.5]\n"), "seeds are [0.5]"),
    ((RUNGS, TASKS, "seeds = [True]\n"), "seeds are [True]"),
    ((RUNGS, TASKS, "seeds = 5\n"), "seeds are 5"),
    ((RUNGS, TASKS, "seeds = 'all'\n"), "seeds are 'all'"),
    (("rungs = ['scratch']\n", TASKS, SEEDS), "rungs must be a dict, got list"),
    ((RUNGS, f"tasks = [{str(DET)!r}]\n", SEEDS), "tasks must be a dict, got list"),
    ((RUNGS, TASKS, SEEDS, "num_pictures = 'x'\n"), "num_pictures"),
    ((RUNGS, TASKS, SEEDS, "num_pictures = -1\n"), "num_pictures must be 0 or more, got -1"),
    ((RUNGS, TASKS, SEEDS, "rungs = dict(\n"), "not valid Python"),
    ((f"rungs = dict(a=dict(config={str(DET)!r}))\n", TASKS, SEEDS), "default_scope is mmdet"),
    (("rungs = dict(a=None, b=dict(model='resnet18', label='a'))\n", TASKS, SEEDS), "called 'a'"),
    (("rungs = dict(a=3)\n", TASKS, SEEDS), "rungs.a"),
    (("rungs = dict(a=dict(config='none.py'))\n", TASKS, SEEDS), "none.py"),
    (("rungs = dict(a=dict(file='none.safetensors'))\n", TASKS, SEEDS), "none.safetensors"),
    (("rungs = dict(a=dict(model='resnet51'))\n", TASKS, SEEDS), "resnet51"),
    ((f"rungs = dict(a=dict(config={str(B)!r}, file='b'))\n", TASKS, SEEDS), "config and file"),
    ((f"rungs = dict(a=dict(konfig={str(B)!r}))\n", TASKS, SEEDS), "konfig"),
    ((f"rungs = dict(a=dict(config={str(B)!r}, teacher='z'))\n", TASKS, SEEDS), "'z'"),
    (("rungs = dict(a=dict(scratch=True, compared_with='b'), b=None)\n", TASKS, SEEDS), "'b'"),
    (("rungs = dict(a=dict(scratch=True, states='train_cfg'))\n", TASKS, SEEDS), "list of words"),
    (("rungs = dict(a=dict(scratch=True, states=[1]))\n", TASKS, SEEDS), "list of words"),
    ((f"rungs = dict(a=dict(config={str(B)!r}, row='E'))\n", TASKS, SEEDS), "'E'"),
    ((f"rungs = dict(a=dict(config={str(B)!r}, cached='no'))\n", TASKS, SEEDS), "rungs.a.cached"),
    ((f"rungs = {{'../a': dict(config={str(B)!r})}}\n", TASKS, SEEDS), "../a"),
    ((RUNGS, f"tasks = dict(t={str(B)!r})\n", SEEDS), "neither a detection nor"),
    ((RUNGS, f"tasks = dict(pretraining={str(DET)!r})\n", SEEDS), "tasks.pretraining"),
    ((RUNGS, TASKS, SEEDS, "selection = 'best'\n"), "selection"),
    ((RUNGS, TASKS, SEEDS, "reference = 'z'\n"), "reference"),
    ((RUNGS, TASKS, SEEDS, "margins = 1\n"), "margins must be a dict, got 1"),
    ((RUNGS, TASKS, SEEDS, "margins = dict(mAP=1)\n"), "no table of this ladder compares 'mAP'"),
    (
        (RUNGS, TASKS, SEEDS, "margins = dict(AP50=1)\n"),
        "margins of top1, mAP_voc07, mAP_area",
    ),
    ((RUNGS, TASKS, SEEDS, "margins = dict(mIoU='1')\n"), "the margin is '1'"),
    ((RUNGS, TASKS, SEEDS, "margins = dict(mIoU=True)\n"), "the margin is True"),
    ((RUNGS, TASKS, SEEDS, "margins = dict(mIoU=0)\n"), "margins.mIoU"),
    ((RUNGS, TASKS, SEEDS, "margins = dict(top1=float('nan'))\n"), "the margin is nan"),
    ((RUNGS, TASKS, SEEDS, "pretrain_seeds = 'some'\n"), "pretrain_seeds"),
    (
        ("rungs = dict(a=dict(scratch=True, task_options=['a.b=1']))\n", TASKS, SEEDS),
        "task_options",
    ),
    (("rungs = dict(a=dict(scratch=True, teacher='b'))\n", TASKS, SEEDS), "unknown key 'teacher'"),
    ((RUNGS, f"tasks = dict(d=dict(config={str(DET)!r}, held_out=1))\n", SEEDS), "d.held_out"),
    (("rungs = {1: None}\n", TASKS, SEEDS), "1 is not a valid name"),
    ((RUNGS, f"tasks = {{2: {str(DET)!r}}}\n", SEEDS), "2 is not a valid name"),
    ((RUNGS, f"tasks = {{3: {str(DET)!r}}}\n", SEEDS, "tune = dict(a=1)\n"), "key 'a'"),
    (("rungs = dict(a={5: 1, 'a': 2})\n", TASKS, SEEDS), "unknown key 5"),
    (("rungs = dict(a=dict(scratch='no'))\n", TASKS, SEEDS), "rungs.a.scratch"),
    (("rungs = dict(a=dict(scratch=True, label=5))\n", TASKS, SEEDS), "5 is not a text"),
    ((f"{A}label=['a']))\n", TASKS, SEEDS), "['a'] is not a"),
    ((f"{A}cfg_options='a.b=1'))\n", TASKS, SEEDS), "rungs.a.cfg_options: give"),
    ((f"{A}cfg_options=5))\n", TASKS, SEEDS), "5 is not a list of words"),
    ((f"{A}cfg_options=[6]))\n", TASKS, SEEDS), "[6] is not a list of words"),
    ((f"{A}cfg_options=dict(c=1)))\n", TASKS, SEEDS), "{'c': 1} is not a list of words"),
    ((f"{A}cfg_options=['a.b=2']))\n", TASKS, SEEDS), "mine.py: rungs.a.cfg_options: "),
    ((f"{A}task_options='a.b=3'))\n", TASKS, SEEDS), "rungs.a.task_options: give"),
    ((f"{A}cfg_options=['train_cfg.max_epochs=0']))\n", TASKS, SEEDS), "a.cfg_options (train_cfg"),
    ((f"{A}task_options=['optim_wrapper.optimizer.lr=0']))\n", TASKS, SEEDS), "(optim_wrapper"),
    ((RUNGS, f"{T}cfg_options=['train_dataloader.batch_size=1.5']))\n", SEEDS), "1.5 is not a va"),
    ((RUNGS, f"{T}cfg_options='a.b=4'))\n", SEEDS), "tasks.t.cfg_options: give"),
    ((RUNGS, f"{T}cfg_options=['a.b=5']))\n", SEEDS), "mine.py: tasks.t: "),
    ((RUNGS, f"{T}published_split='no'))\n", SEEDS), "t.published_split"),
    ((RUNGS, f"{T}cfg_options=['{FREEZE}=1']))\n", SEEDS), "tasks.t, rungs.scratch (model"),
    ((RUNGS, f"{T}cfg_options=['model.backbone.depth=19']))\n", SEEDS), "depth must be one of"),
    (
        (RUNGS, TASKS, SEEDS, f"tune = dict(detection={{'{FREEZE}': [-1, 1]}})\n"),
        f"mine.py: tune.detection, rungs.scratch ({FREEZE})",
    ),
]


@pytest.mark.parametrize(("parts", "named"), WRONG, ids=[named for _, named in WRONG])
def test_a_mistake_is_named_with_its_place(read, parts, named):
    with pytest.raises(UserError) as error:
        read(*parts)
    assert named in str(error.value)
    assert error.value.exit_code == 2
    assert len(WRONG) == 64


LR = "optim_wrapper.optimizer.lr"
UNTRIED = "no rung is tried with these values: "


@pytest.mark.parametrize(
    ("rungs", "tune", "told"),
    [
        ("a=dict(model='resnet18')", f"pretraining={{'{LR}': [0.1]}}", UNTRIED),
        ("a=None", f"pretraining={{'{LR}x': [0.1]}}", UNTRIED),
        (f"a=dict(config={str(B)!r}, tune=None)", f"pretraining={{'{LR}': [0.1]}}", UNTRIED),
        (
            f"a=dict(config={str(B)!r}, cfg_options=['val_dataloader=None'])",
            f"pretraining={{'{LR}': [0.1]}}",
            "no value can be chosen on val",
        ),
        (
            f"a=dict(config={str(B)!r})",
            "pretraining={'model.label_smoothing.eps': [0.1, 2]}",
            "label smoothing's eps must be in [0, 1), got 2",
        ),
        ("a=None", "detection={'model.backbone.depth': [18, 19]}", "depth must be one of"),
        (
            f"a=dict(config={str(B)!r}, cfg_options=['train_cfg.max_epochs=3'])",
            "pretraining={'epochs': [5, 6]}",
            "epochs=5 contradicts",
        ),
        (
            f"a=dict(scratch=True, task_options=['{LR}=1'])",
            "detection={'lr': [2, 3]}",
            "lr=2 contradicts",
        ),
        (
            f"a=dict(scratch=True, task_options=['{LR}=1'])",
            f"detection={{'{LR}': [2, 3]}}, segmentation={{'{LR}': [2, 3]}}",
            f"{LR} is set here, but the values of tune replace it",
        ),
        (
            f"a=dict(config={str(B)!r}, cfg_options=['lr=0.3'])",
            "pretraining={'base_lr': [0.1, 0.2]}",
            "lr is set here, but the values of tune replace it",
        ),
    ],
)
def test_a_search_that_could_not_choose_is_told_with_its_place(read, rungs, tune, told):
    with pytest.raises(UserError, match=r"mine\.py: (tune\.|rungs\.a)") as error:
        read(f"rungs = dict({rungs})\n", TASKS, SEEDS, f"tune = dict({tune})\n")
    assert told in str(error.value)


def test_a_task_does_not_set_what_it_tunes(read):
    tasks = f"tasks = dict(detection=dict(config={str(DET)!r}, cfg_options=['{LR}=1']))\n"
    told = r"mine\.py: tasks\.detection\.cfg_options: leave it out here or in tune"
    with pytest.raises(UserError, match=f"{LR} is set here, .*{told}"):
        read(RUNGS, tasks, SEEDS, f"tune = dict(detection={{'{LR}': [2, 3]}})\n")


def test_a_model_that_is_no_dict_is_left_to_its_training(read, tmp_path):
    (tmp_path / "t.py").write_text(f"_base_ = [{str(DET)!r}]\nmodel = 'x'\n")
    tasks = f"tasks = dict(t={str(tmp_path / 't.py')!r})\n"
    assert read("rungs = dict(scratch=None)\n", tasks, SEEDS).tasks[0].name == "t"


def test_an_override_that_one_task_tunes_holds_for_the_other(read):
    rungs = f"rungs = dict(a=dict(scratch=True, task_options=['{LR}=1']))\n"
    ladder = read(rungs, TASKS, SEEDS, f"tune = dict(detection={{'{LR}': [2, 3]}})\n")
    assert ladder.rungs[0].task_options == (f"{LR}=1",)


def test_a_network_that_is_looked_at_says_nothing(read, recwarn):
    tune = "tune = dict(segmentation={'model.decode_head.align_corners': [True, False]})\n"
    assert read("rungs = dict(scratch=None)\n", TASKS, SEEDS, tune).tunes
    assert not [each for each in recwarn if "out_channels" in str(each.message)]


def test_seeds_of_the_command_line_are_named_by_their_flag(read):
    with pytest.raises(UserError, match=r"--seeds are \[3, 3\]: --seeds: give a list of different"):
        read(RUNGS, TASKS, SEEDS, seeds=[3, 3])


def test_two_rungs_of_one_row_are_told_apart_by_a_label(read):
    config = f"config={str(B)!r}, row='B-standard'"
    with pytest.raises(UserError, match="b and c are both called 'B-standard'"):
        read(f"rungs = dict(b=dict({config}), c=dict({config}))\n", TASKS, SEEDS)
    ladder = read(f"rungs = dict(b=dict({config}), c=dict({config}, label='C'))\n", TASKS, SEEDS)
    assert [rung.row for rung in ladder.rungs] == ["B-standard"] * 2
    # one that only teaches stands in no table
    read(f"rungs = dict(b=dict({config}), c=dict({config}, teaches_only=True))\n", TASKS, SEEDS)


@pytest.fixture
def task(read, tmp_path):
    """Read a ladder with one task, a config of the given text; returns the task."""

    def make(text: str, *ladder: str, base: Path = DET, **more: object):
        config = tmp_path / "task.py"
        config.write_text(f"_base_ = [{str(base)!r}]\n{text}")
        stated = dict(config=str(config), **more)
        (made,) = read(RUNGS, f"tasks = dict(t=dict({stated!r}))\n", SEEDS, *ladder).tasks
        return made

    return make


def test_a_config_that_is_no_python_is_named_with_its_line(task):
    with pytest.raises(UserError, match=r"not valid Python: .*task\.py:2"):
        task("train_cfg = dict(\n")


def test_a_task_without_test_split_is_refused(task):
    for kwargs in (
        dict(text="test_dataloader = None\n"),
        dict(text="", cfg_options=["test_dataloader=None"]),
    ):
        with pytest.raises(UserError, match="no test split"):
            task(**kwargs)


@pytest.mark.parametrize(
    ("base", "metric", "metrics"),
    [
        (DET, "type='VOCMetric', metric='mAP', eval_mode='11points'", ("mAP_voc07",)),
        (DET, "type='CocoMetric', ann_file='a.json', metric='bbox'", ("AP",)),
        (SEG, "type='IoUMetric', iou_metrics=['mIoU']", ("pixAcc", "mIoU")),
    ],
)
def test_the_libraries_own_metrics_count_as_ours(task, base, metric, metrics):
    assert task(f"test_evaluator = dict(_delete_=True, {metric})\n", base=base).metrics == metrics


@pytest.mark.parametrize(
    ("evaluator", "told"),
    [
        ("dict(_delete_=True, type='CocoMetric', metric='segm')", "test_evaluator is CocoMetric"),
        ("[dict(type='VocMetric')]", "test_evaluator is a list"),  # the test tool takes none
        ("None", "test_evaluator is None"),
    ],
)
def test_an_evaluator_whose_figures_no_table_shows_is_refused(task, evaluator, told):
    with pytest.raises(UserError, match=told):
        task(f"test_evaluator = {evaluator}\n")


PICK = "selection = 'val'\n"
NO_VAL = "val_dataloader = None\nval_evaluator = None\nval_cfg = None\n"
NO_BEST = "default_hooks = dict(checkpoint=dict(save_best=None))\n"


@pytest.mark.parametrize(("text", "told"), [(NO_VAL, "no val split"), (NO_BEST, "save_best")])
def test_picking_on_val_needs_something_to_pick(task, text, told):
    task(text)
    with pytest.raises(UserError, match=told):
        task(text, PICK)
    assert task("default_hooks = dict(checkpoint=dict(_delete_=True))\n", PICK)  # picks by itself


def test_a_published_split_forces_the_last_checkpoint_of_its_task_alone(read):
    tasks = f"tasks = dict(a=dict(config={str(DET)!r}, published_split=True), b={str(SEG)!r})\n"
    ladder = read(RUNGS, tasks, SEEDS, PICK)
    assert [selection_of(task, ladder.selection) for task in ladder.tasks] == ["last", "val"]
    assert [selection_of(task, "last") for task in (*ladder.tasks, None)] == ["last"] * 3
    assert selection_of(None, "val") == "last"
