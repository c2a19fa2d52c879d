"""Networks of timm and torchvision: by name with their weights, or built like one of ours."""

import contextlib
import difflib
import os
import socket
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
import torchvision
from torch import nn

from backbones import blocks
from bag_of_transfer.engine.errors import UserError, without_colons

__all__ = ["Fetched", "build_like", "check_model_name", "fetch", "timm_name"]

TORCHVISION_NAMES = tuple(f"resnet{depth}" for depth in (18, 34, 50, 101, 152))
# The weights whose top-1 the paper's B-standard has (torchvision's docs: 76.130 for depth 50).
DEFAULT_WEIGHTS = "IMAGENET1K_V1"


@dataclass(frozen=True)
class Fetched:
    """A network of a library with its trained weights, and what the library says of it.

    Args:
        network: In eval mode.
        layout: ``"timm"`` or ``"torchvision"``.
        fields: Of the card: ``mean``, ``std`` (0 to 255), ``channel_order``, ``dataset``,
            ``metrics``, ``source``.
    """

    network: nn.Module
    layout: str
    fields: dict[str, Any]


def fetch(name: str, layout: str) -> Fetched:
    """Let timm or torchvision build ``name`` with its trained weights.

    Args:
        name: ``resnet50d.gluon_in1k``, or torchvision's ``resnet50`` with or without the name of
            its weights behind a dot.  A name that both know is torchvision's.
        layout: ``"auto"``, ``"timm"`` or ``"torchvision"``.

    Raises:
        UserError: If neither has the name, the weights cannot be had, or the package is missing.
    """
    architecture, _, weights = name.partition(".")
    if layout == "torchvision" or (layout == "auto" and _is_torchvisions(name)):
        return _from_torchvision(architecture, weights or DEFAULT_WEIGHTS)
    if layout in ("auto", "timm"):
        return _from_timm(name)
    raise UserError(
        f"no file, and --layout {layout} has no models by name", name, "give the file of weights"
    )


def check_model_name(name: str) -> None:
    """See, without fetching anything, that :func:`fetch` knows a model and has its weights.

    Raises:
        UserError: If neither library knows it, it has no weights, or the package is missing.
    """
    architecture, _, weights = name.partition(".")
    if _is_torchvisions(name):
        _torchvision_entry(f"{architecture}.{weights or DEFAULT_WEIGHTS}")
    else:
        _timm_entry(name)


def _is_torchvisions(name: str) -> bool:
    architecture, _, weights = name.partition(".")
    return architecture in TORCHVISION_NAMES and (not weights or weights.startswith("IMAGENET"))


def _torchvision_entry(name: str) -> Any:
    known = {
        f"{one}.{entry.name}": entry
        for one in TORCHVISION_NAMES
        for entry in torchvision.models.get_model_weights(one)
    }
    if name not in known:
        raise _unknown(name, "torchvision", [*known])
    return known[name]


def _from_torchvision(architecture: str, weights: str) -> Fetched:
    name = f"{architecture}.{weights}"
    entry = _torchvision_entry(name)
    with _fetching("torchvision", name, str(entry.url)):
        network = torchvision.models.get_model(architecture, weights=entry)
    transforms = entry.transforms()
    accuracy = entry.meta.get("_metrics", {}).get("ImageNet-1K", {})
    stated = {"top1": accuracy.get("acc@1"), "top5": accuracy.get("acc@5")}
    return Fetched(
        network.eval(),
        "torchvision",
        {
            "mean": _on_255(transforms.mean),
            "std": _on_255(transforms.std),
            "channel_order": "RGB",
            "dataset": "ImageNet-1K" if accuracy else "unknown",
            "metrics": {key: value for key, value in stated.items() if value is not None},
            "source": f"torchvision {name} (torchvision {torchvision.__version__})",
        },
    )


def _from_timm(name: str) -> Fetched:
    if not _hub_in_reach():
        os.environ["HF_HUB_OFFLINE"] = "1"  # else it tries again and again, 46 s in vain
    entry, timm = _timm_entry(name), _timm()
    where = (entry.url or entry.hf_hub_id) if entry else ""
    with _fetching("timm", name, str(where)):
        network = timm.create_model(name, pretrained=True)
    config = network.pretrained_cfg
    tag = str(config.get("tag") or "")
    return Fetched(
        network.eval(),
        "timm",
        {
            "mean": _on_255(config["mean"]),
            "std": _on_255(config["std"]),
            "channel_order": "RGB",
            # in1k at the end of timm's tags: trained or fine-tuned on it last
            "dataset": "ImageNet-1K" if tag.endswith("in1k") else "unknown",
            "metrics": {},
            "source": f"timm {config['architecture']}{tag and '.'}{tag} (timm {timm.__version__})",
        },
    )


def _timm_entry(name: str) -> Any:
    timm = _timm()
    if timm is None:
        raise UserError("the model needs a package, timm", name, "pip install timm")
    if not timm.is_model(name):
        raise _unknown(name, "timm", [*TORCHVISION_NAMES, *timm.list_models("resnet*")])
    try:
        entry = timm.get_pretrained_cfg(name)
    except RuntimeError as error:  # another's tag
        raise _unknown(name, "timm", timm.list_pretrained(f"{name.partition('.')[0]}.*")) from error
    if entry is not None and not entry.has_weights:
        raise UserError("timm has no weights for the model", name, "see timm.list_pretrained()")
    return entry


def _on_255(values: Any) -> list[float]:
    return [round(255 * float(value), 6) for value in values]


@contextlib.contextmanager
def _fetching(library: str, name: str, address: str) -> Iterator[None]:
    try:
        with contextlib.redirect_stderr(sys.stdout):  # stderr begins with our error, if any
            yield
    except Exception as error:  # downloads fail in many ways
        told = without_colons((str(error).strip().splitlines() or [""])[0])[:120].rstrip(". ")
        raise UserError(
            f"{library} cannot fetch the weights ({type(error).__name__} {told})",
            name,
            f"download them elsewhere ({address or 'see its model page'}) and give the file: "
            f"tools/convert_weights.py FILE OUT.safetensors --layout {library}",
        ) from error


def _unknown(name: str, library: str, names: list[str]) -> UserError:
    names = list(dict.fromkeys(names))  # some are torchvision's and timm's
    close = difflib.get_close_matches(name, names, n=3) or names[:3]
    return UserError(
        f"neither a file nor a model of {library}",
        name,
        f"check the spelling; there are {', '.join(close)}",
    )


def _hub_in_reach() -> bool:
    if urllib.request.getproxies() or os.environ.get("HF_ENDPOINT"):
        return True  # let it try its own way
    try:
        socket.getaddrinfo("huggingface.co", 443)
    except OSError:
        return False
    return True


def _timm() -> Any:
    try:
        return import_module("timm")
    except ImportError:
        return None


# ---- built like one of ours ----

# timm's letters for what stands behind the depth, by our variant and the stem's C.
TIMM_SUFFIX = {("B", 64): "", ("C", 64): "c", ("C", 128): "s", ("D", 64): "d"}


def timm_name(fields: Mapping[str, Any]) -> str:
    """Name the timm model that is built like ours, ``"resnet50d"``; empty if none is."""
    letter = "B" if _same_as_b(fields) else fields["variant"]
    suffix = TIMM_SUFFIX.get((letter, fields["stem_channels"]))
    name = f"resnet{fields['depth']}{suffix}"
    timm = _timm()
    known = timm is not None and timm.is_model(name)
    return name if known and suffix is not None and fields["base_channels"] == 64 else ""


def build_like(library: str, fields: Mapping[str, Any]) -> nn.Module | None:
    """Build timm's or torchvision's network that computes what ours does, without classifier.

    Args:
        library: ``"timm"`` or ``"torchvision"``.
        fields: ``variant``, ``depth``, ``in_channels``, ``stem_channels``, ``base_channels``.

    Returns:
        The network with random weights; None if the library cannot express it or is missing.
    """
    plain = fields["variant"] == "B" or _same_as_b(fields)
    if library == "torchvision":
        widths = [fields[f"{part}_channels"] for part in ("in", "stem", "base")]
        name = f"resnet{fields['depth']}"
        if not plain or widths != [3, 64, 64] or name not in TORCHVISION_NAMES:
            return None
        network = torchvision.models.get_model(name, weights=None)
        network.fc = nn.Identity()
        return network
    if fields["variant"] == "A" and not plain:
        return None
    return _timm_like(fields, deep=fields["variant"] in "CD")


def _same_as_b(fields: Mapping[str, Any]) -> bool:
    # Basic blocks have no 1x1 that could take the stride (arXiv:1812.01187, sec. 4).
    return fields["variant"] == "A" and blocks.DEPTHS[fields["depth"]][0] is blocks.BasicBlock


def _timm_like(fields: Mapping[str, Any], deep: bool) -> nn.Module | None:
    if _timm() is None or not (deep or fields["stem_channels"] == 64):
        return None
    resnet = import_module("timm.models.resnet")
    block, per_stage = blocks.DEPTHS[fields["depth"]]
    network: nn.Module = resnet.ResNet(
        resnet.Bottleneck if block is blocks.Bottleneck else resnet.BasicBlock,
        per_stage,
        num_classes=0,
        in_chans=fields["in_channels"],
        stem_width=fields["stem_channels"] // 2,
        stem_type="deep" if deep else "",
        avg_down=fields["variant"] == "D",
        channels=tuple(fields["base_channels"] * 2**stage for stage in range(4)),
        device=torch.device("cpu"),
    )
    return network
