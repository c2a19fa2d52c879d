"""Count a classifier's floating-point operations per image and its parameters; needs no data."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_of_transfer.engine import cli
from bag_of_transfer.engine.arguments import check_config
from bag_of_transfer.engine.config import tool_flags
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.tasks import Phase

if TYPE_CHECKING:
    from mmengine.config import Config

EXAMPLE = "python tools/get_flops.py configs/classification/resnet50-d_efficient_8xb128_in1k.py"


def main(argv: Sequence[str] | None = None) -> int:
    """Print operations and parameters of backbone and head, at the size used in validation."""
    parser = cli.parser(__doc__, EXAMPLE)
    parser.add_argument("config", type=Path, help="classification config")
    parser.add_argument(
        "--shape",
        type=int,
        nargs=2,
        metavar=("H", "W"),
        help="height and width of the image in pixels [as in validation]",
    )
    tool_flags.add_options_flag(parser)
    parser.then_check(lambda args: check_config(args.config))
    args = parser.parse_args(argv)

    import torch
    from mmengine.registry import MODELS
    from torch.utils.flop_counter import FlopCounterMode

    import backbones  # noqa: F401  registers the networks
    from bag_of_transfer.engine.config.config_file import load_config
    from bag_of_transfer.engine.config.input_channels import in_channels_of

    cfg, _ = load_config(args.config, Phase.PRETRAINING, options=args.cfg_options)
    head, data = cfg.model.get("head") or {}, cfg.train_dataloader.dataset
    if head.get("num_classes") is None and data.get("classes"):  # the data are not read
        head["num_classes"] = len(data.classes)
    height, width = args.shape or _validation_px(cfg)
    channels = in_channels_of(cfg.model)
    with torch.device("meta"):  # shapes without values: no time, no memory
        model = MODELS.build(cfg.model).eval()
        image = torch.empty(1, channels, height, width)
    counter = FlopCounterMode(display=False)
    try:
        with counter, torch.no_grad():
            model(image)
    except RuntimeError as error:
        what = f"the network can't take {height} x {width} pixels ({error})"
        raise UserError(what, "--shape", "give more pixels") from error
    parts = (model, model.backbone)
    whole, backbone = (sum(p.numel() for p in part.parameters()) / 1e6 for part in parts)
    # torch counts a multiply-add as two operations, the paper (table 5) as one.
    print(f"input       {channels} x {height} x {width}")
    print(
        f"GFLOPs      {counter.get_total_flops() / 2e9:.2f} (multiply-adds; norms, ReLU left out)"
    )
    print(f"parameters  {whole:.2f} M, of the backbone {backbone:.2f} M")
    return 0


def _validation_px(cfg: "Config") -> tuple[int, int]:
    loader: Any = cfg.get("val_dataloader") or cfg.get("test_dataloader") or {}
    sizes = [
        step["size"] for step in loader.get("dataset", {}).get("pipeline", ()) if "size" in step
    ]
    if not sizes:
        what = "neither the validation's pipeline nor the test's states the size of images"
        raise UserError(what, cfg.filename, "give --shape")
    return (sizes[-1], sizes[-1]) if isinstance(sizes[-1], int) else tuple(sizes[-1])


if __name__ == "__main__":
    sys.exit(cli.run_tool(main))
