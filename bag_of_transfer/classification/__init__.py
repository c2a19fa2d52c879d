"""What only pretraining needs: classifier, targets, mixing, distillation, data, top-k accuracy.

Importing this package registers everything that the configs name.
"""

from bag_of_transfer.classification.classifier import ImageClassifier, LinearHead
from bag_of_transfer.classification.image_folder import ImageFolder
from bag_of_transfer.classification.metrics import TopK
from bag_of_transfer.classification.preprocessor import ClassificationPreprocessor
from bag_of_transfer.classification.transforms import HSVScale, PCANoise
from bag_of_transfer.engine.config.process_setup import prepare_process

__all__ = [
    "ClassificationPreprocessor",
    "HSVScale",
    "ImageClassifier",
    "ImageFolder",
    "LinearHead",
    "PCANoise",
    "TopK",
]

prepare_process()
