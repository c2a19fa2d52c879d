"""Fetch models with trained weights from libraries, by name."""

import contextlib
import difflib
import os
import socket
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torchvision
from torch import nn

from bag_of_transfer.engine.errors import UserError, without_colons
from bag_of_transfer.transfer.layouts.layout import Layout
from bag_of_transfer.transfer.layouts.timm import TIMM, installed_timm
from bag_of_transfer.transfer.layouts.torchvision import MODEL_NAMES, TORCHVISION

__all__ = ["Fetched", "check_model_name", "fetch", "hub_in_reach", "on_255"]

# Their top-1 is that of the paper's B-standard (torchvision's docs: 76.130 for depth 50).
DEFAULT_WEIGHTS = "IMAGENET1K_V1"


@dataclass(frozen=True)
class Fetched:
    """A library's network with its trained weights, and the library's facts about it.

    Args:
        network: The network, in eval mode.
        layout: Layout of the library.
        fields: Fields of the card: ``mean``, ``std`` (0 to 255), ``channel_order``, ``dataset``,
            ``metrics``, ``source``.
    """

    network: nn.Module
    layout: Layout
    fields: dict[str, Any]


@dataclass(frozen=True)
class _Zoo:
    """The models of one library.

    Args:
        layout: Layout of the library.
        takes: Returns whether a name belongs to this library, unless the user names another one.
        look_up: Checks a name and returns the library's entry of its weights, without fetching.
        fetch: Builds the network of a name with its weights.
    """

    layout: Layout
    takes: Callable[[str], bool]
    look_up: Callable[[str], Any]
    fetch: Callable[[str], Fetched]


def fetch(name: str, layout: Layout | None) -> Fetched:
    """Return a library's network of this name with its trained weights.

    Args:
        name: A name of timm such as ``resnet50d.gluon_in1k``, or of torchvision such as
            ``resnet50``, with or without the name of its weights after a dot.  For a name of both
            libraries torchvision is used.
        layout: Layout of the library; None to choose it by the name.

    Raises:
        UserError: If the library does not know the name, has no models by name or is not
            installed, or if the weights cannot be fetched.
    """
    for zoo in ZOOS:
        if zoo.layout is layout or (layout is None and zoo.takes(name)):
            return zoo.fetch(name)
    assert layout is not None  # timm takes all names
    what = f"no such file, and {layout.name} has no models to fetch by name"
    raise UserError(what, name, "give the file of weights")


def check_model_name(name: str) -> None:
    """Check, without fetching anything, that a library knows a model and has its weights.

    Raises:
        UserError: If no library knows it, it has no weights, or the package is missing.
    """
    next(zoo for zoo in ZOOS if zoo.takes(name)).look_up(name)


# ---- torchvision ----


def _is_torchvisions(name: str) -> bool:
    architecture, _, weights = name.partition(".")
    return architecture in MODEL_NAMES and (not weights or weights.startswith("IMAGENET"))


def _full_name(name: str) -> str:
    architecture, _, weights = name.partition(".")
    return f"{architecture}.{weights or DEFAULT_WEIGHTS}"


def _torchvision_entry(name: str) -> Any:
    name = _full_name(name)
    known = {
        f"{architecture}.{entry.name}": entry
        for architecture in MODEL_NAMES
        for entry in torchvision.models.get_model_weights(architecture)
    }
    if name not in known:
        raise _unknown(name, "torchvision", [*known])
    return known[name]


def _from_torchvision(name: str) -> Fetched:
    entry, name = _torchvision_entry(name), _full_name(name)
    with _fetching("torchvision", name, str(entry.url)):
        network = torchvision.models.get_model(name.partition(".")[0], weights=entry)
    transforms = entry.transforms()
    accuracy = entry.meta.get("_metrics", {}).get("ImageNet-1K", {})
    stated = {"top1": accuracy.get("acc@1"), "top5": accuracy.get("acc@5")}
    return Fetched(
        network.eval(),
        TORCHVISION,
        {
            "mean": on_255(transforms.mean),
            "std": on_255(transforms.std),
            "channel_order": "RGB",
            "dataset": "ImageNet-1K" if accuracy else "unknown",
            "metrics": {key: value for key, value in stated.items() if value is not None},
            "source": f"torchvision {name} (torchvision {torchvision.__version__})",
        },
    )


# ---- timm ----


def _from_timm(name: str) -> Fetched:
    if not hub_in_reach():
        os.environ["HF_HUB_OFFLINE"] = "1"  # otherwise timm would retry for 46 s
    entry, timm = _timm_entry(name), installed_timm()
    where = (entry.url or entry.hf_hub_id) if entry else ""
    with _fetching("timm", name, str(where)):
        network = timm.create_model(name, pretrained=True)
    config = network.pretrained_cfg
    tag = str(config.get("tag") or "")
    return Fetched(
        network.eval(),
        TIMM,
        {
            "mean": on_255(config["mean"]),
            "std": on_255(config["std"]),
            "channel_order": "RGB",
            # A tag that ends in in1k: the last training was on ImageNet-1K.
            "dataset": "ImageNet-1K" if tag.endswith("in1k") else "unknown",
            "metrics": {},
            "source": f"timm {config['architecture']}{tag and '.'}{tag} (timm {timm.__version__})",
        },
    )


def _timm_entry(name: str) -> Any:
    timm = installed_timm()
    if timm is None:
        raise UserError("the model needs the package timm", name, "pip install timm")
    if not timm.is_model(name):
        raise _unknown(name, "timm", [*MODEL_NAMES, *timm.list_models("resnet*")])
    try:
        entry = timm.get_pretrained_cfg(name)
    except RuntimeError as error:  # the tag belongs to another model
        raise _unknown(name, "timm", timm.list_pretrained(f"{name.partition('.')[0]}.*")) from error
    if entry is not None and not entry.has_weights:
        raise UserError("timm has no weights for the model", name, "see timm.list_pretrained()")
    return entry


def on_255(values: Any) -> list[float]:
    """Return a mean or std on the 0 to 255 scale; libraries give them on 0 to 1."""
    return [round(255 * float(value), 6) for value in values]


# ---- both ----


@contextlib.contextmanager
def _fetching(library: str, name: str, address: str) -> Iterator[None]:
    try:
        with contextlib.redirect_stderr(sys.stdout):  # our error must be the first line of stderr
            yield
    except Exception as error:  # downloads fail in many ways
        reason = without_colons((str(error).strip().splitlines() or [""])[0])[:120].rstrip(". ")
        raise UserError(
            f"{library} cannot fetch the weights ({type(error).__name__} {reason})",
            name,
            f"download them elsewhere ({address or 'see its model page'}) and give the file: "
            f"tools/convert_weights.py FILE OUT.safetensors --layout {library}",
        ) from error


def _unknown(name: str, library: str, names: list[str]) -> UserError:
    names = list(dict.fromkeys(names))  # torchvision and timm share some
    close = difflib.get_close_matches(name, names, n=3) or names[:3]
    return UserError(
        f"neither a file nor a model of {library}",
        name,
        f"check the spelling; similar names are {', '.join(close)}",
    )


def hub_in_reach() -> bool:
    """Return whether timm's downloads may work: its hub's address resolves, or a proxy is set."""
    if urllib.request.getproxies() or os.environ.get("HF_ENDPOINT"):
        return True  # timm may reach the hub in another way
    try:
        socket.getaddrinfo("huggingface.co", 443)
    except OSError:
        return False
    return True


# The order matters: timm takes all names that torchvision does not.
ZOOS = (
    _Zoo(TORCHVISION, _is_torchvisions, _torchvision_entry, _from_torchvision),
    _Zoo(TIMM, lambda name: True, _timm_entry, _from_timm),
)
