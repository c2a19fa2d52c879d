"""Build networks without drawing weights that nobody reads, which takes most of a build's time."""

from typing import Any

from torch.overrides import TorchFunctionMode

__all__ = ["WithoutDrawing"]

# timm draws with erfinv_ and clamp_, too.
DRAWS = ("uniform_", "normal_", "kaiming_uniform_", "kaiming_normal_", "erfinv_", "clamp_")


class WithoutDrawing(TorchFunctionMode):
    """As a context, leave a tensor as it is where random weights would be drawn."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", None) in DRAWS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)
