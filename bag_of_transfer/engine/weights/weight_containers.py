"""Find the weights in a checkpoint: any dict of tensors, up to two levels down.

The choice never depends on the order of keys.  Plain weights are preferred to averages (EMA, SWA);
among several other dicts of weights the user has to choose.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bag_of_transfer.engine.errors import UserError

__all__ = ["TOP", "Weights", "find_weights"]

MAX_LEVELS = 2
MAX_EXPANDED = 1 << 24  # values
TOP = "."  # the name of the whole file as a container
AVERAGE = re.compile(r"(?i)(^|[._])(ema|swa|avg|averaged?|shadow)(?=[._]|$)")
# Names of modules and their weights, unlike class_weights or prototypes beside them.
OF_A_MODULE = re.compile(r"\.|(^|_)(weight|w)$")
CONVENTIONAL = ("state_dict", "model")
CHOOSE = (
    "choose one, tools/convert_weights.py --key KEY, or in Python "
    "torch.save(dict(state_dict=torch.load('FILE')[KEY]), 'NEW.pth')"
)


@dataclass(frozen=True)
class Weights:
    """Tensors by name, and where they were in the file.

    Args:
        tensors: By their names in the file.
        container: Dotted key of the dict that holds them; empty if they are at the top.
        unread: Number of tensors in each other dict of weights, by their dotted keys.
    """

    tensors: dict[str, Tensor]
    container: str = ""
    unread: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return for instance ``weights: 'model', 122 tensors; not read: 'model_ema' (123)``."""
        place = f"'{self.container}'" if self.container else "the top of the file"
        line = f"weights: {place}, {len(self.tensors)} tensors"
        others = ", ".join(f"{_shown(key)} ({count})" for key, count in self.unread.items())
        return f"{line}; not read: {others}" if others else line


def find_weights(
    contents: Mapping[str, Any],
    where: object,
    key: str | None = None,
    wanted: Callable[[Mapping[str, Tensor]], bool] = lambda tensors: True,
) -> Weights:
    """Return the weights in the contents of a checkpoint.

    Args:
        contents: Contents of the file.
        where: The file, for messages.
        key: Dotted key of the dict to take, ``"."`` for the top; None to find the only one.
        wanted: Returns whether a dict holds a network that can be used; if any does, the other
            dicts are not considered.

    Raises:
        UserError: If there are no weights, several sets of them, or none under ``key``; if two
            sets have the same name, or a tensor holds no plain values.
    """
    every = _named_tensors(contents, where)
    if key is not None:
        return _weights_of(_key_of(key, every, where), every, where)
    networks = [name for name, tensors in every.items() if _is_network(tensors)]
    usable = [name for name in networks if wanted(every[name])] or networks
    usable = usable or [name for name in CONVENTIONAL if name in every][:1] or list(every)
    plain = [name for name in usable if not AVERAGE.search(name)]
    taken = plain if len(plain) == 1 else usable
    if not taken:
        raise _nothing(contents, where)
    if len(taken) > 1:
        choices = ", ".join(
            f"{_shown(name)} with {len(every[name])} tensors" for name in sorted(taken)
        )
        raise UserError(f"weights of several networks ({choices})", where, CHOOSE)
    return _weights_of(taken[0], {name: every[name] for name in networks or taken}, where)


def _weights_of(taken: str, every: Mapping[str, dict[str, Tensor]], where: object) -> Weights:
    for name, tensor in every[taken].items():
        what = _without_values(tensor)
        if what:
            raise UserError(
                f"{name} {what}", where, "write the file again, with plain dense tensors"
            )
    unread = {name: len(tensors) for name, tensors in every.items() if name != taken}
    return Weights(every[taken], "" if taken == TOP else taken, unread)


def _key_of(key: str, every: Mapping[str, Any], where: object) -> str:
    if key in every:
        return key
    names = ", ".join(map(_shown, every)) or "none"
    raise UserError(f"no dict of tensors under the key {key!r}", where, f"the keys are {names}")


def _shown(key: str) -> str:
    return "the top ('.')" if key == TOP else repr(key)


def _nothing(contents: Mapping[str, Any], where: object) -> UserError:
    keys = ", ".join(sorted(map(str, contents)))[:200] or "none"
    return UserError(
        f"no weights in the file (no tensors by name; keys at the top {keys})",
        where,
        f"give a file of weights, with tensors by name at most {MAX_LEVELS} levels down",
    )


def _is_network(tensors: Mapping[str, Tensor]) -> bool:
    return any(
        tensor.ndim > 1 and tensor.is_floating_point() and OF_A_MODULE.search(name)
        for name, tensor in tensors.items()
    )


# ---- walking ----


def _named_tensors(contents: Any, where: object) -> dict[str, dict[str, Tensor]]:
    containers: dict[str, dict[str, Tensor]] = {}
    seen: set[int] = set()
    mappings = _mappings(contents, "", MAX_LEVELS)
    for path, mapping in sorted(mappings, key=lambda pair: bool(AVERAGE.search(pair[0]))):
        tensors = {} if id(mapping) in seen else _tensors_in(mapping)
        seen.add(id(mapping))  # one dict under two keys is one network, not two
        name = path or TOP
        if tensors and name in containers:  # keys with dots inside
            what = f"two dicts of tensors are called {_shown(name)}"
            raise UserError(what, where, "write the file again, with keys without dots")
        if tensors:
            containers[name] = tensors
    return containers


def _mappings(node: Any, path: str, levels: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(node, Mapping):
        yield path, node
        inner = [(key, value) for key, value in node.items() if isinstance(key, str)]
    else:
        inner = [(str(number), value) for number, value in enumerate(node)]
    for key, value in inner if levels else ():
        if isinstance(value, Mapping | list | tuple):
            yield from _mappings(value, f"{path}.{key}" if path else key, levels - 1)


def _tensors_in(mapping: Mapping[str, Any]) -> dict[str, Tensor]:
    pairs = ((name, _tensor(value)) for name, value in mapping.items() if isinstance(name, str))
    return {name: tensor for name, tensor in pairs if tensor is not None}


def _tensor(value: Any) -> Tensor | None:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
        # torch has no longdouble
        dtype = value.dtype.newbyteorder("=") if value.itemsize <= 8 else np.float64
        return torch.from_numpy(value.astype(dtype))
    return None


def _without_values(tensor: Tensor) -> str:
    """Return why a tensor cannot be used as it is stored; empty if it can."""
    if tensor.is_meta:
        return "has no values (device meta)"
    if tensor.is_quantized:
        return f"is quantised ({tensor.dtype})"
    if tensor.layout != torch.strided:
        return f"is not a dense tensor ({tensor.layout})"
    stored = tensor.untyped_storage().nbytes() // tensor.element_size()
    # A file of a kilobyte may state a tensor of a terabyte; small tensors may really be expanded.
    if tensor.numel() > max(stored, MAX_EXPANDED):
        return f"states {tensor.numel()} values and stores {stored}"
    return ""
