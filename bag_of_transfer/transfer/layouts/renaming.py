"""Functions that layouts share: rename tensors without losing one."""

from collections.abc import Callable, Mapping

from torch import Tensor

__all__ = ["Shape", "has_pooled_shortcuts", "is_pooled", "rename_all", "same_names"]

Shape = tuple[int, ...]


def is_pooled(shapes: Mapping[str, Shape]) -> bool:
    """Return whether shortcuts are those of ResNet-D: 0 the pool, 1 the convolution, 2 the norm."""
    return any(name.endswith("downsample.1.weight") and len(shapes[name]) == 4 for name in shapes)


def has_pooled_shortcuts(tensors: Mapping[str, Tensor]) -> bool:
    """Return whether tensors are those of a ResNet-D; see :func:`is_pooled`."""
    return is_pooled({name: tensor.shape for name, tensor in tensors.items()})


def same_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under the same names."""
    return dict(tensors)


def rename_all(tensors: Mapping[str, Tensor], rename: Callable[[str], str]) -> dict[str, Tensor]:
    """Return the tensors under new names.

    Raises:
        ValueError: If two tensors would get the same name.
    """
    renamed = {rename(name): tensor for name, tensor in tensors.items()}
    if len(renamed) != len(tensors):
        raise ValueError("two tensors would get the same name")
    return renamed
