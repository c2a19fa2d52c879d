"""What distillation adds to a step: a live teacher, and a teacher's stored answers.

Command:   python benchmarks/distillation.py
The student is the demo's slim ResNet-18-D at 48 px, batch 32, and its teacher is as large, which is
the smallest that makes sense.  A step is forward, backward and SGD; the answers of the batch are
read from a cache of 3,104 images, 12 classes, and put together as the loader does.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS
from torch.utils.data import default_collate

import backbones  # noqa: F401  registers ResNetD
from bag_of_transfer.classification import ImageClassifier
from bag_of_transfer.classification.distillation import Teacher
from bag_of_transfer.classification.teacher_cache import CacheWriter, TeacherCache
from rounds import Comparison, compare, main

BATCH, PX, CLASSES, IMAGES = 32, 48, 12, 3104
MEAN, STD = [123.68, 116.779, 103.939], [58.393, 57.12, 57.375]


def classifier(distilled: bool) -> ImageClassifier:
    """Build the demo's network."""
    backbone = dict(type="ResNetD", depth=18, stem_channels=32, base_channels=32)
    distillation = dict(teacher={}, cache="given with the batch") if distilled else None
    model = MODELS.build(
        dict(
            type="ImageClassifier",
            backbone=backbone,
            head=dict(type="LinearHead", num_classes=CLASSES),
            data_preprocessor=dict(type="ClassificationPreprocessor", mean=MEAN, std=STD),
            label_smoothing={},
            distillation=distillation,
        )
    )
    return model.to(memory_format=torch.channels_last).train()


def step_of(model: ImageClassifier, answers: Callable[[], dict] = dict) -> Callable[[], None]:
    """Return a training step on one batch of noise."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    wrapper = OptimWrapper(optimizer)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (BATCH, 3, PX, PX), generator=generator, dtype=torch.uint8)
    labels = torch.randint(CLASSES, (BATCH,), generator=generator)

    def step() -> None:
        model.train_step(dict(inputs=images, labels=labels, **answers()), wrapper)

    return step


def stored(folder: Path) -> Callable[[], dict]:
    """Return what reads the next batch's answers from a cache."""
    sizes = dict(num_views=1, num_images=IMAGES, top_k=CLASSES, num_classes=CLASSES)
    writer = CacheWriter(folder, dict(sizes, seed=0))
    writer.put(0, torch.arange(IMAGES), torch.randn(IMAGES, CLASSES))
    writer.end_view(0.0)
    cache = TeacherCache(folder)
    batches = torch.randperm(IMAGES).split(BATCH)
    turn = iter(range(10**9))

    def answers() -> dict:
        pairs = [cache.answer(0, int(index)) for index in batches[next(turn) % len(batches)]]
        items = [dict(classes=classes, log_probs=log_probs) for classes, log_probs in pairs]
        return dict(answers=default_collate(items))

    return answers


def measure(args: argparse.Namespace) -> Iterator[Comparison]:
    """Compare steps of the same network."""
    live = classifier(distilled=True)
    live.distillation["cache"] = None
    vars(live)["teacher"] = Teacher(classifier(distilled=False), MEAN, STD, MEAN, STD)
    with tempfile.TemporaryDirectory() as folder:
        yield compare(
            f"one step of ResNet-18-D (half width), {PX} px, batch {BATCH}",
            {
                "without distillation": step_of(classifier(distilled=False)),
                "a live teacher of the same size": step_of(live),
                "stored answers": step_of(classifier(distilled=True), stored(Path(folder))),
            },
            rounds=args.rounds,
            work=BATCH,
            unit="image",
            targets={"stored answers": 1 / 1.05},
            clock=args.clock,
        )


if __name__ == "__main__":
    main(__doc__, measure, rounds=15)
