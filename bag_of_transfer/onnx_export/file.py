"""Write a trained network as an ONNX file that says what it is, once it has passed its check."""

import hashlib
import json
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from bag_of_transfer.engine.atomic import replacing
from bag_of_transfer.engine.config.input_channels import in_channels_of
from bag_of_transfer.engine.errors import UserError, mistake_in, without_colons
from bag_of_transfer.engine.file_hash import sha256_of
from bag_of_transfer.engine.run_files import follow_pointer
from bag_of_transfer.onnx_export.equality import INPUT, NO_SUCH_SIZE, Checked, as_rgb, check
from bag_of_transfer.onnx_export.kinds import kind_of
from bag_of_transfer.onnx_export.pictures import batches_of, resized
from bag_of_transfer.prediction.network import Trained
from bag_of_transfer.prediction.pipeline import pipeline_of, without_truth

__all__ = ["OPSET", "describe", "export"]

# 17: from 16 on, RoIAlign can shift by half a pixel as mmdet's does.
OPSET = 17
ORDERS = {1: "grey", 3: "RGB", 4: "RGBA"}  # of channels, by their number
UNSUPPORTED = re.compile(r"[Ee]xporting the operator '([^']+)'|operator '([^']+)'")


def describe(trained: Trained, checkpoint: Path, size: tuple[int, int] | None) -> dict[str, str]:
    """Return what the file says about itself, as texts; lists and the pipeline as JSON.

    Args:
        trained: The network, before anything changed its config.
        checkpoint: Its file.
        size: Height and width of all images; None: any.
    """
    height, width = size or ("height", "width")
    order = ORDERS[in_channels_of(trained.cfg.model)]
    outputs = kind_of(trained).outputs
    return {
        "task": trained.task.name,
        "classes": json.dumps(trained.classes, ensure_ascii=False),
        "input": f"{INPUT}: uint8 batch x channels x {height} x {width}, {order}, 0 to 255; "
        "normalised inside",
        "outputs": "; ".join(f"{name}: {output.means}" for name, output in outputs.items()),
        "pipeline": json.dumps(without_truth(pipeline_of(trained.cfg)), default=str),
        "config_sha256": hashlib.sha256(trained.cfg.pretty_text.encode()).hexdigest(),
        "checkpoint_sha256": sha256_of(follow_pointer(checkpoint)),
    }


def export(
    trained: Trained,
    pictures: Sequence[Tensor],
    out: Path,
    facts: dict[str, str],
    size: tuple[int, int] | None = None,
) -> list[Checked]:
    """Write the file if the network in it answers as the trained one does.

    Args:
        trained: The network.
        pictures: Images C H W as its pipeline gives them; the check compares the answers for them.
        out: The file.
        facts: From :func:`describe`.
        size: Height and width of all images; None: any.

    Returns:
        What was compared, for each batch.

    Raises:
        UserError: If an operator of the network is unknown to ONNX, or the network in the file
            is right for the images' own size only.
        UnequalError: If it answers otherwise.
    """
    if size is not None:
        pictures = [resized(picture, size) for picture in pictures]
    batches = batches_of(pictures)
    with replacing(out) as aside:
        module = kind_of(trained).build(trained)
        _write(module, _example(trained, batches), aside, trained, size is None)
        _add_facts(aside, facts)
        return check(aside, trained, batches, out, size is None)


def _example(trained: Trained, batches: Sequence[Tensor]) -> Tensor:
    """Return two images: a batch of one could be written down as a constant."""
    first = torch.from_numpy(as_rgb(trained, batches[0]).copy())
    return torch.cat([first, first])[:2]


def _write(
    module: nn.Module, example: Tensor, path: Path, trained: Trained, any_size: bool
) -> None:
    outputs = kind_of(trained).outputs
    moving = {0: "batch", 2: "height", 3: "width"} if any_size else {0: "batch"}
    kept = {"batch", "boxes", *moving.values()}
    axes = {
        name: {place: axis for place, axis in output.axes.items() if axis in kept}
        for name, output in outputs.items()
    }
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # That it is the older exporter (docs/export.md says why), and that a trace keeps
            # what Python decides on sizes, which the check at other sizes would find.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module.eval(),
                (example,),
                str(path),
                dynamo=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=list(outputs),
                dynamic_axes={INPUT: moving, **axes},
            )
    except (torch.onnx.OnnxExporterError, *NO_SUCH_SIZE) as error:
        raise _operator_mistake(error, type(trained.network).__name__) from error


def _operator_mistake(error: Exception, network: str) -> UserError:
    mistake = mistake_in(error)
    if mistake:
        return mistake
    text = str(error).strip()
    found = UNSUPPORTED.search(text)
    operator = next((name for name in found.groups() if name), "") if found else ""
    reason = without_colons(text.split("\n")[0])[:200] or type(error).__name__
    named = f"the operator {operator.replace('::', '.')}" if operator else f"a step ({reason})"
    mend = f"choose a network without it, or --size HxW if it depends on the size ({reason})"
    return UserError(f"{named} can't be written as ONNX, opset {OPSET}", network, mend)


def _add_facts(path: Path, facts: dict[str, str]) -> None:
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, facts)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
