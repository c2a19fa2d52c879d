"""mmdet's preprocessor for images of any number of channels."""

from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmengine.registry import MODELS

from bag_of_transfer.engine.data.any_channels import AnyChannels

__all__ = ["AnyChannelsDetPreprocessor"]


@MODELS.register_module()
class AnyChannelsDetPreprocessor(AnyChannels, DetDataPreprocessor):
    """mmdet's ``DetDataPreprocessor`` with mean and std of any length."""
