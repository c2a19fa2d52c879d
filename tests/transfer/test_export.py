import errno
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.config import Config
from safetensors.torch import load_file
from torch import nn

from bag_of_transfer.engine.errors import RefusedError, UserError
from bag_of_transfer.engine.weights.origin import origin_of
from bag_of_transfer.transfer.backbone_card import read_card
from bag_of_transfer.transfer.export import _metrics, export_backbone

Build, Write = Callable[..., nn.Module], Callable[..., Path]


def test_the_file_holds_the_backbones_tensors_under_mmdets_names(
    tmp_path: Path, small: Build, write_checkpoint: Write
) -> None:
    network = small().half()
    export_backbone(write_checkpoint(network), tmp_path / "a.safetensors")
    tensors = load_file(tmp_path / "a.safetensors")
    expected = {
        name: tensor.float()
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    assert len(tensors) == len(expected) == 275  # ResNet-50-D, docs/files.md
    assert {"stem.0.weight", "layer4.0.downsample.1.weight"} <= tensors.keys()
    for name, tensor in expected.items():
        assert tensors[name].dtype == torch.float32
        assert torch.equal(tensors[name], tensor)


def test_the_card_tells_network_images_and_training(
    tmp_path: Path, small: Build, write_checkpoint: Write
) -> None:
    checkpoint = write_checkpoint(small())
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    tricks = {"mixup": {"on": True, "value": 0.2, "evidence": "seen"}}
    (checkpoint.parent / "tricks.json").write_text(json.dumps(tricks))
    record = {"checkpoint_sha256": digest, "metrics": {"top1": 71.5}}
    (checkpoint.parent / "metrics.json").write_text(json.dumps(record))
    export_backbone(checkpoint, tmp_path / "a.safetensors")
    card = json.loads((tmp_path / "a.json").read_text())
    own_digest = hashlib.sha256((tmp_path / "a.safetensors").read_bytes()).hexdigest()
    assert card == {
        "schema": 1,
        "type": "ResNetD",
        "depth": 50,
        "variant": "D",
        "in_channels": 3,
        "stem_channels": 8,
        "base_channels": 8,
        "tricks": tricks,
        "dataset": "ImageFolder data/x",
        "metrics": {"top1": 71.5},
        "mean": [123.68, 116.779, 103.939],
        "std": [58.393, 57.12, 57.375],
        "channel_order": "RGB",
        "value_range": [0, 255],
        "seed": 3,
        "epochs": 7,
        "sha256": own_digest,
        "num_tensors": 275,
        "source": f"run/epoch_7.pth sha256 {digest}",
    }


def test_metrics_of_another_checkpoint_are_not_claimed(
    tmp_path: Path, small: Build, write_checkpoint: Write
) -> None:
    checkpoint = write_checkpoint(small(depth=18))
    record = {"checkpoint_sha256": "of the last epoch", "metrics": {"top1": 99.0}}
    (checkpoint.parent / "metrics.json").write_text(json.dumps(record))
    assert export_backbone(checkpoint, tmp_path / "a.safetensors").metrics == {}
    write_curve(checkpoint.parent)
    card = export_backbone(checkpoint, tmp_path / "b.safetensors")
    assert card.metrics == {"top1": 70.0}


def write_curve(run: Path) -> None:
    """Write the lines of epochs of 30 iterations, with all entries that are no metrics."""
    lines = [
        {
            **{"epoch": epoch, "iter": 30 * epoch, "lr": 0.1, "loss": 1.0},
            **{"img_per_s": 9.5, "seconds": 1.5, "skipped_steps": 3, "top1": 10.0 * epoch},
        }
        for epoch in (6, 7, 8)
    ]
    (run / "curve.jsonl").write_text("\n".join(map(json.dumps, lines)))


@pytest.mark.parametrize(
    ("place", "metrics"),
    [
        ({"epoch": 7, "iter": 210}, {"top1": 70.0}),
        ({"epoch": 7, "iter": 217}, {}),  # saved after a signal, within the eighth epoch
        ({"epoch": 0, "iter": 240}, {"top1": 80.0}),  # of a loop that counts iterations
        ({"epoch": 7}, {}),
    ],
)
def test_a_checkpoint_has_the_metrics_of_its_own_iteration(
    tmp_path: Path, place: dict[str, int], metrics: dict[str, float]
) -> None:
    write_curve(tmp_path)
    assert _metrics(tmp_path / "a.pth", "of no file", place.get("iter")) == metrics


@pytest.mark.parametrize(
    ("preprocessor", "order"),
    [
        ({"type": "ClassificationPreprocessor"}, "RGB"),
        ({"type": "mmengine.ClassificationPreprocessor"}, "RGB"),
        ({"type": "mypackage.ImgPreprocessor", "rgb_to_bgr": True}, "BGR"),
        ({"type": "ImgDataPreprocessor", "bgr_to_rgb": True}, "RGB"),
        ({"type": "ClsDataPreprocessor", "to_rgb": True}, "RGB"),
        ({"type": "ImgDataPreprocessor", "bgr_to_rgb": False}, "BGR"),
    ],
)
def test_the_channel_order_is_what_the_first_convolution_reads(
    backbone_file: Write, preprocessor: dict[str, Any], order: str
) -> None:
    means = {"mean": [1.0, 2.0, 3.0], "std": [4.0, 5.0, 6.0]}
    path = backbone_file(depth=18, preprocessor={**preprocessor, **means})
    assert read_card(path).channel_order == order


def test_an_order_of_channels_that_nothing_says_is_not_guessed(
    small: Build, write_checkpoint: Write, tmp_path: Path
) -> None:
    own = {"type": "mine.Erasing", "mean": [1.0, 2.0, 3.0], "std": [4.0, 5.0, 6.0]}
    path = write_checkpoint(small(depth=18), preprocessor=own)
    out = tmp_path / "a.safetensors"
    with pytest.raises(UserError, match=r"whether Erasing gives .* RGB or BGR: .*--channel-order"):
        export_backbone(path, out)
    assert not out.exists()
    for order in ("RGB", "BGR"):
        card = export_backbone(path, out, channel_order=order, force=True)
        assert card.channel_order == order


def test_the_order_of_channels_of_an_own_class_is_in_the_checkpoint(
    small: Build, write_checkpoint: Write, tmp_path: Path
) -> None:
    own = {"type": "Erasing", "mean": [1.0, 2.0, 3.0], "std": [4.0, 5.0, 6.0]}
    path, out = write_checkpoint(small(depth=18), preprocessor=own), tmp_path / "a.safetensors"
    checkpoint = torch.load(path)
    checkpoint["meta"]["channel_order"] = "RGB"
    torch.save(checkpoint, path)
    assert export_backbone(path, out).channel_order == "RGB"
    with pytest.raises(UserError, match="reads RGB: --channel-order BGR: leave"):
        export_backbone(path, out, channel_order="BGR", force=True)
    checkpoint["meta"]["channel_order"] = "GBR"
    torch.save(checkpoint, path)
    with pytest.raises(UserError, match="the card's channel_order is 'GBR'"):
        export_backbone(path, out, force=True)


@pytest.mark.parametrize("order", ["RGB", None])
def test_a_training_records_the_order_that_its_preprocessor_states(order: str | None) -> None:
    images = SimpleNamespace(channel_order=order) if order else SimpleNamespace()
    runner: Any = SimpleNamespace(cfg=Config(), train_dataloader=SimpleNamespace(dataset=[]))
    runner.model = nn.Module()
    runner.model.data_preprocessor = images
    assert origin_of(runner).get("channel_order") == order


@pytest.mark.parametrize("num", [1, 3, 4])
def test_a_single_mean_is_that_of_every_channel(
    small: Build, write_checkpoint: Write, tmp_path: Path, num: int
) -> None:
    images = {"type": "ClassificationPreprocessor", "mean": [115.0], "std": [57.0]}
    path = write_checkpoint(small(depth=18, in_channels=num), preprocessor=images)
    card = export_backbone(path, tmp_path / "a.safetensors")
    assert (card.mean, card.std) == ([115.0] * num, [57.0] * num)


def test_an_existing_file_is_kept_unless_forced(
    small: Build, write_checkpoint: Write, tmp_path: Path
) -> None:
    checkpoint, path = write_checkpoint(small(depth=18)), tmp_path / "backbone.safetensors"
    export_backbone(checkpoint, path)
    before = path.read_bytes()
    with pytest.raises(RefusedError, match="--force") as caught:
        export_backbone(checkpoint, path)
    assert caught.value.exit_code == 3
    path.unlink()  # a card alone is somebody's work, too
    with pytest.raises(RefusedError):
        export_backbone(checkpoint, path)
    export_backbone(checkpoint, path, force=True)
    assert path.read_bytes() == before  # same weights, same bytes


@pytest.mark.parametrize("num_written", [0, 2])  # nothing; the card, and its folder was synced
def test_a_full_disk_leaves_no_half_output_and_older_files_as_they_are(
    tmp_path: Path,
    small: Build,
    write_checkpoint: Write,
    monkeypatch: pytest.MonkeyPatch,
    num_written: int,
) -> None:
    old, new = (
        write_checkpoint(small(depth=depth), tmp_path / f"run/epoch_{depth}.pth")
        for depth in (18, 34)
    )
    export_backbone(old, tmp_path / "old" / "a.safetensors")
    before = {path: path.read_bytes() for path in (tmp_path / "old").iterdir()}
    real, calls = os.fsync, []

    def fill_up(handle: int) -> None:
        calls.append(handle)
        if len(calls) > num_written:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", fill_up)
    for folder in ("new", "old"):
        calls.clear()
        with pytest.raises(OSError, match="No space"):
            export_backbone(new, tmp_path / folder / "a.safetensors", force=True)
    assert list((tmp_path / "new").iterdir()) == []
    assert {path: path.read_bytes() for path in (tmp_path / "old").iterdir()} == before


def test_ema_takes_averages_and_refuses_where_there_are_none(
    tmp_path: Path, small: Build, write_checkpoint: Write
) -> None:
    network = small(depth=18)
    with pytest.raises(UserError, match="no averaged weights"):
        export_backbone(write_checkpoint(network), tmp_path / "a.safetensors", ema=True)
    # mmengine's EMAHook swaps on saving: state_dict holds the averages.
    checkpoint = write_checkpoint(network, ema_state_dict={"steps": torch.tensor(5)})
    export_backbone(checkpoint, tmp_path / "a.safetensors", ema=True)
    tensors = load_file(tmp_path / "a.safetensors")
    assert torch.equal(tensors["stem.0.weight"], network.state_dict()["stem.0.weight"])


def break_nan(checkpoint: dict[str, Any]) -> None:
    checkpoint["state_dict"]["backbone.layer1.0.conv1.weight"][0] = float("nan")


def break_model(checkpoint: dict[str, Any]) -> None:
    del checkpoint["meta"]["model_json"]


def break_prefix(checkpoint: dict[str, Any]) -> None:
    state = checkpoint["state_dict"]
    checkpoint["state_dict"] = {name.replace("backbone", "net"): state[name] for name in state}


def break_depth(checkpoint: dict[str, Any]) -> None:
    edit_model(checkpoint, lambda model: model["backbone"].update(depth=34))


def break_variant(checkpoint: dict[str, Any]) -> None:
    edit_model(checkpoint, lambda model: model["backbone"].update(type="ResNetC"))


def break_type(checkpoint: dict[str, Any]) -> None:
    edit_model(checkpoint, lambda model: model["backbone"].update(type="SwinTransformer"))


def break_mean(checkpoint: dict[str, Any]) -> None:
    edit_model(checkpoint, lambda model: model["data_preprocessor"].pop("mean"))


def edit_model(checkpoint: dict[str, Any], edit: Callable[[dict[str, Any]], Any]) -> None:
    model = json.loads(checkpoint["meta"]["model_json"])
    edit(model)
    checkpoint["meta"]["model_json"] = json.dumps(model)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (break_nan, "backbone.layer1.0.conv1.weight holds NaN or infinity"),
        (break_model, "doesn't describe its network"),
        (break_prefix, "no tensor's name begins with 'backbone.', the first is net.stem.0.weight"),
        (break_depth, r"tensors are those of ResNet-D-18 .* config says ResNetD-34"),
        (break_variant, r"tensors are those of ResNet-D-18 .* config says ResNetC-18"),
        (break_type, "SwinTransformer is neither a ResNet"),
        (break_mean, "nothing says how the images of the network are normalised"),
    ],
)
def test_a_checkpoint_that_would_give_a_wrong_file_is_refused(
    tmp_path: Path,
    small: Build,
    write_checkpoint: Write,
    harm: Callable[[dict[str, Any]], None],
    message: str,
) -> None:
    path = write_checkpoint(small(depth=18))
    checkpoint = torch.load(path)
    harm(checkpoint)
    torch.save(checkpoint, path)
    with pytest.raises(UserError, match=message):
        export_backbone(path, tmp_path / "out" / "a.safetensors")
    assert not (tmp_path / "out").exists()


def test_the_name_must_end_in_safetensors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"use a name that ends in \.safetensors"):
        export_backbone(tmp_path / "x.pth", tmp_path / "a.pth")


# ---- the card's own checks ----


@pytest.mark.parametrize("bad", ["flip", "truncate", "grow"])
def test_a_file_that_is_not_the_cards_is_called_damaged(backbone_file: Write, bad: str) -> None:
    path = backbone_file(depth=18)
    data = bytearray(path.read_bytes())
    if bad == "flip":
        data[-5] ^= 1
    path.write_bytes(data[:-9] if bad == "truncate" else data + b"x" if bad == "grow" else data)
    with pytest.raises(UserError, match="damaged, or not the card's file"):
        read_card(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema is 2, not 1"),
        ({"depth": 77}, "depth is 77"),
        ({"type": ["ResNetD"]}, "type is"),
        ({"std": [1.0, 0.0, 1.0]}, "std.1 is"),
        ({"mean": [1.0]}, "mean, std and in_channels disagree"),
        ({"channel_order": "GBR"}, "channel_order is 'GBR'"),
        ({"base_channels": None}, "base_channels is None"),
    ],
)
def test_a_card_with_nonsense_is_refused(
    backbone_file: Write, change: dict[str, Any], message: str
) -> None:
    path = backbone_file(depth=18)
    card = path.with_suffix(".json")
    card.write_text(json.dumps({**json.loads(card.read_text()), **change}))
    with pytest.raises(UserError, match=message):
        read_card(path)


def test_a_card_that_lacks_a_field_or_is_no_json_is_refused(backbone_file: Write) -> None:
    path = backbone_file(depth=18)
    card = path.with_suffix(".json")
    fields = json.loads(card.read_text())
    del fields["mean"], fields["epochs"]
    card.write_text(json.dumps(fields))
    with pytest.raises(UserError, match="the card lacks epochs, mean"):
        read_card(path)
    card.write_text("{")
    with pytest.raises(UserError, match=r"not JSON .*: the card is damaged: export or convert"):
        read_card(path)


def test_a_checkpoint_given_as_backbone_is_told_to_be_exported(
    small: Build, write_checkpoint: Write
) -> None:
    path = write_checkpoint(small(depth=18))
    with pytest.raises(UserError, match=r"no backbone file.*state_dict.*export_backbone\.py CKPT"):
        read_card(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such file of weights: .*gone\.safetensors"):
        read_card(tmp_path / "gone.safetensors")
