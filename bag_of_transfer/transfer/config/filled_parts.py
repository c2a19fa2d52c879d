"""The parts of a config's model that a backbone file fills; it imports nothing slow."""

__all__ = ["BACKBONE", "HEAD"]

BACKBONE, HEAD = "model.backbone", "model.roi_head.shared_head"  # a C4 detector's stage 4
