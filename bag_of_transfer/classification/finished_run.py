"""A finished pretraining run, read back from its work dir: curve, tricks, network, images."""

import os
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from bag_of_transfer.classification.classifier import ImageClassifier
from bag_of_transfer.classification.settings import TRICKS
from bag_of_transfer.engine import run_files
from bag_of_transfer.engine.checkpoints import load_checkpoint, state_dict_of
from bag_of_transfer.engine.errors import UserError

__all__ = ["labels_of", "paper_eps", "read_curve", "trained_network"]

MEND = "give the work dir of a train_cls.py run"


def labels_of(work_dirs: list[Path]) -> list[str]:
    """Name each run by the part of its path below the folder that all runs share."""
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
    curve = run_files.read_curve(work_dir, "train again", cut_short=True)
    points = [point for point in curve if "epoch" in point]
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
    try:
        value = tricks["label_smoothing"]["value"] if tricks else None
        eps, form = (0.0, "") if value is None else (float(value["eps"]), value["form"])
    except (TypeError, KeyError, ValueError) as error:
        path = work_dir / run_files.TRICKS
        raise UserError("the entry label_smoothing is damaged", path, MEND) from error
    return eps * (num_classes - 1) / num_classes if form == "uniform" else eps


def trained_network(work_dir: Path, checkpoint: Path) -> tuple[ImageClassifier, DataLoader]:
    """Rebuild the classifier with its trained weights, and the loader of its validation set.

    Raises:
        UserError: If the run's config or a tensor is missing, or the run did not train a
            classifier or had no validation split.
    """
    path = work_dir / run_files.RESOLVED_CONFIG
    if not path.is_file():
        raise UserError("no resolved_config.py", work_dir, MEND)
    cfg = Config.fromfile(path)
    init_default_scope(cfg.get("default_scope", "mmengine"))
    if cfg.model.get("type") != "ImageClassifier":
        raise UserError("no classifier", path, MEND)
    if cfg.get("val_dataloader") is None:
        mend = "give a run that had one: figure 4 shows the logits of its images"
        raise UserError("the run had no validation split", path, mend)
    cfg.model.update(dict.fromkeys(TRICKS))  # they only matter in training; a teacher may be gone
    model = MODELS.build(cfg.model)
    try:
        model.load_state_dict(state_dict_of(load_checkpoint(checkpoint), checkpoint))
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise UserError(f"the weights do not fit: {first}", checkpoint, "train again") from error
    return model.to(get_device()), Runner.build_dataloader(cfg.val_dataloader, seed=0)
