"""A finished pretraining run, read back from its work dir: curve, tricks, network, images."""

import os
from pathlib import Path
from typing import Any

from mmengine.device import get_device
from mmengine.registry import (
    DATA_SAMPLERS,
    DATASETS,
    FUNCTIONS,
    MODELS,
    TRANSFORMS,
    init_default_scope,
)
from torch.utils.data import DataLoader

from bag_of_transfer.classification.classifier import ImageClassifier
from bag_of_transfer.classification.plain_config import read_plain_config
from bag_of_transfer.classification.settings import TRICKS
from bag_of_transfer.engine import run_files
from bag_of_transfer.engine.config.config_file import read_config
from bag_of_transfer.engine.config.described import admit
from bag_of_transfer.engine.config.mistakes import building
from bag_of_transfer.engine.config.sized_build import build_described
from bag_of_transfer.engine.config_nodes import dicts_with
from bag_of_transfer.engine.data import image_parts
from bag_of_transfer.engine.errors import UserError, without_colons
from bag_of_transfer.engine.fields import BELOW_1, TEXT, check, fields, optional
from bag_of_transfer.engine.run.loader_watch import build_loader
from bag_of_transfer.engine.weights.checkpoints import (
    load_checkpoint,
    refuse_misfits,
    state_dict_of,
)

__all__ = ["labels_of", "paper_eps", "read_curve", "trained_network"]

MEND = "give the work dir of a train_cls.py run"
SMOOTHING = fields(
    {"label_smoothing": fields({"value": optional(fields({"eps": BELOW_1, "form": TEXT}))})}
)
TRUST = f"{MEND}; if you trust its config, --run-configs runs it with modules of your own"
# Modules of types that only read images.  mmengine's own datasets unpickle annotations.
HARMLESS = (
    *(f"{__package__}.", "torchvision.transforms."),
    *("mmengine.dataset.sampler", "mmengine.dataset.utils", image_parts.__name__),
)


def labels_of(work_dirs: list[Path]) -> list[str]:
    """Return a name for each run: the part of its path below the folder that all runs share."""
    paths = [path.resolve() for path in work_dirs]
    if len(paths) == 1:
        return [paths[0].name]
    shared = Path(os.path.commonpath(paths))
    return [str(path.relative_to(shared)) for path in paths]


def read_curve(work_dir: Path) -> list[dict[str, Any]]:
    """Read the epochs of ``curve.jsonl``, and ignore a last line that a crash cut short.

    Raises:
        UserError: If the file is missing, holds no epoch, or is broken before its last line.
    """
    if not (work_dir / run_files.CURVE).is_file():
        raise UserError("no curve.jsonl", work_dir, MEND)
    points = run_files.read_curve(work_dir, "train again", cut_short=True)
    if not points:
        what = "no epoch was finished"
        raise UserError(what, work_dir / run_files.CURVE, "train for at least one epoch")
    return points


def paper_eps(work_dir: Path, num_classes: int) -> float:
    """Read the eps of label smoothing from ``tricks.json`` and convert it to the paper's form.

    The uniform form's eps includes the share of the true class: the paper's is (K - 1) / K of it.
    The result is 0 without smoothing, or where there is no such file.

    Raises:
        UserError: If the file is damaged.
    """
    tricks = run_files.read_tricks(work_dir, MEND)
    if not tricks:
        return 0.0
    check(tricks, SMOOTHING, work_dir / run_files.TRICKS, MEND)
    value = tricks["label_smoothing"].get("value") or {"eps": 0.0, "form": "paper"}
    share = (num_classes - 1) / num_classes if value["form"] == "uniform" else 1.0
    return float(value["eps"] * share)


def trained_network(
    work_dir: Path, checkpoint: Path, run_config: bool = False
) -> tuple[ImageClassifier, DataLoader]:
    """Rebuild the classifier with its trained weights, and the loader of its validation set.

    Args:
        work_dir: The run's folder.
        checkpoint: A checkpoint of the run.
        run_config: Run ``resolved_config.py`` and build whatever it names, also from modules of
            the user.  Otherwise the file is read as data, and may only name types of this toolkit.

    Raises:
        UserError: If the run's config or a tensor is missing, or the run did not train a
            classifier or had no validation split, or needs ``run_config``.
    """
    path = work_dir / run_files.RESOLVED_CONFIG
    if not path.is_file():
        raise UserError("no resolved_config.py", work_dir, MEND)
    cfg = read_config(path) if run_config else read_plain_config(path, TRUST)
    if not isinstance(cfg.get("model"), dict) or cfg.model.get("type") != "ImageClassifier":
        raise UserError("the run did not train a classifier", path, MEND)
    if cfg.get("val_dataloader") is None:
        mend = "give a run that had one: figure 4 shows the logits of its images"
        raise UserError("the run had no validation split", path, mend)
    init_default_scope("mmengine")
    cfg.model.update(dict.fromkeys(TRICKS))  # they only matter in training; a teacher may be gone
    state = state_dict_of(load_checkpoint(checkpoint), checkpoint)
    if run_config:
        model = MODELS.build(cfg.model)
    else:
        _check_types(cfg.val_dataloader, path)
        model = build_described(admit(cfg.model, path), state, path)
    refuse_misfits(model, state, checkpoint)
    model.load_state_dict(state)
    with building("val_dataloader", cfg):
        loader = build_loader(cfg.val_dataloader, seed=0)
    return model.to(get_device()), loader


def _check_types(loader: Any, path: Path) -> None:
    """Check that all types are known to be harmless: mmengine imports and calls any type."""
    if not isinstance(loader, dict) or not isinstance(loader.get("dataset"), dict):
        raise UserError("no dataset", f"{path} (val_dataloader)", MEND)
    for place, part in dicts_with("type", loader, "val_dataloader"):
        kind = part["type"]
        is_known = isinstance(kind, str) and any(
            registry.module_dict[kind].__module__.startswith(HARMLESS)
            for registry in (DATASETS, TRANSFORMS, DATA_SAMPLERS, FUNCTIONS)
            if kind in registry.module_dict
        )
        if not is_known or "_scope_" in part:
            name = without_colons(str(kind)[:60])
            raise UserError(f"{name!r} is not a type of this toolkit", f"{path} ({place})", TRUST)
