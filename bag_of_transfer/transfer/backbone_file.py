"""Load backbone files: completely, or not at all.

``OUT.safetensors`` holds tensors under the names of mmdet's ResNetV1d without prefix, or under
those of timm's network after ``network.``; ``OUT.json`` is its card.
"""

from pathlib import Path

from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmengine.model.weight_init import update_init_info
from mmengine.registry import WEIGHT_INITIALIZERS
from torch import Tensor, nn

from backbones.blocks import a_equals_b
from bag_of_transfer.transfer.backbone_card import TIMM, Card, read_card
from bag_of_transfer.transfer.mismatch import BackboneMismatchError, compare, mend_for
from bag_of_transfer.transfer.network_shapes import shapes_of
from bag_of_transfer.transfer.norms import PLAIN, norm_in, norm_words
from bag_of_transfer.transfer.resnet_type import equivalent_type
from bag_of_transfer.transfer.tensor_file import read_tensors
from bag_of_transfer.transfer.timm_networks import is_network_of

__all__ = ["BackboneFile", "load_backbone", "parts_of"]

A_AND_B = {"ResNetA", "ResNetB"}


def load_backbone(
    backbone: nn.Module, path: str | Path, shared_head: nn.Module | None = None
) -> str:
    """Load a backbone file into ``backbone``, and into the shared head of a C4 detector.

    Args:
        backbone: A ResNet of ours, or mmdet's or mmseg's, or a TimmNetwork.
        path: The ``.safetensors`` file with its card beside it.
        shared_head: The module that has ``layer4.*`` if the backbone ends before stage 4.

    Returns:
        A line to print: how many tensors were loaded, of how many in which file.

    Raises:
        BackboneMismatchError: If a tensor is missing, left over or of another shape, if the
            variants or the norms differ, or if names or options of timm's networks differ.  Then
            nothing is loaded.
        UserError: If the file or its card is missing or damaged.
    """
    parts = [part for part in (backbone, shared_head) if part is not None]
    file = read_tensors(path)
    wanted = shapes_of({name: tensor for part in parts for name, tensor in _named(part)})
    shapes = shapes_of(file.tensors)
    comparison = compare(wanted, shapes)
    if not comparison.fits:
        raise BackboneMismatchError(str(comparison), path, mend_for(wanted, file))
    card = read_card(path)
    for part in parts:
        _check_variant(part, card, path)
        _check_norms(part, card, path)
    for part in parts:
        state = part.state_dict()
        part.load_state_dict({k: v for k, v in file.tensors.items() if k in state}, strict=False)
    named = "backbone and shared head" if shared_head is not None else "backbone"
    return (
        f"{named}: {len(wanted)} of {len(shapes)} tensors from {path} (sha256 {card.sha256[:12]})"
    )


def _check_variant(part: nn.Module, card: Card, path: str | Path) -> None:
    if card.type == TIMM:
        _check_timm_network(part, card, path)
        return
    # A and B have the same tensors, so only the card tells them apart.
    config = {name: getattr(part, name, None) for name in ("style", "deep_stem", "avg_down")}
    kind = equivalent_type({"type": type(part).__name__, **config})
    variant = getattr(part, "variant", None)
    if isinstance(variant, str):  # of ResNetStage4
        kind = variant
    is_same = card.depth is not None and a_equals_b(card.depth) and {kind, card.type} <= A_AND_B
    if kind is None or kind == card.type or is_same:
        return
    raise BackboneMismatchError(
        f"all tensors fit, but the file is a {card.type} and the network a {kind}",
        path,
        "make the config agree, or give another file",
    )


def _check_norms(part: nn.Module, card: Card, path: str | Path) -> None:
    if card.type == TIMM:
        return
    wanted = card.norm or PLAIN
    for found in map(norm_in, part.modules()):
        is_unknown = card.norm is None and found is not None and found["type"] == "GN"
        if found in (None, wanted) or is_unknown:  # of GN older cards say nothing
            continue
        assert found is not None
        raise BackboneMismatchError(
            f"all tensors fit, but the file's norms are {norm_words(wanted)} and the network's "
            f"{norm_words(found)}",
            path,
            "make the config's norm_cfg agree, or give another file",
        )


def _check_timm_network(part: nn.Module, card: Card, path: str | Path) -> None:
    # Two networks may have the same tensors and differ in their activations, for instance.
    if not is_network_of(card, part):
        network = f"{getattr(part, 'name', '')} with {getattr(part, 'options', {})}".lstrip()
        raise BackboneMismatchError(
            f"all tensors fit, but the file is a {card.title} with {card.options} and the network "
            f"a {type(part).__name__} {network}".replace(":", ""),
            path,
            "make the config agree, or give another file",
        )


def _named(module: nn.Module) -> list[tuple[str, Tensor]]:
    return list(module.state_dict().items())


def parts_of(module: nn.Module) -> tuple[nn.Module, nn.Module | None]:
    """Return the backbone and the shared head of a detector or segmenter, or a backbone alone."""
    backbone = getattr(module, "backbone", module)
    return backbone, getattr(getattr(module, "roi_head", None), "shared_head", None)


@WEIGHT_INITIALIZERS.register_module()
class BackboneFile:
    """Initialiser for ``init_cfg=dict(type="BackboneFile", checkpoint=FILE)``.

    Unlike ``Pretrained`` it loads strictly.  A backbone, a shared head or the whole model may
    have it; in a whole model it loads backbone and shared head together.
    """

    def __init__(self, checkpoint: str) -> None:
        """Keep the path of the ``.safetensors`` file."""
        self.checkpoint = checkpoint

    def __call__(self, module: nn.Module) -> None:
        """Load the file into ``module``, and mark its children as initialised.

        mmengine initialises a module before its children, except by ``Pretrained``, which it
        knows by name.  Without the mark the children would overwrite the loaded weights.

        Raises:
            BackboneMismatchError: See :func:`load_backbone`.
            UserError: See :func:`load_backbone`.
        """
        backbone, shared_head = parts_of(module)
        line = load_backbone(backbone, self.checkpoint, shared_head)
        for part in (backbone, shared_head):
            if part is not None:
                self._mark(part, module)
        print_log(line, logger="current")

    def _mark(self, part: nn.Module, called_on: nn.Module) -> None:
        if hasattr(part, "_params_init_info"):
            update_init_info(part, init_info=f"BackboneFile: loaded from {self.checkpoint}")
        for child in part.modules():
            if isinstance(child, BaseModule) and child is not called_on:
                child.is_init = True
