"""Regions keep their corners where the network computes in 16 bits."""

import torch

from bag_of_transfer.detection.roi_extractor import ExactRoIExtractor


def extractor() -> ExactRoIExtractor:
    layer = dict(type="RoIAlign", output_size=2, sampling_ratio=2)
    return ExactRoIExtractor(layer, out_channels=1, featmap_strides=[4])


def test_bfloat16_moves_no_corner() -> None:
    # The map holds the x of its cells, exactly: 0, 4, ..., 1020 are bfloat16 numbers / 4.
    x_of_cell = torch.arange(256.0).expand(1, 1, 8, 256)
    rois = torch.tensor([[0.0, 601.0, 0.0, 617.0, 16.0]])
    exact = extractor()((x_of_cell,), rois)
    assert exact.mean() == (601 + 617) / 2 / 4 - 0.5
    low = extractor()((x_of_cell.bfloat16(),), rois)
    torch.testing.assert_close(low, exact)


def test_the_parent_would_move_them() -> None:
    # What the class is for; if mmdet mends it, the class can go.
    rois = torch.tensor([[0.0, 601.0, 0.0, 617.0, 16.0]])
    low = super(ExactRoIExtractor, extractor()).forward(
        (torch.arange(256.0).expand(1, 1, 8, 256).bfloat16(),), rois
    )
    assert abs(low.float().mean() - 151.75) > 0.2
