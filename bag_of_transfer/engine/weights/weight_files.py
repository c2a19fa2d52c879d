"""Recognise by its contents what a file is that is not a checkpoint of PyTorch, and say what to do.

There is one table of signatures; then archives, pickles and texts are looked into.
"""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.run_files import LAST_CHECKPOINT
from bag_of_transfer.engine.weights.pickle_outline import (
    PICKLE,
    TORCH_LEGACY,
    Named,
    named_in,
    read_outline,
)

__all__ = ["Kind", "is_safetensors", "kind_of", "refuse_shard", "refuse_swollen"]

HEAD_BYTES = 1024
MAX_SWOLLEN = 2**28  # bytes
MAX_PICKLE = 2**20  # bytes of a compressed pickle


class Kind(NamedTuple):
    """A kind of file, in words, and what its owner can do with it."""

    name: str
    mend: str


AS_TENSORS = "read it with its own library and write torch.save(TENSORS_BY_NAME, 'NEW.pth')"
UNPACK = "unpack it and give the file inside"
AGAIN = "download it again, and check what you get"
WEIGHTS = "give a .pth or .safetensors of weights"
PADDLE = Kind(
    "weights of PaddlePaddle",
    "its names and layouts are not converted here; give the weights of timm, torchvision, "
    "mmpretrain or GluonCV",
)
ARRAYS = Kind(
    "a pickle of NumPy arrays, such as detectron2's",
    "convert it first, tools/convert_weights.py FILE OUT.safetensors",
)
MERGE = "merge the parts first, python -m torch.distributed.checkpoint.format_utils dcp_to_torch"
SHARDED = Kind("a part of a sharded checkpoint (FSDP, torch.distributed.checkpoint)", MERGE)
DEEPSPEED = Kind(
    "a part of a DeepSpeed checkpoint", "merge the parts first, python zero_to_fp32.py DIR OUT"
)

# Offset, bytes, kind.
SIGNATURES: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"\x89HDF\r\n\x1a\n", Kind("an HDF5 file (Keras, TensorFlow, MATLAB)", AS_TENSORS)),
    (0, b"\x93NUMPY", Kind("a single NumPy array (.npy)", AS_TENSORS)),
    (0, b"GGUF", Kind("a GGUF file of llama.cpp", AS_TENSORS)),
    (4, b"TFL3", Kind("a TensorFlow Lite network", AS_TENSORS)),
    (0, b"\x12\x01\0\0\0\0\0\0", Kind("weights of MXNet (.params)", ARRAYS.mend)),
    (0, b"MATLAB 5.0", Kind("a MATLAB file (.mat)", AS_TENSORS)),
    (0, b"SQLite format 3\0", Kind("an SQLite database", WEIGHTS)),
    (0, b"\x1f\x8b", Kind("a gzip archive", UNPACK)),
    (0, b"BZh", Kind("a bzip2 archive", UNPACK)),
    (0, b"\xfd7zXZ\0", Kind("an xz archive", UNPACK)),
    (0, b"\x28\xb5\x2f\xfd", Kind("a zstd archive", UNPACK)),
    (0, b"7z\xbc\xaf\x27\x1c", Kind("a 7z archive", UNPACK)),
    (0, b"Rar!\x1a\x07", Kind("a RAR archive", UNPACK)),
    (257, b"ustar", Kind("a tar archive", UNPACK)),
    (0, b"%PDF", Kind("a PDF document", AGAIN)),
    (0, b"\xff\xd8\xff", Kind("a JPEG picture", WEIGHTS)),
    (0, b"\x89PNG\r\n\x1a\n", Kind("a PNG picture", WEIGHTS)),
)
# A protobuf's first field: ONNX's ir_version, then its opset or its producer's name.
ONNX = re.compile(rb"\x08[\x01-\x20](\x12[\x01-\x40][ -~]|\x3a|\x42)")
# The first key of a msgpack map: flax writes {"params": ...} or {"step": ...}.
FLAX = re.compile(rb"[\x81-\x8f][\xa1-\xbf][a-z_]{4,}")

# Kinds of zip archives, by a pattern that one of the names inside matches.
ARCHIVES: tuple[tuple[str, Kind], ...] = (
    (
        r"(^|/)constants\.pkl$",
        Kind(
            "a TorchScript archive, which is code and weights",
            "in Python, torch.save(torch.jit.load('FILE').state_dict(), 'NEW.pth')",
        ),
    ),
    (r"\.data/extern_modules$", Kind("a torch.package archive, which holds code", AS_TENSORS)),
    (r"(^|/)archive_format$", Kind("a program of torch.export (.pt2)", AS_TENSORS)),
    (r"\.npy$", Kind("an archive of NumPy arrays (.npz)", AS_TENSORS)),
    (r"\.weights\.h5$", Kind("a Keras network (.keras)", AS_TENSORS)),
)
TEXTS: tuple[tuple[str, Kind], ...] = (
    (
        r"version https://git-lfs",
        Kind("a pointer of Git LFS, not the file itself", "fetch it with git lfs pull"),
    ),
    (
        r"(?is)\s*(<!doctype html|<html|<head|<\?xml)",
        Kind("a web page, not the file itself", f"{AGAIN}, the address may ask for a login"),
    ),
    (
        r'(?s)\s*\{.*"weight_map"',
        Kind("the index of a sharded checkpoint", "merge its parts into one file first"),
    ),
)
SHARD = re.compile(r"-0*(\d+)-of-0*(\d+)\.\w+$")
DEEPSPEED_NAMES = re.compile(r"zero_pp_rank_\d+.*|.*_optim_states\.pt|mp_rank_0*[1-9]\d*_.*")
TORCH_SHARDS = ("torch.distributed", "torch.distributed._shard", "torch.distributed.tensor")


def kind_of(path: Path) -> Kind | None:
    """Return what a file or folder is; None if it may be a damaged checkpoint."""
    if path.is_dir():
        return _folder(path)
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    for offset, begin, kind in SIGNATURES:
        if head[offset:].startswith(begin):
            return kind
    if is_safetensors(path):
        return Kind("a safetensors file", "name it .safetensors")
    if head.startswith(b"PK"):
        return _archive(path) or _pickle(path)
    if head.startswith(b"\x80"):
        return _pickle(path)
    if ONNX.match(head):
        return Kind("an ONNX network", AS_TENSORS)
    if is_text(head):
        return _text(path, head.decode("utf-8", errors="ignore"))
    return Kind("weights of Flax (msgpack)", AS_TENSORS) if FLAX.match(head) else None


def is_safetensors(path: Path) -> bool:
    """Return whether a file begins as safetensors do: the length of a JSON text, then the text."""
    with path.open("rb") as file:
        head = file.read(9)
    size = int.from_bytes(head[:8], "little")
    return head[8:] == b"{" and 2 <= size <= path.stat().st_size - 8


def refuse_shard(path: Path) -> None:
    """Check that a file is not one part of several, with only some of the weights.

    Raises:
        UserError: If the file's name, as libraries write it, says that it is a part.
    """
    part = SHARD.search(path.name)
    kind = None
    if part and int(part[2]) > 1:
        kind = Kind(f"part {part[1]} of {part[2]} of a sharded checkpoint", "merge them first")
    elif DEEPSPEED_NAMES.fullmatch(path.name):
        kind = DEEPSPEED
    elif path.suffix == ".distcp":
        kind = SHARDED
    if kind:
        raise UserError(kind.name, path, kind.mend)


def refuse_swollen(path: Path) -> None:
    """Check that an archive does not unpack to far more than its size; torch.save compresses none.

    Raises:
        UserError: If it does.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    pickles = [entry for entry in entries if entry.filename.endswith(PICKLE)]
    if len({entry.filename for entry in pickles}) < len(pickles):
        what = f"the archive holds {pickles[0].filename} twice"
        raise UserError(what, path, "use another file")
    stated = sum(entry.file_size for entry in entries)
    # An opcode of one byte makes an object of fifty.
    is_bomb = any(each.file_size > 4 * each.compress_size + MAX_PICKLE for each in pickles)
    if is_bomb or stated > 4 * path.stat().st_size + MAX_SWOLLEN:
        what = f"a compressed archive of {stated} bytes"
        raise UserError(what, path, "unpack it, and pack it without compression")


def is_text(head: bytes) -> bool:
    """Return whether a file's first bytes are text; its last letter may be cut off."""
    # A pickle begins with 0x80, which no text does; a zip holds zeros.
    if not head or b"\0" in head:
        return False
    for cut in range(4):
        try:
            head[: len(head) - cut].decode("utf-8")
        except UnicodeDecodeError:
            continue
        return True
    return False


def _text(path: Path, head: str) -> Kind:
    kind = next((kind for pattern, kind in TEXTS if re.match(pattern, head)), None)
    if kind is None and path.name.endswith(".index.json"):
        kind = TEXTS[-1][1]
    return kind or Kind("a text file, not a checkpoint", "give a .pth, or a backbone file")


def _folder(path: Path) -> Kind:
    names = [entry.name for entry in path.iterdir()]
    tests: tuple[tuple[Callable[[str], object], Kind], ...] = (
        (lambda name: name.endswith(".distcp"), SHARDED._replace(name="a sharded checkpoint")),
        (re.compile(r".*mp_rank_\d+").match, DEEPSPEED._replace(name="a DeepSpeed checkpoint")),
        ("saved_model.pb".__eq__, Kind("a SavedModel of TensorFlow", AS_TENSORS)),
        (LAST_CHECKPOINT.__eq__, Kind("the work dir of a run", f"give {LAST_CHECKPOINT} in it")),
        ("data.pkl".__eq__, Kind("an unpacked checkpoint", "give the .pth itself")),
    )
    kinds = (kind for test, kind in tests if any(map(test, names)))
    return next(kinds, Kind("a folder, not a file", WEIGHTS))


def _archive(path: Path) -> Kind | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        return None  # cut off, or damaged
    for pattern, kind in ARCHIVES:
        if any(re.search(pattern, name) for name in names):
            return kind
    if any(name.endswith("data.pkl") for name in names):
        return None  # as torch.save writes it
    return Kind(f"a zip archive (first entry {names[0] if names else 'none'})", UNPACK)


def _pickle(path: Path) -> Kind | None:
    contents = read_outline(path)
    if contents is None:
        return None
    if isinstance(contents, Named):
        return _object(contents)
    names = {named.name for _, named in named_in(contents)}
    if any(name.startswith(TORCH_SHARDS) for name in names):
        return SHARDED
    with path.open("rb") as file:
        begin = file.read(len(TORCH_LEGACY))
    if begin.startswith(b"PK") or begin == TORCH_LEGACY:
        return None
    keys = [str(key) for key in contents] if isinstance(contents, dict) else []
    if any(key.endswith(("._mean", "._variance")) or key.startswith("Structured") for key in keys):
        return PADDLE
    if any(name.endswith(("._reconstruct", "._frombuffer")) for name in names):
        return ARRAYS
    what = "dict" if isinstance(contents, dict) else type(contents).__name__
    return Kind(f"a pickle of a {what}, written without torch", AS_TENSORS)


def _object(contents: Named) -> Kind:
    if contents.name.startswith(TORCH_SHARDS):
        return SHARDED
    is_module = any(isinstance(part, dict) and "_modules" in part for part in contents.parts)
    what = "a whole network, pickled with its class" if is_module else "a pickled object"
    return Kind(
        f"{what} ({contents.name}), which can only be read by running code",
        "if you trust it, save its weights in Python, "
        "torch.save(torch.load('FILE', weights_only=False).state_dict(), 'NEW.pth')",
    )
