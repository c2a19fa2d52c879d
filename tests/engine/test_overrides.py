"""Every override must have a place where it can take effect."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import BaseModule
from mmengine.registry import HOOKS, MODELS, TRANSFORMS

from bag_of_transfer.engine.config.config_vocabulary import find_callables
from bag_of_transfer.engine.config.overrides import apply_overrides
from bag_of_transfer.engine.errors import UserError


class ProbeBase(BaseModule):
    """Takes what ProbeNet passes on."""

    def __init__(self, depth: int, with_cp: bool = False, init_cfg: Any = None) -> None:
        super().__init__(init_cfg)


class ProbeNet(ProbeBase):
    """Hands unknown arguments to its base."""

    def __init__(self, stem_channels: int = 64, norm_cfg: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)


class ProbeClosed(ProbeBase):
    """Has a base with more arguments, but takes none of them."""

    def __init__(self, width: int = 1) -> None:
        super().__init__(depth=width)


class ProbeHook(Hook):
    """Has one argument."""

    def __init__(self, patience: int = 1) -> None:
        pass


class ProbeCrop:
    """Stands under a name with a slash, as torchvision's transforms do."""

    def __init__(self, size: int, padding: int = 0) -> None:
        pass


@pytest.fixture(autouse=True)
def probes() -> Iterator[None]:
    """Register the probes for one test; the registries are the process's."""
    registered = [
        (MODELS, "ProbeNet", ProbeNet),
        (MODELS, "ProbeClosed", ProbeClosed),
        (HOOKS, "ProbeHook", ProbeHook),
        (TRANSFORMS, "torchvision/ProbeCrop", ProbeCrop),
    ]
    for registry, name, cls in registered:
        registry.register_module(name=name, module=cls)
    yield
    for registry, name, _ in registered:
        del registry.module_dict[name]


@pytest.fixture
def cfg() -> Config:
    """A small pretraining config."""
    return Config(
        dict(
            model=dict(type="ProbeNet", depth=18, norm_cfg=dict(type="BN"), closed=None),
            train_dataloader=dict(
                batch_size=4,
                sampler=dict(type="DefaultSampler", shuffle=True),
                dataset=dict(
                    type="ConcatDataset",
                    pipeline=[
                        dict(type="torchvision/ProbeCrop", size=64),
                        dict(type="Never", scale=(64, 64)),
                    ],
                ),
            ),
            train_cfg=dict(by_epoch=True, max_epochs=2),
            optim_wrapper=dict(
                optimizer=dict(type="SGD", lr=0.1, momentum=0.9),
                clip_grad=None,
                paramwise_cfg=dict(custom_keys={"head": dict(lr_mult=10)}),
            ),
            param_scheduler=[
                dict(type="LinearLR", start_factor=0.1, end=2),
                dict(type="CosineAnnealingLR", T_max=10),
            ],
            default_hooks=dict(logger=dict(type="LoggerHook", interval=10)),
            auto_scale_lr=dict(enable=True, base_batch_size=256),
            classes=[3, 4, 5],
        )
    )


TYPOS = [
    ("optmi.lr=1", "optim_wrapper.optimizer.lr"),
    ("optim_wrapper.optimiser.lr=1", "optim_wrapper.optimizer.lr"),
    ("optim_wrapper.optimizer.weight_deacy=1e-4", "optim_wrapper.optimizer.weight_decay"),
    ("train_cfg.max_epoch=3", "train_cfg.max_epochs"),
    ("model.with_pc=True", "model.with_cp"),
    ("model.norm_cfg.momentun=0.1", "model.norm_cfg.momentum"),
    ("train_dataloader.num_worker=2", "train_dataloader.num_workers"),
    ("default_hooks.chekpoint.interval=1", "default_hooks.checkpoint.interval"),
    ("param_schedular.0.end=3", "param_scheduler.0.end"),
    ("param_scheduler.0.start_facter=0.5", "param_scheduler.0.start_factor"),
    ("auto_scale_lr.enabled=False", "auto_scale_lr.enable"),
    ("work_dirs=out", "work_dir"),
    ("complie=True", "compile"),
    ("find_unused_parameter=True", "find_unused_parameters"),
    ("param_scheduler.1.T_maks=3", "param_scheduler.1.T_max"),
    ("train_dataloader.dataset.pipeline.0.pading=4", "train_dataloader.dataset.pipeline.0.padding"),
]


@pytest.mark.parametrize(("option", "meant"), TYPOS, ids=[option for option, _ in TYPOS])
def test_typo_is_refused_and_the_right_spelling_offered(
    cfg: Config, option: str, meant: str
) -> None:
    before = cfg.to_dict()
    with pytest.raises(UserError) as caught:
        apply_overrides(cfg, [option])
    key = option.partition("=")[0]
    assert str(caught.value) == (
        f"override `{key}` exists nowhere: --cfg-options: did you mean `{meant}`?"
    )
    assert caught.value.exit_code == 2
    assert cfg.to_dict() == before


ADDITIONS = [
    ("model.with_cp=True", True),  # parameter of a base, reached through **kwargs
    ("model.init_cfg.checkpoint=a.pth", "a.pth"),  # a new dict under a parameter
    ("model.norm_cfg.requires_grad=False", False),  # taken out by mmcv's builder
    ("optim_wrapper.optimizer.nesterov=True", True),  # parameter of torch.optim.SGD
    ("optim_wrapper.accumulative_counts=4", 4),  # no type: OptimWrapper is meant
    ("optim_wrapper.clip_grad.max_norm=35", 35),  # None before
    ("optim_wrapper.paramwise_cfg.norm_decay_mult=0", 0),
    ("optim_wrapper.paramwise_cfg.custom_keys.stem.lr_mult=0.5", 0.5),  # the user's names
    ("train_cfg.val_interval=2", 2),
    ("train_dataloader.persistent_workers=True", True),
    ("train_dataloader.dataset.pipeline.0.padding=4", 4),
    ("train_dataloader.sampler.seed=7", 7),
    ("default_hooks.checkpoint.max_keep_ckpts=1", 1),  # a hook the Runner adds by itself
    ("default_hooks.logger.ignore_last=False", False),
    ("param_scheduler.1.eta_min=1e-6", 1e-6),
    ("param_scheduler.0.convert_to_iter_based=True", True),
    ("randomness.seed=3", 3),
    ("load_from=last.pth", "last.pth"),  # argument of the Runner
    ("env_cfg.mp_cfg.mp_start_method=fork", "fork"),
    ("compile=True", True),  # read from the config by mmengine's Runner
    ("compile.mode=reduce-overhead", "reduce-overhead"),
    ("find_unused_parameters=True", True),
    ("sync_bn=torch", "torch"),
    ("custom_imports.imports=[json.tool]", ["json.tool"]),
]


@pytest.mark.parametrize(("option", "value"), ADDITIONS, ids=[option for option, _ in ADDITIONS])
def test_legal_addition_takes_effect(cfg: Config, option: str, value: object) -> None:
    key = option.partition("=")[0]
    assert apply_overrides(cfg, [option]) == {key}
    node: Any = cfg
    for name in key.split("."):
        node = node[int(name)] if isinstance(node, list) else node[name]
    assert node == value


def test_ten_of_each_are_tried() -> None:
    assert len(TYPOS) >= 10
    assert len(ADDITIONS) >= 10


def test_existing_keys_and_items_of_lists_are_replaced(cfg: Config) -> None:
    keys = apply_overrides(
        cfg, ["optim_wrapper.optimizer.lr=0.5", "param_scheduler.0.end=3", "classes.1=9"]
    )
    assert keys == {"optim_wrapper.optimizer.lr", "param_scheduler.0.end", "classes.1"}
    assert cfg.optim_wrapper.optimizer == dict(type="SGD", lr=0.5, momentum=0.9)
    assert cfg.param_scheduler[0] == dict(type="LinearLR", start_factor=0.1, end=3)
    assert cfg.param_scheduler[1] == dict(type="CosineAnnealingLR", T_max=10)
    assert cfg.classes == [3, 9, 5]


@pytest.mark.parametrize("index", ["2", "-1", "first"])
def test_list_index_out_of_range_is_refused(cfg: Config, index: str) -> None:
    with pytest.raises(UserError, match="`param_scheduler` has 2 entries, counted from 0"):
        apply_overrides(cfg, [f"param_scheduler.{index}.end=3"])


def test_item_of_a_list_that_is_not_there_is_refused(cfg: Config) -> None:
    """mmengine would make a dict with the key "0", which nothing reads."""
    with pytest.raises(UserError, match=r"`custom_hooks\.0\.type` exists nowhere"):
        apply_overrides(cfg, ["custom_hooks.0.type=ProbeHook"])


def test_key_below_a_number_is_refused(cfg: Config) -> None:
    with pytest.raises(UserError, match=r"`train_cfg\.max_epochs\.x` exists nowhere"):
        apply_overrides(cfg, ["train_cfg.max_epochs.x=3"])


def test_base_is_not_asked_where_the_class_takes_no_kwargs(cfg: Config) -> None:
    with pytest.raises(UserError, match="exists nowhere"):
        apply_overrides(cfg, ["model.closed.type=ProbeClosed", "model.closed.with_cp=True"])


def test_the_type_set_by_another_override_counts(cfg: Config) -> None:
    apply_overrides(cfg, ["optim_wrapper.loss_scale=dynamic", "optim_wrapper.type=AmpOptimWrapper"])
    assert cfg.optim_wrapper.loss_scale == "dynamic"
    with pytest.raises(UserError, match=r"losscale` exists nowhere"):
        apply_overrides(cfg, ["optim_wrapper.losscale=dynamic"])


def test_new_dict_that_says_its_type_is_held_to_it(cfg: Config) -> None:
    apply_overrides(cfg, ["model.init_cfg.type=Pretrained", "model.init_cfg.prefix=backbone."])
    assert cfg.model.init_cfg == dict(type="Pretrained", prefix="backbone.")
    with pytest.raises(UserError, match=r"did you mean `model\.init_cfg\.checkpoint`"):
        apply_overrides(cfg, ["model.init_cfg.chekpoint=a.pth"])


def test_new_default_hook_must_say_a_known_type(cfg: Config) -> None:
    apply_overrides(cfg, ["default_hooks.stop.type=ProbeHook", "default_hooks.stop.patience=3"])
    assert cfg.default_hooks.stop.patience == 3
    with pytest.raises(UserError, match="exists nowhere"):
        apply_overrides(cfg, ["default_hooks.halt.type=ProbHook"])


def test_dict_as_value_is_checked_to_its_leaves(cfg: Config) -> None:
    apply_overrides(cfg, {"optim_wrapper": dict(clip_grad=dict(max_norm=1), accumulative_counts=2)})
    assert cfg.optim_wrapper.clip_grad == dict(max_norm=1)
    assert cfg.optim_wrapper.optimizer.lr == 0.1  # merged, not replaced
    with pytest.raises(UserError, match=r"`optim_wrapper\.clip_gard\.max_norm` exists nowhere"):
        apply_overrides(cfg, {"optim_wrapper": dict(clip_gard=dict(max_norm=1))})


def test_dict_may_take_the_place_of_a_number(cfg: Config) -> None:
    apply_overrides(cfg, {"model.depth": dict(blocks=[2, 2])})
    assert cfg.model.depth == dict(blocks=[2, 2])


def test_delete_replaces_the_dict_and_drops_its_keys(cfg: Config) -> None:
    adam = dict(_delete_=True, type="Adam", lr=1e-3, betas=(0.9, 0.99))
    apply_overrides(cfg, {"optim_wrapper.optimizer": adam})
    assert cfg.optim_wrapper.optimizer == dict(type="Adam", lr=1e-3, betas=(0.9, 0.99))
    with pytest.raises(UserError, match=r"optimizer\.momentum` exists nowhere"):  # Adam has none
        apply_overrides(cfg, {"optim_wrapper.optimizer": adam | dict(momentum=0.9)})


def test_words_become_numbers_lists_and_none(cfg: Config) -> None:
    apply_overrides(cfg, ["model.depth=[1,(2,3.5),a]", "load_from=None", "resume=true"])
    assert cfg.model.depth == [1, (2, 3.5), "a"]
    assert cfg.load_from is None
    assert cfg.resume is True


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("my data/a  b", "my data/a  b"),
        (" [ my data , 1, 'b c' ] ", ["my data", 1, "b c"]),
        ("( 1 , 2 )", (1, 2)),
        ("my (old) data", "my (old) data"),
    ],
)
def test_blanks_inside_a_name_stay(cfg: Config, text: str, value: object) -> None:
    apply_overrides(cfg, [f"load_from={text}"])
    assert cfg.load_from == value


@pytest.mark.parametrize(
    "option", ["model.depth=[1,2", "model.depth=[1", "model.depth=(1,2]", "model.depth=",
               "model.depth='18", "model.depth=[1,2]x", "model.depth=x[1,2]",
               "model.depth=[1],[2]", "model.depth=[1,2][3]", "model.norm_cfg={'type':'BN'}",
               "custom_hooks=[dict(type='EMAHook')]", "model.depth=[{'a':1}]"],
)  # fmt: skip
def test_unreadable_value_is_refused(cfg: Config, option: str) -> None:
    with pytest.raises(UserError, match="has the unreadable value"):
        apply_overrides(cfg, [option])


def test_a_word_where_a_number_is_is_refused(cfg: Config) -> None:
    with pytest.raises(
        UserError, match=r"`model\.depth` wants a number, not `many`.*it is \d+ now"
    ):
        apply_overrides(cfg, ["model.depth=many"])


@pytest.mark.parametrize("word", ["no", "off", "Yes"])
def test_a_word_is_no_switch(cfg: Config, word: str) -> None:
    for key in ("resume", "model.closed", "randomness.deterministic"):
        with pytest.raises(UserError, match=rf"`{key}` has the word `{word}`.*write True or False"):
            apply_overrides(cfg, [f"{key}={word}"])
    cfg.work_dir = "runs"
    apply_overrides(cfg, ["resume=false", f"work_dir={word}"])
    assert (cfg.resume, cfg.work_dir) == (False, word)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'1'", "1"),
        ("'None'", "None"),
        ("'a,b'", "a,b"),
        ("['a,b','c']", ["a,b", "c"]),
        ("['0', 1, \"it's\"]", ["0", 1, "it's"]),
        ("('a', [2, 'b'])", ("a", [2, "b"])),
        ("('a')", ("a",)),  # as mmengine reads it
        (r"'C:\new'", r"C:\new"),
    ],
)
def test_what_stands_in_quotes_is_text(cfg: Config, text: str, value: object) -> None:
    apply_overrides(cfg, [f"load_from={text}"])
    assert cfg.load_from == value


@pytest.mark.parametrize("option", ["model.depth", "=3", "model..depth=3", ".depth=3"])
def test_option_without_key_or_value_is_refused(cfg: Config, option: str) -> None:
    with pytest.raises(UserError, match="is not KEY=VALUE"):
        apply_overrides(cfg, [option])


@pytest.mark.parametrize(("option", "flag"), [("amp=off", "--amp"), ("seed=3", "--seed")])
def test_what_is_a_flag_is_told_with_the_flag(cfg: Config, option: str, flag: str) -> None:
    with pytest.raises(UserError, match=f"it is a flag of the training tools, `{flag}`$"):
        apply_overrides(cfg, [option])


def test_contradicting_overrides_are_refused(cfg: Config) -> None:
    with pytest.raises(UserError, match="contradicts the one that sets `optim_wrapper`"):
        apply_overrides(cfg, ["optim_wrapper=1", "optim_wrapper.optimizer.lr=1"])


def test_one_bad_override_leaves_the_good_ones_undone(cfg: Config) -> None:
    before = cfg.to_dict()
    with pytest.raises(UserError):
        apply_overrides(cfg, ["train_cfg.max_epochs=9", "optmi.lr=1"])
    assert cfg.to_dict() == before


LEFTOVERS = [
    ("optim_wrapper.optimizer.type=Adam", "momentum", dict(type="Adam", lr=0.1)),
    ("param_scheduler.1.type=StepLR", "T_max", dict(type="StepLR")),
    ("param_scheduler.0.type=PolyLR", "start_factor", dict(type="PolyLR", end=2)),
    ("model.type=ProbeClosed", "depth, norm_cfg, closed", dict(type="ProbeClosed")),
]


@pytest.mark.parametrize(("option", "lost", "left"), LEFTOVERS, ids=[one[0] for one in LEFTOVERS])
def test_arguments_of_the_old_type_are_left_out_and_named(
    cfg: Config, monkeypatch: pytest.MonkeyPatch, option: str, lost: str, left: dict
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(
        "bag_of_transfer.engine.config.overrides.print_log", lambda line, logger: lines.append(line)
    )
    apply_overrides(cfg, [option])
    node: Any = cfg
    for name in option.partition(".type=")[0].split("."):
        node = node[int(name)] if isinstance(node, list) else node[name]
    assert node == left
    (line,) = lines
    assert line.endswith(f", which does not take {lost}: left out")


def test_what_the_same_command_line_sets_is_not_left_out(cfg: Config) -> None:
    with pytest.raises(UserError, match=r"optimizer\.momentum` exists nowhere"):
        apply_overrides(
            cfg, ["optim_wrapper.optimizer.type=Adam", "optim_wrapper.optimizer.momentum=0.8"]
        )


def test_a_type_that_is_registered_nowhere_is_refused_with_the_nearest(cfg: Config) -> None:
    with pytest.raises(UserError, match=r"`Adamm`: --cfg-options .*optimizer\.type: .*`Adam`"):
        apply_overrides(cfg, ["optim_wrapper.optimizer.type=Adamm"])


def test_a_list_of_dicts_given_as_a_whole_is_checked_to_its_leaves(cfg: Config) -> None:
    apply_overrides(cfg, {"custom_hooks": [dict(type="ProbeHook", patience=2)]})
    assert cfg.custom_hooks == [dict(type="ProbeHook", patience=2)]
    with pytest.raises(UserError, match=r"`custom_hooks\.0\.patiense` exists nowhere"):
        apply_overrides(cfg, {"custom_hooks": [dict(type="ProbeHook", patiense=2)]})


def test_a_module_that_cannot_be_imported_is_refused(cfg: Config) -> None:
    with pytest.raises(UserError, match=r"^custom_imports fails \(.*no_such_module"):
        apply_overrides(cfg, ["custom_imports.imports=[no_such_module]"])


def test_a_module_that_fails_while_it_is_imported_is_told(
    cfg: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fails_at_import.py").write_text("raise RuntimeError('no license')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"^custom_imports fails \(RuntimeError, no license\)"):
        apply_overrides(cfg, ["custom_imports.imports=[fails_at_import]"])


def test_a_name_of_a_library_that_cannot_be_imported_is_registered_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lacks(_: object, name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("mmengine.registry.Registry.get", lacks)
    assert find_callables("mmdet.RPNHead", "mmengine") == []


@pytest.mark.parametrize("name", ["json", "json.decoder"])
def test_a_module_is_not_taken_for_a_registered_name(name: str) -> None:
    assert find_callables(name, "mmengine") == []
