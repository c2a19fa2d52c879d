"""Networks that turn images into feature maps; they know torch and mmengine, and no task."""

from .adapter import TimmNetwork
from .resnet import ResNet, ResNetA, ResNetB, ResNetC, ResNetD

__all__ = ["ResNet", "ResNetA", "ResNetB", "ResNetC", "ResNetD", "TimmNetwork"]
