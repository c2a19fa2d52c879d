"""mmseg's preprocessor for images of any number of channels."""

from mmengine.registry import MODELS
from mmseg.models import SegDataPreProcessor

from bag_of_transfer.engine.data.any_channels import AnyChannels

__all__ = ["AnyChannelsSegPreprocessor"]


@MODELS.register_module()
class AnyChannelsSegPreprocessor(AnyChannels, SegDataPreProcessor):
    """mmseg's ``SegDataPreProcessor`` with mean and std of any length."""
