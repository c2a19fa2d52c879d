"""tools/convert_weights.py as a user calls it: exit codes, messages, nothing half-written."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from backbones import ResNetD
from bag_of_transfer.transfer.backbone_card import read_card
from bag_of_transfer.transfer.backbone_file import load_backbone
from bag_of_transfer.transfer.convert.feature_check import fill
from bag_of_transfer.transfer.tensor_file import read_tensors

Tool = Callable[..., int]


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A ResNet-18-D named as in timm, 8 channels wide."""
    state = fill(ResNetD(18, stem_channels=8, base_channels=8).state_dict())
    renamed = {
        name.replace("stem.7.", "bn1.").replace("stem.", "conv1."): tensor
        for name, tensor in state.items()
    }
    save_file({**renamed, "fc.weight": torch.ones(5, 64)}, tmp_path / "timm.safetensors")
    return tmp_path / "timm.safetensors"


def test_a_converted_file_is_a_backbone_file_like_any_other(
    tool: Tool, theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "deep" / "out.safetensors"
    assert tool("convert_weights", theirs, out) == 0
    said = capsys.readouterr().out
    assert "ResNetD-18: 110 tensors to " in said
    assert "used: 110" in said
    assert "left out: 1 of the classifier: fc.weight" in said
    assert read_card(out).num_tensors == len(load_file(out)) == 110
    assert tool("inspect_backbone", out) == 0
    assert "110 of 110 tensors" in load_backbone(ResNetD(18, stem_channels=8, base_channels=8), out)


def test_there_and_back_through_the_tool(tool: Tool, theirs: Path, tmp_path: Path) -> None:
    assert tool("convert_weights", theirs, tmp_path / "ours.safetensors") == 0
    back = tmp_path / "back.safetensors"
    assert tool("convert_weights", tmp_path / "ours.safetensors", back, "--to", "timm") == 0
    before = read_tensors(theirs).tensors
    after = load_file(back)
    assert set(before) - set(after) == {
        "fc.weight",
        *(name for name in before if name.endswith("num_batches_tracked")),
    }
    assert all(torch.equal(after[name], before[name]) for name in after)


def test_an_existing_file_is_exit_code_3(
    tool: Tool, theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "out.safetensors"
    out.write_text("mine")
    assert tool("convert_weights", theirs, out) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"error: the file exists: {out}: add --force, or choose another name"
    assert out.read_text() == "mine"
    assert tool("convert_weights", theirs, out, "--force") == 0
    assert read_card(out).depth == 18


class _Evil:
    def __reduce__(self):
        return print, ("ran",)


def bad_file(kind: str, good: Path, folder: Path) -> Path:
    path = folder / f"bad.{kind.rpartition('.')[2]}"
    if kind == "code.pth":
        torch.save({"state_dict": {}, "x": _Evil()}, path)
    elif kind == "code.pkl":
        path.write_bytes(pickle.dumps({"model": _Evil()}))
    elif kind == "none.pth":
        torch.save({"epoch": 3}, path)
    elif kind == "none.safetensors":
        save_file({"a.weight": torch.ones(2)}, path)
    elif kind == "part.safetensors":
        tensors = load_file(good)
        del tensors["layer2.0.bn1.running_mean"]
        save_file(tensors, path)
    elif kind == "cut.safetensors":
        path.write_bytes(good.read_bytes()[:-99])
    elif kind == "cut.params":
        path.write_bytes(b"\x12\x01" + bytes(14) + b"\x05" + bytes(7))
    elif kind == "text.pth":
        path.write_text("<html>not found</html>")
    return path


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("code.pth", "refused, because reading the file would run code"),
        ("code.pkl", "refused, because reading the file would run code"),
        ("none.pth", "no weights in the file"),
        ("none.safetensors", "the file holds no ResNet"),
        ("part.safetensors", "1 of 110 tensors do not fit (1 missing, layer2.0.bn1.running_mean)"),
        ("cut.safetensors", "damaged, truncated or not a safetensors file"),
        ("cut.params", "damaged, truncated or not an MXNet .params file"),
        ("text.pth", "a web page, not the file itself"),
        ("gone.pth", "no such file of weights"),
    ],
)
def test_bad_input_is_exit_code_2_and_one_line(
    tool: Tool, theirs: Path, tmp_path: Path, kind: str, said: str, capsys: pytest.CaptureFixture
) -> None:
    path = bad_file(kind, theirs, tmp_path)
    assert tool("convert_weights", path, tmp_path / "new" / "out.safetensors") == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith(f"error: {said}")
    assert len(line.split(": ")) == 4  # error, what, where, how to mend
    assert str(path) in line
    assert "ran" not in captured.out
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "flags",
    [
        ["--layout", "keras"],
        ["--to", "paddle"],
        ["--to", "timm", "--layout", "timm"],
        ["--to", "timm", "--timm-name", "resnet18d"],
        ["--layout", "gluon", "--timm-name", "resnet18d"],
    ],
)
def test_unknown_or_clashing_flags_are_exit_code_2(
    tool: Tool, theirs: Path, flags: list[str], capsys: pytest.CaptureFixture
) -> None:
    try:
        code = tool("convert_weights", theirs, theirs.with_name("o.safetensors"), *flags)
    except SystemExit as stopped:  # argparse's own
        code = stopped.code
    assert code == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not theirs.with_name("o.safetensors").exists()


def test_a_network_of_timm_is_named_by_a_flag(
    tool: Tool, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    timm = pytest.importorskip("timm")
    path, out = tmp_path / "theirs.pth", tmp_path / "o.safetensors"
    torch.save(timm.create_model("mobilenetv1_100").state_dict(), path)
    assert tool("convert_weights", path, out) == 2
    assert "or the name of a network of timm by --timm-name NAME" in capsys.readouterr().err
    assert not out.exists()
    assert tool("convert_weights", path, out, "--timm-name", "mobilenetv1_100") == 0
    assert "TimmNetwork mobilenetv1_100: 135 tensors to " in capsys.readouterr().out
    assert read_card(out).options == {}


def test_the_name_must_end_in_safetensors(
    tool: Tool, theirs: Path, capsys: pytest.CaptureFixture
) -> None:
    assert tool("convert_weights", theirs, theirs.with_name("o.pth")) == 2
    assert "use a name that ends in .safetensors" in capsys.readouterr().err


def test_help_ends_in_an_example(tool: Tool, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stopped:
        tool("convert_weights", "-h")
    assert stopped.value.code == 0
    assert "example:\n  python tools/convert_weights.py " in capsys.readouterr().out


# ---- several networks in a file ----

PAIRS = [
    ("module.encoder_q.", "module.encoder_k."),
    ("student.backbone.", "teacher.backbone."),
    ("online_network.net.", "target_network.net."),
    ("base_encoder.", "momentum_encoder."),
    ("", "momentum."),
    ("module.backbone.", "module.backbone.ema."),
]


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(pair, id=pair[1], marks=[pytest.mark.slow] if number in (1, 2, 3, 4) else [])
        for number, pair in enumerate(PAIRS)
    ],
)
def test_of_several_networks_none_is_chosen_but_by_prefix(
    tool: Tool, theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture, pair: tuple[str, str]
) -> None:
    plain = load_file(theirs)
    both = {f"{pair[0]}{name}": tensor for name, tensor in plain.items()}
    both |= {f"{pair[1]}{name}": tensor * 1.25 for name, tensor in plain.items()}
    src, out = tmp_path / "both.pth", tmp_path / "out.safetensors"
    for names in (sorted(both), sorted(both, reverse=True)):
        torch.save({"state_dict": {name: both[name] for name in names}, "epoch": 1}, src)
        assert tool("convert_weights", src, out) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: the file holds 2 networks, whose names begin with ")
        assert all(repr(prefix) in line for prefix in pair)
        assert "--prefix" in line
        assert not out.exists()
    for prefix, factor in zip(pair, (1, 1.25), strict=True):
        assert tool("convert_weights", src, out, "--prefix", prefix.rstrip("."), "--force") == 0
        assert "of another network" in capsys.readouterr().out
        stem = load_file(out)["stem.0.weight"]
        assert torch.equal(stem, plain["conv1.0.weight"] * factor)
    assert tool("convert_weights", src, out, "--prefix", "nose", "--force") == 2
    assert "give --prefix one of" in capsys.readouterr().err


def test_what_was_taken_and_what_was_not_read_is_printed(
    tool: Tool, theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    plain = {f"module.{name}": tensor for name, tensor in load_file(theirs).items()}
    src, out = tmp_path / "ref.pth", tmp_path / "out.safetensors"
    torch.save({"net": plain, "model_ema": plain | {"n": torch.ones(1)}, "head": {"w": 1}}, src)
    assert tool("convert_weights", src, out) == 0
    said = capsys.readouterr().out
    assert f"weights: 'net', {len(plain)} tensors; not read: 'model_ema' ({len(plain) + 1})" in said
    assert "the names begin with 'module.'" in said
    torch.save({"student": plain, "teacher": dict(plain)}, src)
    assert tool("convert_weights", src, out, "--force") == 2
    assert "weights of several networks ('student' with" in capsys.readouterr().err
    assert tool("convert_weights", src, out, "--force", "--key", "teacher") == 0
    assert "weights: 'teacher'" in capsys.readouterr().out


@pytest.mark.parametrize("flag", ["--key", "--prefix"])
def test_key_and_prefix_are_for_files_of_others(
    tool: Tool, theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture, flag: str
) -> None:
    assert (
        tool("convert_weights", theirs, tmp_path / "a.safetensors", "--to", "timm", flag, "x") == 2
    )
    assert f": {flag}: " in capsys.readouterr().err
