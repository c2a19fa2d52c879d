"""Where weights lie in a checkpoint, and what a file is that is none."""

import gzip
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.runner import CheckpointLoader
from safetensors.torch import save_file
from torch import nn

from bag_of_transfer.engine.config.process_setup import prepare_process
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.weights.checkpoints import load_checkpoint, state_dict_of
from bag_of_transfer.engine.weights.weight_containers import find_weights

NET = nn.Linear(3, 2).state_dict()
OTHER = nn.Linear(3, 2).state_dict()
BESIDE: dict[str, Any] = {
    "epoch": 3,
    "optimizer": {"state": {0: {"exp_avg": torch.ones(2, 2)}}, "param_groups": [{"lr": 0.1}]},
    "rng_state": {"cpu": torch.get_rng_state()},
    "criterion": {"prototypes": torch.ones(5, 3)},
    "scaler": {"scale": torch.tensor(2.0)},
    "class_weights": torch.ones(2, 2),
}


@pytest.mark.parametrize(
    "path", ["state_dict", "model", "module", "net", "weights", "trained.generator", "models.0", ""]
)
def test_the_only_dict_of_weights_is_found_whatever_its_name(path: str) -> None:
    contents: Any = NET
    for key in reversed(path.split(".") if path else []):
        contents = [contents] if key == "0" else {key: contents}
    found = find_weights({**BESIDE, **contents}, "file")
    assert (found.container, found.tensors.keys() >= NET.keys()) == (path, True)
    assert found.unread == {}


@pytest.mark.parametrize(
    ("plain", "average"),
    [
        *(("state_dict", name) for name in ("ema_state_dict", "state_dict_ema", "averaged")),
        *(("model", "model_ema"), ("params", "params_ema"), ("net", "ema.module")),
        *(("model_state_dict", "swa_model"), ("weights", "EMA"), ("model", "shadow")),
    ],
)
def test_plain_weights_go_before_averages_and_these_are_told(plain: str, average: str) -> None:
    first, _, second = average.partition(".")
    averages = {first: {second: OTHER} if second else OTHER}
    for contents in ({plain: NET, **averages}, {**averages, plain: NET}):
        found = find_weights({**contents, "epoch": 1}, "file")
        assert found.container == plain
        assert f"not read: '{average}' (2)" in str(found)
    assert find_weights(averages, "file").container == average


@pytest.mark.parametrize(
    "keys",
    [
        ("student", "teacher"),
        ("state_dict", "model"),
        ("model", "teacher"),
        ("generator", "discriminator", "generator_ema"),
        ("ema_a", "ema_b"),
    ],
)
def test_several_are_refused_in_any_order_and_named_by_key(keys: tuple[str, ...]) -> None:
    said = set()
    for seed in range(4):
        order = random.Random(seed).sample(keys, len(keys))
        contents = {key: {name: one.clone() for name, one in NET.items()} for key in order}
        with pytest.raises(UserError, match="weights of several networks") as caught:
            find_weights(contents, "file")
        said.add(str(caught.value))
        assert find_weights(contents, "file", keys[1]).container == keys[1]
    assert len(said) == 1
    assert all(repr(key) in said.pop() for key in keys[:1])
    with pytest.raises(UserError, match=r"no dict of tensors under the key 'nose': .*the keys are"):
        find_weights(contents, "file", "nose")


def test_one_dict_under_two_keys_is_no_second_network(tmp_path: Path) -> None:
    torch.save({"state_dict": NET, "model": NET}, tmp_path / "a.pth")
    assert state_dict_of(load_checkpoint(tmp_path / "a.pth")).keys() == NET.keys()
    assert find_weights({"model_ema": NET, "model": NET}, "file").container == "model"


def test_two_dicts_of_one_dotted_name_are_no_silent_choice() -> None:
    for contents in ({"a.b": NET, "a": {"b": OTHER}}, {".": NET, "w": torch.ones(2, 2)}):
        with pytest.raises(UserError, match="two dicts of tensors are called"):
            find_weights(contents, "file", "a.b")


@pytest.mark.parametrize(
    ("tensor", "told"),
    [
        (torch.ones(2, 2, device="meta"), "has no values"),
        (torch.ones(2, 2).to_sparse(), "not a dense tensor"),
        (torch.ones(1).expand(10**6, 10**6), "states 1000000000000 values and stores 1"),
    ],
)
def test_a_tensor_without_plain_values_is_named(tensor: torch.Tensor, told: str) -> None:
    with pytest.raises(UserError, match=rf"^a\.weight .*{told}.*: file: write the file again"):
        find_weights({"state_dict": {"a.weight": tensor, "b.weight": torch.ones(2, 2)}}, "file")
    found = find_weights({"model": NET, "beside": {"a": tensor}}, "file")
    assert found.container == "model"


def test_arrays_of_numpy_are_weights_too_in_any_byte_order() -> None:
    arrays = {"w.weight": np.arange(6.0).reshape(2, 3).astype(">f4"), "note": np.array(["x"])}
    beside = {"loss": np.ones(2, np.longdouble)}
    found = find_weights({"model": arrays, "beside": beside}, "file")
    assert found.tensors.keys() == {"w.weight"}
    assert found.tensors["w.weight"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_mmengine_is_given_the_weights_where_it_looks_for_them(tmp_path: Path) -> None:
    torch.save({"net": NET, "epoch": 1}, tmp_path / "a.pth")
    prepare_process()
    loaded = CheckpointLoader.load_checkpoint(str(tmp_path / "a.pth"))
    assert loaded["state_dict"].keys() == NET.keys()


# ---- files of another kind ----


def zipped(*names: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, "x")

    return write


def pickled(contents: Any) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(pickle.dumps(contents)) and None


def named(module: str, name: str) -> bytes:
    return f"\x80\x02c{module}\n{name}\n)\x81.".encode("latin1")


ARRAYS = {"conv.weight": np.ones((2, 2), "f4")}
KINDS: list[tuple[str, Callable[[Path], Any] | bytes, str]] = [
    ("a.pdparams", pickled({**ARRAYS, "bn._mean": np.ones(2)}), "PaddlePaddle"),
    ("b.pdparams", pickled({**ARRAYS, "StructuredToParameterName@@": {}}), "PaddlePaddle"),
    ("a.pth", pickled({"model": ARRAYS}), "detectron2"),
    ("b.pth", pickled([1, 2]), "a pickle of a list"),
    ("c.pth", lambda path: torch.save(nn.Linear(2, 2), path), r"a whole network.*Linear"),
    ("d.pth", named("torch.distributed.checkpoint.metadata", "Metadata"), "sharded"),
    ("a.pt", lambda path: torch.jit.script(nn.Linear(2, 2)).save(str(path)), "TorchScript"),
    ("e.pth", lambda path: save_file(NET, path), "a safetensors file"),
    ("f.pth", lambda path: np.savez(path.open("wb"), a=1), r"\.npz"),
    ("g.pth", lambda path: np.save(path.open("wb"), np.ones(2)), r"\.npy"),
    ("h.pth", zipped("config.json", "model.weights.h5"), "Keras"),
    ("i.pth", zipped("readme.txt"), r"zip archive \(first entry readme"),
    ("j.pth", b"\x89HDF\r\n\x1a\n" + bytes(50), "HDF5"),
    ("k.onnx", b"\x08\x08\x12\x07pytorch\x1a\x05", "ONNX"),
    ("l.msgpack", b"\x81\xa6params\x81\xa5Dense", "Flax"),
    ("m.gguf", b"GGUF\x03\0\0\0", "GGUF"),
    ("n.params", b"\x12\x01\0\0\0\0\0\0" + bytes(30), "MXNet"),
    ("o.pth", gzip.compress(b"x"), "gzip"),
    ("p.pth", bytes(257) + b"ustar\0" + bytes(300), "tar archive"),
    ("q.pth", b"<!DOCTYPE html>\n<html>Sign in", "web page"),
    ("r.pth", b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS"),
    ("s.json", b'{"metadata": {}, "weight_map": {}}', "index of a sharded"),
    ("pytorch_model-00001-of-00002.bin", lambda path: torch.save(NET, path), "part 1 of 2"),
    ("zero_pp_rank_0_mp_rank_00_model_states.pt", lambda path: torch.save(NET, path), "DeepSpeed"),
    ("mp_rank_01_model_states.pt", lambda path: torch.save(NET, path), "DeepSpeed"),
    ("__0_0.distcp", b"PK", "sharded"),
]


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("number", range(len(KINDS)), ids=[f"{n}-{k}" for n, _, k in KINDS])
def test_an_intact_file_of_another_kind_is_called_by_its_kind(tmp_path: Path, number: int) -> None:
    name, content, kind = KINDS[number]
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)
    with pytest.raises(UserError, match=kind) as caught:
        load_checkpoint(path)
    assert "damaged" not in str(caught.value)
    assert str(caught.value).count(": ") == 2


def test_a_folder_is_called_by_its_kind(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a folder"):
        load_checkpoint(tmp_path)
    (tmp_path / "last_checkpoint").touch()
    with pytest.raises(UserError, match=r"work dir of a run: .*: give last_checkpoint in it"):
        load_checkpoint(tmp_path)
    (tmp_path / "__0_0.distcp").touch()
    with pytest.raises(UserError, match="sharded"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("contents", [{"state_dict": NET}, NET])
@pytest.mark.parametrize("protocol", [0, 1, 4, 5])
def test_another_pickle_protocol_is_no_damage(tmp_path: Path, contents: Any, protocol: int) -> None:
    torch.save(contents, tmp_path / "a.pth", pickle_protocol=protocol)
    with pytest.raises(UserError, match="pickle protocol"):
        load_checkpoint(tmp_path / "a.pth")


def test_an_archive_that_unpacks_to_far_more_than_its_size_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}.")
        with archive.open("a/data/0", "w") as entry:
            for _ in range(300):
                entry.write(bytes(1 << 20))
    with pytest.raises(UserError, match="a compressed archive of 3145728"):
        load_checkpoint(tmp_path / "a.pth")


def test_the_only_part_of_one_is_whole(tmp_path: Path) -> None:
    torch.save(NET, tmp_path / "pytorch_model-00001-of-00001.bin")
    assert load_checkpoint(tmp_path / "pytorch_model-00001-of-00001.bin").keys() == NET.keys()
