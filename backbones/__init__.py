"""Networks that turn images into feature maps; they need torch and mmengine only."""

from .adapter import TimmNetwork
from .resnet import ResNet, ResNetA, ResNetB, ResNetC, ResNetD

__all__ = ["ResNet", "ResNetA", "ResNetB", "ResNetC", "ResNetD", "TimmNetwork"]
