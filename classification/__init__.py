"""What only pretraining needs: classifier, targets, mixing, distillation, data, top-k.

Importing it registers everything that the configs name.
"""

from classification.classifier import ImageClassifier, LinearHead
from classification.image_folder import ImageFolder
from classification.metrics import TopK
from classification.preprocessor import ClassificationPreprocessor
from classification.transforms import HSVScale, PCANoise

__all__ = [
    "ClassificationPreprocessor",
    "HSVScale",
    "ImageClassifier",
    "ImageFolder",
    "LinearHead",
    "PCANoise",
    "TopK",
]
