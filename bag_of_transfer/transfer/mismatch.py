"""Explain why a file does not fit a network, and what the user can do about it."""

from collections.abc import Mapping
from dataclasses import dataclass

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.layouts.recognise import Guess, recognise
from bag_of_transfer.transfer.layouts.renaming import Shape
from bag_of_transfer.transfer.network_shapes import WIDTHS, Description, describe, shapes_of
from bag_of_transfer.transfer.tensor_file import TensorFile

__all__ = ["BackboneMismatchError", "Comparison", "compare", "mend_for"]

CONVERT = "python tools/convert_weights.py FILE OUT.safetensors --timm-name NAME"
EXPORT = "python tools/export_backbone.py CKPT OUT.safetensors"
NUM_NAMED = 3
TIMM_PREFIX = "network."  # the attribute of TimmNetwork


class BackboneMismatchError(UserError):
    """A tensor is missing, left over or of another shape; nothing was loaded."""


@dataclass(frozen=True)
class Comparison:
    """The result of comparing a file with a network: names of tensors that do not fit."""

    num_wanted: int
    missing: tuple[str, ...]
    left_over: tuple[str, ...]
    reshaped: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Return whether every tensor has its place."""
        return not (self.missing or self.left_over or self.reshaped)

    def __str__(self) -> str:
        """Return the counts, then the first few names of each kind."""
        num_wrong = len(self.missing) + len(self.reshaped)
        count = f"{num_wrong} of {self.num_wanted} tensors do not fit"
        if not num_wrong:
            count = f"{len(self.left_over)} tensors are left over beside {self.num_wanted} that fit"
        kinds = {
            "missing": self.missing,
            "of another shape": self.reshaped,
            "left over": self.left_over,
        }
        # No colon: it separates the three parts of an error's line.
        named = (f"{len(names)} {kind}, {_first(names)}" for kind, names in kinds.items() if names)
        return f"{count} ({'; '.join(named)})"


def _first(names: tuple[str, ...]) -> str:
    return ("first " if len(names) > NUM_NAMED else "") + ", ".join(names[:NUM_NAMED])


def compare(wanted: Mapping[str, Shape], found: Mapping[str, Shape]) -> Comparison:
    """Compare names and shapes, both without ``num_batches_tracked``.

    Whole stages that the network does not have do not count as left over: a C4 detector's
    backbone ends after stage 3, and its shared head is stage 4 alone.
    """
    return Comparison(
        num_wanted=len(wanted),
        missing=tuple(name for name in wanted if name not in found),
        left_over=tuple(
            name for name in sorted(found) if name not in wanted and not _elsewhere(name, wanted)
        ),
        reshaped=tuple(
            f"{name} {_by(found[name])} in the file, {_by(shape)} in the network"
            for name, shape in wanted.items()
            if name in found and found[name] != shape
        ),
    )


def _by(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "a number"


def _elsewhere(name: str, wanted: Mapping[str, Shape]) -> bool:
    """Return whether a tensor belongs to a stage outside of this network."""
    part, parts = name.split(".")[0], {key.split(".")[0] for key in wanted}
    stages = {key for key in parts if key.startswith("layer")}
    if not stages or part in parts:
        return False
    if "layer1" in stages:  # a backbone; only later stages may be in another part
        return part.startswith("layer") and part > max(stages)
    return part.startswith(("layer", "stem", "conv1", "bn1"))  # the network is a shared head


def mend_for(wanted: Mapping[str, Shape], file: TensorFile) -> str:
    """Return the probable mistake in a file and how to mend it.

    Args:
        wanted: Names and shapes of the network; empty if there is none to compare with.
        file: The user's file.
    """
    about_timm = _about_timm(wanted, file)
    if about_timm:
        return about_timm
    guess = recognise(file.tensors)
    if guess is None:
        return "the file holds no ResNet: give a backbone file that export_backbone.py wrote"
    names = _about_names(file, guess)
    backbone = {
        name[len(guess.prefix) :]: shape
        for name, shape in shapes_of(file.tensors).items()
        if name.startswith(guess.prefix)
    }
    network = _about_network(wanted, describe(backbone))
    reasons = "; ".join([*names, *network])
    if guess.layout.differs:
        return f"{reasons}: convert it first, tools/convert_weights.py FILE OUT.safetensors"
    if names:
        return f"{reasons}: make a backbone file from the checkpoint: {EXPORT}"
    if network:
        return f"{reasons}: make the config agree, or give another file"
    return f"the file is incomplete: export it again: {EXPORT}"


def _about_timm(wanted: Mapping[str, Shape], file: TensorFile) -> str:
    """Return how to mend a mismatch of timm's networks; empty if neither side is one."""
    names = list(file.tensors)
    if any(name.startswith(f"backbone.{TIMM_PREFIX}") for name in names):
        return f"this is a checkpoint: make a backbone file from it: {EXPORT}"
    ours, theirs = (
        bool(names) and all(name.startswith(TIMM_PREFIX) for name in names)
        for names in (list(wanted), names)
    )
    if ours and theirs:
        return "the file is of another network of timm, or of other options: make the config agree"
    if ours:
        return f"the network is one of timm: if these are its weights, convert them: {CONVERT}"
    if theirs and wanted:
        return "the file is of a TimmNetwork, the config's network is not: make the config agree"
    return f"the file is incomplete: export it again: {EXPORT}" if theirs else ""


def _about_names(file: TensorFile, guess: Guess) -> list[str]:
    reasons = []
    if file.container:
        reasons.append(f"this is a checkpoint, its weights are under {file.container!r}")
    if "ema" in file.container or "steps" in file.tensors:
        reasons.append("they are an EMA branch (export_backbone.py knows which branch to take)")
    if guess.prefix:
        reasons.append(f"the names begin with {guess.prefix!r}")
    if guess.layout.differs:
        reasons.append(f"the layout is {guess.layout.name}'s ({guess.layout.differs})")
    return reasons


def _about_network(wanted: Mapping[str, Shape], theirs: Description | None) -> list[str]:
    ours = describe(wanted)
    if ours is None or theirs is None:
        return []
    if any(".gn" in name for name in wanted):
        return ["the network has group norms (norm_cfg), the file has batch norms"]
    differ = {
        "variant": not set(ours.variants) & set(theirs.variants),
        "depth": ours.depth != theirs.depth,
        **{name: getattr(ours, name) != getattr(theirs, name) for name in WIDTHS},
        "num_stages": ours.num_stages > theirs.num_stages,
    }
    names = [name for name, differs in differ.items() if differs]
    if not names:
        return []
    return [f"another {' and '.join(names)}: the file is {theirs}, the network {ours}"]
