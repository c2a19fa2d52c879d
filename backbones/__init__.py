"""Networks that turn images into feature maps; they need only torch and mmengine."""

from .adapter import TimmNetwork
from .resnet import ResNet, ResNetA, ResNetB, ResNetC, ResNetD

__all__ = ["ResNet", "ResNetA", "ResNetB", "ResNetC", "ResNetD", "TimmNetwork"]
