"""Descriptions of networks that would run, import or download something when they are built.

The only damage they can do is to make a folder.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["EXPRESSION", "GADGETS", "MADE", "PLACES", "PROGRAM", "Pickled", "executed", "put"]

MADE = "made_by_a_gadget"  # a folder in the working directory, were one of them executed
POPEN = {"args": ["mkdir", MADE]}
EVAL = f"__import__('os').mkdir('{MADE}')"
PROGRAM = f"import os\nos.mkdir('{MADE}')\nmodel = dict()\n"

# mmdet evaluates warp_mode; a text that is more than a word is dropped.
EXPRESSION = {"type": "CameraMotionCompensation", "warp_mode": EVAL}

# What may stand in the place of a part of a network.
GADGETS: dict[str, Any] = {
    "a_function": {"type": "os.mkdir", "path": MADE},
    "a_program": {"type": "subprocess.Popen", **POPEN},
    "a_shell": {"type": "os.system", "command": f"mkdir {MADE}"},
    "a_method": {"type": "pathlib.Path.mkdir", "self": MADE},
    "through_mmengine": {"type": "mmengine.utils.mkdir_or_exist", "dir_name": MADE},
    "through_a_module_of_mmdet": {"type": "mmdet.utils.misc.os.mkdir", "path": MADE},
    "through_a_module_of_ours": {"type": "bag_of_transfer.engine.atomic.os.mkdir", "path": MADE},
    "a_builtin": {"type": "builtins.eval", "source": EVAL},
    "in_another_scope": {"type": "mkdir", "_scope_": "os", "path": MADE},
    "a_scope_that_is_imported": {"type": "ResNetD", "_scope_": "antigravity", "depth": 18},
    "a_module_to_import": {"type": "antigravity"},
    "a_folder_of_modules": {"type": "tests.engine.imported_by_a_gadget"},
    "a_scope_with_a_dot": {"type": "mmdet.models.ResNet", "depth": 18},
    "an_empty_type": {"type": ""},
    "a_dot_alone": {"type": "."},
    "no_name": {"type": ["subprocess.Popen"], **POPEN},
    "a_dict_as_type": {"type": {"type": "subprocess.Popen"}, **POPEN},
    "a_number_as_type": {"type": 5},
    "no_type_but_null": {"type": None, **POPEN},
    "a_base_to_read": {"type": "ResNetD", "depth": 18, "_base_": "gadget.py"},
    "a_dict_that_is_replaced": {"_delete_": True, "type": "subprocess.Popen", **POPEN},
    "a_hook": {"type": "CheckpointHook", "out_dir": MADE},
    "a_backend": {"type": "LocalVisBackend", "save_dir": MADE},
    "a_visualiser": {"type": "Visualizer", "save_dir": MADE},
    "a_loop": {"type": "EpochBasedTrainLoop", "max_epochs": 1},
    "a_runner": {"type": "Runner", "work_dir": MADE},
    "a_writer": {"type": "torch.utils.tensorboard.SummaryWriter", "log_dir": MADE},
    "a_teachers_config": {
        "type": "KnowledgeDistillationSingleStageDetector",
        "teacher_config": "gadget.py",
        "backbone": {},
        "neck": {},
        "bbox_head": {},
    },
    "a_language_model": {"type": "BertModel", "name": "gadget", "max_tokens": 1},
    "inside_of_a_list": [{"type": "subprocess.Popen", **POPEN}],
    "inside_of_a_network": {
        "type": "Sequential",
        "args": [{"type": "subprocess.Popen", **POPEN}],
        "norm_cfg": {"type": "os.mkdir", "path": MADE},
    },
    "deep_inside": json.loads('{"a": [' * 40 + json.dumps({"type": "os.mkdir"}) + "]}" * 40),
}

# Where in a network it may stand.
PLACES: dict[str, Callable[[dict[str, Any], Any], Any]] = {
    "backbone": lambda model, gadget: model.update(backbone=gadget),
    "neck": lambda model, gadget: model.update(neck=gadget),
    "head": lambda model, gadget: model.update(head=gadget, bbox_head=gadget, decode_head=gadget),
    "data_preprocessor": lambda model, gadget: model.update(data_preprocessor=gadget),
    "batch_augments": lambda model, gadget: model["data_preprocessor"].update(
        batch_augments=[gadget]
    ),
    "norm_cfg": lambda model, gadget: model["backbone"].update(norm_cfg=gadget),
    "plugins": lambda model, gadget: model["backbone"].update(plugins=[{"cfg": gadget}]),
    "train_cfg": lambda model, gadget: model.update(train_cfg={"assigner": gadget}),
    "nms": lambda model, gadget: model.update(test_cfg={"nms": gadget}),
}


def put(model: dict[str, Any], place: str, gadget: str) -> dict[str, Any]:
    """Return a copy of a model's description with a gadget in one place."""
    changed: dict[str, Any] = json.loads(json.dumps(model))
    PLACES[place](changed, json.loads(json.dumps(GADGETS[gadget])))
    return changed


def executed(folder: Path) -> list[str]:
    """Return the names of what gadgets left in a working directory."""
    return [path.name for path in folder.rglob(MADE)]


class Pickled:
    """Runs a function when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (MADE,)
