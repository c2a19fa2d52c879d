"""A segmenter from an image to a label per pixel.

Letters: B batch, C channels, H W pixels, K classes.
"""

from typing import Any

import torch
from mmseg.models import EncoderDecoder
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.nn import functional

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.onnx_export.kinds import (
    Answer,
    Difference,
    Exported,
    Kind,
    Output,
    largest,
    prepare,
    refuse_unless,
)
from bag_of_transfer.prediction.network import Trained

__all__ = ["KIND", "Segmenter"]

LOGIT = 1e-3  # of the largest logit, or of 1 if that is smaller
PIXELS = 1e-3  # share of the pixels that may have another label: of two with the same logit


class Segmenter(Exported):
    """A trained segmenter that looks at whole images; its logits get the image's size."""

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the labels B H W and the logits B K H W of images B C H W."""
        head, padded = self.network.decode_head, self.preparation(image)
        maps = head(self.network.extract_feat(padded))
        corners = head.align_corners
        logits = functional.interpolate(maps, padded.shape[-2:], None, "bilinear", corners)
        logits = logits[..., : image.shape[-2], : image.shape[-1]]
        if head.out_channels == 1:
            logits = logits.sigmoid()
            return (logits[:, 0] > head.threshold).long(), logits
        return logits.argmax(1), logits


def _build(trained: Trained) -> nn.Module:
    network: Any = trained.network
    head = network.decode_head
    same = {
        "the segmenter": getattr(type(network), "encode_decode", None)
        is EncoderDecoder.encode_decode,
        "the decode_head": isinstance(head, BaseDecodeHead)
        and type(head).predict is BaseDecodeHead.predict
        and type(head).predict_by_feat is BaseDecodeHead.predict_by_feat,
    }
    refuse_unless(same, network)
    if network.test_cfg.get("mode", "whole") != "whole":
        what = "the segmenter looks through a sliding window, which no ONNX file does"
        mend = "export it for whole images with --cfg-options model.test_cfg.mode=whole"
        raise UserError(what, "model.test_cfg.mode", mend)
    padding = network.data_preprocessor.test_cfg or {}
    if padding.get("size") is not None:
        where = "model.data_preprocessor.test_cfg.size"
        raise UserError("images are padded to one size", where, "state size_divisor, or nothing")
    divisor, value = padding.get("size_divisor") or 1, network.data_preprocessor.pad_val
    return Segmenter(network, prepare(trained, divisor, value))


def _answer(outputs: Any) -> Answer:
    return {
        "labels": torch.cat([one.pred_sem_seg.data for one in outputs]).long().numpy(),
        "logits": torch.stack([one.seg_logits.data for one in outputs]).numpy(),
    }


def _compare(ours: Answer, theirs: Answer) -> list[Difference]:
    scale = max(1.0, largest(theirs["logits"]))
    apart = largest(ours["logits"] - theirs["logits"]) / scale
    other = float((ours["labels"] != theirs["labels"]).mean())
    return [
        Difference("logits, as a share", apart, LOGIT),
        Difference("share of other labels", other, PIXELS),
    ]


KIND = Kind(
    {
        "labels": Output(
            {0: "batch", 1: "height", 2: "width"},
            "int64 batch x height x width, the place in the list of classes of each pixel",
        ),
        "logits": Output(
            {0: "batch", 2: "height", 3: "width"},
            "float32 batch x classes x height x width, before the softmax",
        ),
    },
    _build,
    SegDataSample,
    _answer,
    _compare,
)
