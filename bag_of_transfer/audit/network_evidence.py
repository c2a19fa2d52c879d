"""What the network and its loss really do, read from a built model.

The tricks of arXiv:1812.01187, sec. 3.1 (zero gamma), 4 (model tweaks), 5.2 to 5.4 (label
smoothing, distillation, mixup).  Letters: K classes.
"""

import random
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from bag_of_transfer.audit.evidence import Evidence, not_seen
from bag_of_transfer.classification.classifier import ImageClassifier
from bag_of_transfer.classification.mixing import epochs_left

__all__ = ["distillation", "label_smoothing", "mixup", "model_tweak", "zero_gamma"]

# Names that the residual blocks of all libraries share.
CONVS = ("conv1", "conv2")
# The names of a bottleneck's last norm come first: a basic block has no third norm.
LAST_NORMS = ("last_norm", "norm3", "bn3", "norm2", "bn2")
NUM_DRAWS = 16  # of mixup's weight: a draw rarely leaves the images as they are


def zero_gamma(model: nn.Module) -> Evidence:
    """Count the residual blocks whose last norm multiplies by 0."""
    network = getattr(model, "backbone", model)
    norms = [_last_norm(block) for block in _blocks(network)]
    if not norms:
        return _no_blocks(network)
    num_zero = sum(norm.weight is not None and not norm.weight.any() for norm in norms)
    text = f"{num_zero} of {len(norms)} last BN gammas are 0"
    return Evidence(on=0 < num_zero == len(norms), value=num_zero, evidence=text)


def model_tweak(model: nn.Module) -> Evidence:
    """Distinguish ResNet-A, -B, -C and -D by stem, shortcuts and strides (paper, fig. 1 and 2).

    ``on`` is False for A, the original, and for B without bottlenecks, which equals it.
    """
    network = getattr(model, "backbone", model)
    blocks = list(_blocks(network))
    if not blocks:
        return _no_blocks(network)
    inside = {id(part) for block in blocks for part in block.modules()}
    outside = [part for part in network.modules() if id(part) not in inside]
    num_stem = sum(isinstance(part, _ConvNd) for part in outside)
    shortcuts = [block.downsample for block in blocks if block.downsample is not None]
    num_pooled = sum(any(isinstance(p, nn.AvgPool2d) for p in s.modules()) for s in shortcuts)
    where = _stride_place(blocks)
    if num_stem == 3 and num_pooled in (0, len(shortcuts)):
        variant = "D" if num_pooled else "C"
    elif num_stem == 1 and num_pooled == 0:
        variant = "A" if where == "the first 1x1" else "B"
    else:
        variant = "other"
    text = f"convolutions in the stem: {num_stem}, pooled shortcuts: {num_pooled} of "
    text += f"{len(shortcuts)}, stride in {where}"
    is_a = variant == "A"
    if variant == "B" and not hasattr(blocks[0], "conv3"):
        is_a, text = True, f"{text}; without bottlenecks B equals A"
    return Evidence(on=not is_a, value=variant, evidence=text)


def label_smoothing(model: nn.Module) -> Evidence:
    """Soften one label as the classifier does, and look at the result."""
    if not isinstance(model, ImageClassifier):
        return _no_classifier(model, "smooths no labels")
    label = torch.zeros(1, dtype=torch.long, device=_device(model))
    true, *others = model.soften(label)[0].tolist()
    text = f"a label of {model.num_classes} classes becomes {true:.4g} for the true one"
    if true == 1 or not others:
        return not_seen(text)
    form = (model.label_smoothing or {}).get("form")
    eps = others[0] * model.num_classes if form == "uniform" else 1 - true
    value = {"eps": round(eps, 6), "form": form}
    return Evidence(on=True, value=value, evidence=f"{text} and {others[0]:.4g} for each other")


def distillation(model: nn.Module) -> Evidence:
    """Look at the teacher that is loaded, or its stored answers, and at the weight of its loss."""
    if not isinstance(model, ImageClassifier):
        return _no_classifier(model, "has no teacher")
    setting = model.distillation
    if setting is None or not (setting["cache"] or model.teacher):
        return not_seen("no teacher is loaded")
    value = {key: setting[key] for key in ("temperature", "hard_weight", "soft_weight")}
    text = (
        f"{_source_of_answers(model)}; T = {setting['temperature']:g}, loss "
        f"{setting['hard_weight']:g} x labels + {setting['soft_weight']:g} x teacher"
    )
    return Evidence(on=setting["soft_weight"] > 0, value=value, evidence=text)


def _source_of_answers(model: ImageClassifier) -> str:
    if model.teacher is None:
        return f"teacher's answers stored in {(model.distillation or {})['cache']}"
    weights = list(model.teacher.network.parameters())
    trained = sum(p.numel() for p in weights if p.requires_grad)
    return (
        f"teacher {type(model.teacher.network).__name__} of "
        f"{sum(p.numel() for p in weights):,} parameters, {trained:,} of them trained"
    )


def mixup(model: nn.Module, max_epochs: int) -> Evidence:
    """Mix a black and a white image as the classifier does, several times, and count mixtures."""
    if not isinstance(model, ImageClassifier):
        return _no_classifier(model, "mixes no images")
    if model.mixup and epochs_left() <= (off := model.mixup["off_epochs"]):
        text = f"off in the last {off} of {max_epochs} epochs, which have begun"
        return Evidence(on=off < max_epochs, value=dict(model.mixup), evidence=text)
    images = torch.tensor([0.0, 1.0], device=_device(model)).reshape(2, 1, 1, 1)
    draws = map(random.Random, range(NUM_DRAWS))  # not the run's own
    mixed = [model.mix(images, images.flatten(1), rng)[0] for rng in draws]
    num_mixed = sum(not torch.equal(batch, images) for batch in mixed)
    text = f"{num_mixed} of {NUM_DRAWS} batches of two images came out mixed"
    value = dict(model.mixup) if model.mixup else None
    return Evidence(on=num_mixed > 0, value=value, evidence=text)


def _no_classifier(model: nn.Module, what: str) -> Evidence:
    return not_seen(f"{type(model).__name__} {what}")


def _no_blocks(network: nn.Module) -> Evidence:
    return not_seen(f"no residual blocks like a ResNet's in {type(network).__name__}")


def _blocks(model: nn.Module) -> Iterator[Any]:
    """Yield the residual blocks, ours, mmdet's, mmseg's or timm's, by the names they share."""
    for module in model.modules():
        has_convs = all(hasattr(getattr(module, name, None), "stride") for name in CONVS)
        if has_convs and hasattr(module, "downsample") and _last_norm(module) is not None:
            yield module


def _last_norm(block: Any) -> Any:
    # The names are those of our norms, of mmdet's and mmseg's (of any kind) and of timm's.
    norms = (getattr(block, name, None) for name in LAST_NORMS)
    return next((norm for norm in norms if hasattr(norm, "weight")), None)


def _stride_place(blocks: list[Any]) -> str:
    """Return the name of a block's layer that halves the map."""
    places = {"conv1": "the first 1x1" if hasattr(blocks[0], "conv3") else "the first 3x3"}
    places["conv2"] = "the 3x3"
    for block in blocks:
        for name, place in places.items():
            if getattr(block, name).stride[0] > 1:
                return place
    return "no layer"


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device
