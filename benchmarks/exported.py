"""How long an exported network takes under onnxruntime, and the network itself under torch.

Command:   python benchmarks/exported.py --threads 2
The networks are those of the configs for own data, with random weights, and give equal answers:
they are compared first.  Both compute on the CPU; torch's is channels last, as predict.py has it
unless a run was channels first.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import onnxruntime
import torch
from mmengine.registry import MODELS

from bag_of_transfer.engine.config.config_file import read_config
from bag_of_transfer.engine.config.num_classes import fill_num_classes
from bag_of_transfer.engine.loop.channels_last import lay_out
from bag_of_transfer.engine.tasks import find_task
from bag_of_transfer.onnx_export.equality import INPUT, answer_of, as_rgb
from bag_of_transfer.onnx_export.file import export
from bag_of_transfer.prediction.network import Trained, scope_of
from rounds import Comparison, compare, main

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
CLASSES = tuple(f"class {number}" for number in range(20))
# The config, images, height, width.
WORK = (
    ("classification/resnet50-d_own-images.py", 8, 224, 224),
    ("detection/faster-rcnn_fpn_own-voc.py", 1, 600, 800),
    ("segmentation/fcn_d8_own-masks.py", 1, 256, 320),
    ("classification/resnet18-d_demo.py", 8, 64, 64),
    ("detection/faster-rcnn_fpn_demo.py", 4, 128, 128),
    ("segmentation/fcn_d8_demo.py", 4, 96, 96),
)


def random_network(config: Path) -> Trained:
    """Return a network in which no tensor is constant."""
    cfg = read_config(config)
    task = find_task(cfg)
    if task is None:
        raise ValueError(f"{config} is of no task")
    with scope_of(task.scope):
        fill_num_classes(cfg, CLASSES)
        network = MODELS.build(cfg.model).eval()
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            wide = (3 / tensor[0].numel()) ** 0.5 if tensor.ndim > 1 else 0.1
            tensor.uniform_(-wide, wide).add_(0 if tensor.ndim > 1 else 1)
    return Trained(network, CLASSES, cfg, task)


def run(args: argparse.Namespace) -> Iterator[Comparison]:
    """Yield a comparison per network."""
    torch.manual_seed(0)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    for name, count, height, width in WORK:
        network = random_network(CONFIGS / name)
        images = torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "network.onnx")
            export(network, list(images), file, {}, (height, width))
            session = onnxruntime.InferenceSession(file, options)
            size = file.stat().st_size / 1e6
        lay_out(network.network, channels_last=True)
        fed = {INPUT: as_rgb(network, images)}
        yield compare(
            f"{Path(name).stem}, {count} of {height} x {width}, {size:.0f} MB",
            {
                "torch": lambda network=network, images=images: answer_of(network, images) and None,
                "onnxruntime": lambda session=session, fed=fed: session.run(None, fed) and None,
            },
            rounds=args.rounds,
            work=count,
            unit="image",
            clock=args.clock,
        )


if __name__ == "__main__":
    main(__doc__, run)
