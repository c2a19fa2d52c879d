"""Stand-in for ``mmcv._ext``, the compiled operators that a plain pip install lacks.

mmdet imports ``mmcv.ops`` as a whole, and that asks ``mmcv._ext`` for some two
hundred functions.  Three of them are what Faster R-CNN, Mask R-CNN and
RetinaNet call: NMS and RoIAlign, answered here by torchvision's kernels, and
(on a GPU only) the sigmoid focal loss, answered in plain torch.  Any other
name gives a function that raises when called.

Signatures follow ``mmcv/ops/{nms,roi_align,focal_loss}.py`` of onedl-mmcv 2.3.6.
Letters: N boxes, R regions (RoIs), B batch, C channels, H W pixels, K classes.
"""

import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType
from typing import NoReturn

import torch
import torchvision  # noqa: F401  registers torch.ops.torchvision
from torch import Tensor
from torch.nn import functional

from bag_of_transfer.engine.errors import UserError

__all__ = ["MissingOpError", "StandIn", "install", "nms", "roi_align_backward", "roi_align_forward"]

EXT = "mmcv._ext"
NOT_COMPILED = "not compiled (torchvision stands in)"


class MissingOpError(UserError, NotImplementedError):
    """An operator was called that only a compiled mmcv has."""

    def __init__(self, op: str, why: str = "mmcv was installed without a compiler") -> None:
        super().__init__(
            f"mmcv operator {op!r} is missing ({why})",
            f"{EXT}.{op}",
            "choose a network without it, or install a compiled mmcv, which needs compilers and "
            "a torch it builds with (2.14 is too new): MMCV_WITH_OPS=1 FORCE_CUDA=1 "
            "pip install --no-build-isolation --no-binary onedl-mmcv onedl-mmcv",
        )


def _at_least_float32(tensor: Tensor) -> Tensor:
    # torchvision's kernels take neither half nor bfloat16 on a CPU.
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 0) -> Tensor:
    """Return the indices of the boxes that survive, best score first.

    Args:
        boxes: ``[N, 4]`` as x1, y1, x2, y2.
        scores: ``[N]``.
        iou_threshold: A box is dropped when its IoU with a kept one is above this.
        offset: 0, or 1 for boxes whose last pixel is inside: width ``x2 - x1 + 1``.
    """
    boxes_xyxy = _at_least_float32(boxes)
    if offset:
        # Widening every box by one pixel makes each width and overlap x2 - x1 + 1.
        boxes_xyxy = boxes_xyxy + boxes_xyxy.new_tensor([0, 0, offset, offset])
    return torch.ops.torchvision.nms(boxes_xyxy, scores.to(boxes_xyxy.dtype), iou_threshold)


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    *,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill ``output`` ``[R, C, aligned_height, aligned_width]`` with averaged samples.

    Args:
        input: Feature map ``[B, C, H, W]``.
        rois: ``[R, 5]``: index in the batch, then x1, y1, x2, y2 in image pixels.
        output: Written in place, as mmcv's own kernel does.
        argmax_y: Not used (only the maximum needs it).
        argmax_x: Not used.
        aligned_height: Rows of the result.
        aligned_width: Columns of the result.
        spatial_scale: Feature pixels per image pixel, 1 / stride.
        sampling_ratio: Samples per bin and side; 0: as many as feature pixels in a bin.
        pool_mode: 1, the average.  0, the maximum, is not in torchvision.
        aligned: Shift by half a pixel, as detectron2 does.

    Raises:
        MissingOpError: If ``pool_mode`` is 0.
    """
    _only_average(pool_mode, "roi_align_forward")
    pooled = torch.ops.torchvision.roi_align(
        _at_least_float32(input),
        rois.to(_at_least_float32(input).dtype),
        spatial_scale,
        aligned_height,
        aligned_width,
        max(sampling_ratio, 0),
        aligned,
    )
    output.copy_(pooled)


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    *,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill ``grad_input`` ``[B, C, H, W]``; the arguments are those of the forward pass.

    Raises:
        MissingOpError: If ``pool_mode`` is 0.
        RuntimeError: On a GPU, if only deterministic operators are allowed: it has none.
    """
    _only_average(pool_mode, "roi_align_backward")
    if grad_output.is_cuda:
        _refuse_where_deterministic("roi_align_backward_kernel")
    grad = _at_least_float32(grad_output)
    grad_input.copy_(
        torch.ops.torchvision._roi_align_backward(
            grad,
            rois.to(grad.dtype),
            spatial_scale,
            aligned_height,
            aligned_width,
            *grad_input.shape,
            max(sampling_ratio, 0),
            aligned,
        )
    )


def _refuse_where_deterministic(kernel: str) -> None:
    """Raise as torch does; torchvision 0.29 refuses in its Python, which is not called here."""
    only_warns = torch.is_deterministic_algorithms_warn_only_enabled()
    if torch.are_deterministic_algorithms_enabled() and not only_warns:
        raise RuntimeError(f"{kernel} does not have a deterministic implementation")


def _only_average(pool_mode: int, op: str) -> None:
    if pool_mode != 1:
        raise MissingOpError(op, "only pool_mode='avg' is in torchvision")


def _focal_loss(logits: Tensor, target: Tensor, gamma: float, alpha: float) -> Tensor:
    """Return the sigmoid focal loss ``[N, K]`` (arXiv:1708.02002, eq. 5); K is background."""
    one_hot = functional.one_hot(target, logits.shape[1] + 1)[:, :-1].to(logits.dtype)
    sign = 2 * one_hot - 1
    alpha_true = 0.5 + sign * (alpha - 0.5)
    p_wrong = torch.sigmoid(-sign * logits)
    return -alpha_true * p_wrong**gamma * functional.logsigmoid(sign * logits)


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, *, gamma: float, alpha: float
) -> None:
    """Fill ``output`` ``[N, K]``; mmdet calls this on a GPU and its own Python on a CPU.

    Raises:
        MissingOpError: If ``weight``, one per class, is not empty; mmdet leaves it empty.
    """
    if weight.numel():
        raise MissingOpError("sigmoid_focal_loss_forward", "weights per class are not provided")
    output.copy_(_focal_loss(_at_least_float32(input), target, gamma, alpha))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, *, gamma: float, alpha: float
) -> None:
    """Fill ``grad_input`` ``[N, K]`` with the derivative of the summed loss."""
    with torch.enable_grad():
        logits = _at_least_float32(input).detach().requires_grad_()
        total = _focal_loss(logits, target, gamma, alpha).sum()
    grad_input.copy_(torch.autograd.grad(total, logits)[0])


class StandIn(ModuleType):
    """A module with the operators above and, for any other name, a function that raises."""

    def __init__(self) -> None:
        super().__init__(EXT, __doc__)
        # A module without a spec makes importlib.util.find_spec raise.
        self.__spec__ = importlib.machinery.ModuleSpec(EXT, loader=None, origin=__file__)
        self.nms = nms
        self.roi_align_forward = roi_align_forward
        self.roi_align_backward = roi_align_backward
        self.sigmoid_focal_loss_forward = sigmoid_focal_loss_forward
        self.sigmoid_focal_loss_backward = sigmoid_focal_loss_backward
        self.get_compiler_version = self.get_compiling_cuda_version = lambda: NOT_COMPILED

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        """Return a function for any name: ``mmcv.ops`` asks ``hasattr`` for all that it needs."""
        if name.startswith("_"):
            raise AttributeError(f"module {EXT!r} has no attribute {name!r}")

        def missing(*args: object, **kwargs: object) -> NoReturn:
            raise MissingOpError(name)

        missing.__name__ = missing.__qualname__ = name
        return missing


def install() -> bool:
    """Put the stand-in where ``mmcv.ops`` looks, unless compiled operators are there.

    Returns:
        Whether the stand-in is in use after the call.

    Raises:
        UserError: If ``mmdet.models`` was imported in vain before: its modules keep what they put
            in the place of operators, functions that raise when they are called.
    """
    if EXT not in sys.modules and importlib.util.find_spec(EXT) is None:
        without = any(name.startswith("mmdet.models.") for name in sys.modules)
        if without and "mmcv.ops" not in sys.modules:
            mend = "restart Python, and import bag_of_transfer.detection before it"
            raise UserError("imported before, without mmcv's operators", "mmdet.models", mend)
        import mmcv

        mmcv._ext = sys.modules[EXT] = StandIn()
    return isinstance(sys.modules.get(EXT), StandIn)
