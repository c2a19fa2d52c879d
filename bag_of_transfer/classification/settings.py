"""The classifier's tricks: default settings with their sources, checked before any training.

Source: arXiv:1812.01187, sec. 5.2 to 5.4, and its code (GluonCV).
"""

import random
from collections.abc import Callable, Mapping
from typing import Any

import torch

from bag_of_transfer.classification.distillation import distillation_loss
from bag_of_transfer.classification.mixing import draw_lambda
from bag_of_transfer.classification.targets import smooth_one_hot
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.numbers import is_finite_number

__all__ = [
    "TRICKS",
    "complete_setting",
    "distillation_settings",
    "label_smoothing_settings",
    "mixup_settings",
]


def label_smoothing_settings(eps: float | int = 0.1, form: str = "paper") -> dict[str, Any]:
    """Return the setting, with the paper's eps (sec. 5.2) and form where none are stated."""
    eps = _number(eps, "label smoothing's eps")
    smooth_one_hot(torch.zeros(1, dtype=torch.long), 2, eps, form)
    return {"eps": eps, "form": form}


def mixup_settings(alpha: float | int = 0.2, off_epochs: int = 0) -> dict[str, Any]:
    """Return the setting, with the paper's alpha (sec. 5.4), and mixing until the end, by default.

    Raises:
        ValueError: If ``off_epochs`` is below 0 or not a whole number.
    """
    alpha = _number(alpha, "mixup's alpha")
    draw_lambda(alpha, random.Random(0))
    if not isinstance(off_epochs, int) or isinstance(off_epochs, bool) or off_epochs < 0:
        raise ValueError(
            f"mixup's off_epochs must be a whole number, 0 or more, got {off_epochs!r}"
        )
    return {"alpha": alpha, "off_epochs": off_epochs}


def distillation_settings(
    teacher: Mapping[str, Any],
    temperature: float | int = 20,  # arXiv:1812.01187, sec. 5.3
    hard_weight: float | int = 0.5,  # GluonCV train_imagenet.py, --hard-weight; the paper's is 1
    soft_weight: float | int = 0.5,  # GluonCV loss.py: 1 - hard_weight; the paper's is 1
    cache: str | None = None,
) -> dict[str, Any]:
    """Return the setting, with the paper's temperature and its code's weights by default.

    ``cache`` is a folder of tools/cache_teacher.py, whose answers take the teacher's place.

    Raises:
        ValueError: If a weight is below 0, the teacher is not a dict, or the cache not a path.
    """
    temperature = _number(temperature, "distillation's temperature")
    hard_weight = _number(hard_weight, "distillation's hard_weight")
    soft_weight = _number(soft_weight, "distillation's soft_weight")
    distillation_loss(torch.zeros(1, 2), torch.zeros(1, 2), temperature)
    if hard_weight < 0 or soft_weight < 0:
        raise ValueError(
            f"distillation's weights must be 0 or more, got {hard_weight} and {soft_weight}"
        )
    if not isinstance(teacher, Mapping):
        raise ValueError(f"distillation's teacher must be a dict, got {teacher!r}")
    if not isinstance(cache, str | None):
        raise ValueError(f"distillation's cache must be a folder's path, got {cache!r}")
    weights = {"hard_weight": hard_weight, "soft_weight": soft_weight}
    return {"teacher": dict(teacher), "temperature": temperature, **weights, "cache": cache}


# The only list of the classifier's tricks: a trick is an argument of ImageClassifier by this name,
# and an attribute that holds the completed setting.
TRICKS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "label_smoothing": label_smoothing_settings,
    "distillation": distillation_settings,
    "mixup": mixup_settings,
}


def complete_setting(trick: str, setting: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Check the setting of a trick and add the defaults that it leaves out; None stays None.

    Raises:
        UserError: If a key is unknown or a value is out of its range.
    """
    if setting is None:
        return None
    complete = TRICKS[trick]
    try:
        return complete(**setting)
    except (TypeError, ValueError) as error:
        shown = dict(setting) if isinstance(setting, Mapping) else setting
        what = str(error).removeprefix(f"{complete.__name__}() ")
        mend = "see ImageClassifier in bag_of_transfer/classification/classifier.py"
        raise UserError(what, f"model.{trick}={shown!r}", mend) from error


def _number(value: Any, name: str) -> float:
    """Return a finite number; refuse texts and booleans."""
    if not is_finite_number(value):
        raise ValueError(f"{name} must be a finite number, got {value!r}")
    return float(value)
