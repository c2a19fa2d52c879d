"""Which keys a config may take beyond those it holds: read off the classes it names.

mmengine hands a dict's keys to the class its ``type`` names, so the parameters of that
class are the keys that the dict may hold.  Some dicts name no class because the Runner
knows it, and some keys are taken out by a builder before the class is called: both are
listed here with the place in mmengine 0.10.12 that does it.
"""

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

import torch
from mmengine.hooks import (
    CheckpointHook,
    DistSamplerSeedHook,
    Hook,
    IterTimerHook,
    LoggerHook,
    ParamSchedulerHook,
    RuntimeInfoHook,
)
from mmengine.model.weight_init import BaseInit
from mmengine.optim import BaseOptimWrapper, OptimWrapper
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler
from mmengine.registry import Registry, root
from mmengine.runner import (
    EpochBasedTrainLoop,
    IterBasedTrainLoop,
    LogProcessor,
    Runner,
    TestLoop,
    ValLoop,
    set_random_seed,
)
from mmengine.utils.dl_utils import set_multi_processing
from mmengine.visualization import Visualizer
from torch.nn import BatchNorm2d, GroupNorm
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.utils.data import DataLoader

__all__ = [
    "FREE_FORM",
    "find_callables",
    "known_children",
    "known_names",
    "parameter_names",
    "registered_names",
]

FREE_FORM = frozenset({"custom_keys", "label_map", "metainfo"})
"""Dicts whose keys are the user's own: name fragments, labels, and facts about a data set."""

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def parameter_names(target: Callable[..., Any]) -> frozenset[str]:
    """Return the names of the arguments that ``target`` takes.

    A class that passes ``**kwargs`` on is followed along its bases for as long as they
    do the same.
    """
    names: set[str] = set()
    for function in _initialisers(target):
        parameters = inspect.signature(function).parameters.values()
        names.update(p.name for p in parameters if p.kind in _NAMED)
        if all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in parameters):
            break
    return frozenset(names - {"self"})


def _initialisers(target: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    if not inspect.isclass(target):
        yield target
        return
    for base in inspect.getmro(target):
        if "__init__" in vars(base):
            yield vars(base)["__init__"]


_LOADER = parameter_names(DataLoader) | {"num_batch_per_epoch"}  # Runner.build_dataloader
_HOOKS: dict[str, type[Hook]] = {  # Runner.register_default_hooks
    "runtime_info": RuntimeInfoHook,
    "timer": IterTimerHook,
    "sampler_seed": DistSamplerSeedHook,
    "logger": LoggerHook,
    "param_scheduler": ParamSchedulerHook,
    "checkpoint": CheckpointHook,
}

_PARAMWISE = frozenset(  # DefaultOptimWrapperConstructor.add_params
    {
        "custom_keys",
        "bias_lr_mult",
        "bias_decay_mult",
        "norm_decay_mult",
        "dwconv_decay_mult",
        "flat_decay_mult",
        "dcn_offset_lr_mult",
        "bypass_duplicate",
        # bag_of_transfer.engine.loop.layer_decay, and what mm*'s constructors for it take
        "decay_rate",
        "decay_type",
        "num_layers",
        "layer_decay_rate",
    }
)
# Top-level keys that mmengine's Runner and Config read off the config, not their arguments.
_READ_FROM_CFG = frozenset(
    {
        "channels_last",  # bag_of_transfer.engine.loop.channels_last
        "compile",  # bag_of_transfer.engine.run.runner compiles the backbone
        "find_unused_parameters",
        "held_out",  # bag_of_transfer.engine.data.held_out
        "non_finite",  # bag_of_transfer.engine.loop.non_finite
        "sync_bn",
        "model_wrapper_cfg",
        "activation_checkpointing",
        "efficient_conv_bn_eval",
        "custom_imports",
        "tta_model",
        "tta_pipeline",
    }
)
_RUNNER_SCALARS = (
    "work_dir",
    "load_from",
    "resume",
    "launcher",
    "log_level",
    "default_scope",
    "experiment_name",
)

# Dicts that may go without a `type`: what the Runner builds from them, by dotted path.
_IMPLIED: dict[str, frozenset[str]] = {
    "": (parameter_names(Runner) - {"cfg"}) | _READ_FROM_CFG,
    **dict.fromkeys(_RUNNER_SCALARS, frozenset()),  # nothing lies below them
    "train_dataloader": _LOADER,
    "val_dataloader": _LOADER,
    "test_dataloader": _LOADER,
    "train_cfg": parameter_names(EpochBasedTrainLoop)
    | parameter_names(IterBasedTrainLoop)
    | {"by_epoch", "type"},  # Runner.build_train_loop
    "val_cfg": parameter_names(ValLoop) | {"type"},
    "test_cfg": parameter_names(TestLoop) | {"type"},
    "custom_imports": frozenset({"imports", "allow_failed_imports"}),
    "compile": parameter_names(torch.compile) - {"model"},
    "held_out": frozenset({"fraction", "seed"}),
    "non_finite": frozenset({"on", "most", "in_a_row"}),
    "auto_scale_lr": frozenset({"enable", "base_batch_size"}),  # Runner.scale_lr
    "optim_wrapper": parameter_names(OptimWrapper) | {"type"},
    "optim_wrapper.clip_grad": parameter_names(clip_grad_norm_)
    | parameter_names(clip_grad_value_)
    | {"type"},
    "optim_wrapper.paramwise_cfg": _PARAMWISE,
    "default_hooks": frozenset(_HOOKS),
    **{
        f"default_hooks.{name}": parameter_names(hook) | {"priority", "type"}
        for name, hook in _HOOKS.items()
    },
    "env_cfg": frozenset({"cudnn_benchmark", "mp_cfg", "dist_cfg", "resource_limit"}),
    "env_cfg.mp_cfg": parameter_names(set_multi_processing) - {"distributed"},
    "log_processor": parameter_names(LogProcessor) | {"type"},
    "visualizer": parameter_names(Visualizer) | {"type"},
    "randomness": parameter_names(set_random_seed),
}

# Norm layers are registered by mmcv, which a classification run need not have imported.
_NORM = parameter_names(BatchNorm2d) | parameter_names(GroupNorm) | {"type"}

# Keys that a builder takes out of a dict before it calls the class.
_TAKEN_BY_BUILDERS: tuple[tuple[type, frozenset[str]], ...] = (
    (Hook, frozenset({"priority"})),  # Runner.register_hook
    (_ParamScheduler, frozenset({"convert_to_iter_based"})),  # Runner._build_param_scheduler
    (BaseOptimWrapper, frozenset({"constructor", "paramwise_cfg"})),  # build_optim_wrapper
    (BaseInit, frozenset({"override"})),  # weight_init.initialize
)


def find_callables(type_: object, scope: str) -> list[Callable[..., Any]]:
    """Return the classes or functions that ``type_`` names in any registry, seen from ``scope``.

    One name may be in several registries (a sampler of data and one of boxes); where
    it is used decides, and we don't know that, so all are returned.
    """
    if not isinstance(type_, str):
        return [type_] if callable(type_) else []
    targets = (_look_up(registry, type_) for registry in _registries(scope))
    return list(dict.fromkeys(target for target in targets if target is not None))


def known_names(scope: str) -> set[str]:
    """Return every name that a ``type`` may have, seen from ``scope``."""
    names: set[str] = set()
    for registry in _registries(scope):
        while registry is not None:
            names.update(registry.module_dict)
            registry = registry.parent
    return names


def registered_names(scope: str) -> set[str]:
    """Return every name that a ``type`` may have, with those of modules not imported so far."""
    for registry in _registries(scope):
        with contextlib.suppress(ImportError):  # of a library whose operators are not compiled
            registry.import_from_location()
    return known_names(scope)


def _registries(scope: str) -> Iterator[Registry]:
    try:  # a child registry joins the tree when its module is imported
        import_module(f"{scope}.registry")
    except ImportError:
        pass  # a scope of ours without a package: the root registry answers
    for registry in vars(root).values():
        if isinstance(registry, Registry):
            yield registry.children.get(scope, registry)


def _look_up(registry: Registry, name: str) -> Callable[..., Any] | None:
    try:
        target = registry.get(name)
    # The name is unknown, or the library that a prefix such as `mmdet.` names is not installed.
    except (RuntimeError, ImportError):
        return None
    return target if callable(target) else None  # for "timm", a registry gives the module


def known_children(path: str, node: Mapping[str, Any], scope: str) -> frozenset[str] | None:
    """Return the keys that the dict at ``path`` may hold, by its ``type`` or its place.

    Args:
        path: Dotted path of the dict, ``""`` for the whole config.
        node: The dict itself, the overrides already merged into it.
        scope: Where ``type`` is looked up, such as ``"mmdet"``.

    Returns:
        The names, or None where neither a known type nor the place tells them.
    """
    targets = find_callables(node["type"], scope) if "type" in node else []
    is_norm = path.rpartition(".")[2] == "norm_cfg"
    if not targets and path not in _IMPLIED and not is_norm:
        return None
    names = set(_IMPLIED.get(path, ()))
    for target in targets:
        names |= _names_with_builder(target)
    if path == "default_hooks":  # a hook under a name that the user chose must state its type
        names |= {name for name, hook in node.items() if _is_known(hook, scope)}
    if is_norm:
        names |= {"requires_grad"} if targets else {"requires_grad", *_NORM}
    return frozenset(names)


def _names_with_builder(target: Callable[..., Any]) -> frozenset[str]:
    names = parameter_names(target) | {"type"}
    for base, extra in _TAKEN_BY_BUILDERS:
        if inspect.isclass(target) and issubclass(target, base):
            names |= extra
    return names


def _is_known(node: object, scope: str) -> bool:
    return isinstance(node, Mapping) and bool(find_callables(node.get("type"), scope))
