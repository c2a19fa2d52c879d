"""A small file beside each checkpoint, ``NAME.pth.json``, says which bytes were written.

The old manifest is removed just before a new checkpoint takes the old one's place, and the new
manifest is put there just after: a process that is killed in between leaves a whole checkpoint
without a manifest, never one that another file's manifest condemns.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from bag_of_transfer.engine.atomic import replacing_both
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.fields import SHA256, WHOLE, fields
from bag_of_transfer.engine.file_hash import sha256_of
from bag_of_transfer.engine.json_file import read_json_or_none
from bag_of_transfer.engine.run_files import MANIFEST, manifest_of

__all__ = [
    "about",
    "check_hash",
    "remove_checkpoint",
    "sweep_checkpoints",
    "tell_unchecked",
    "write_checkpoint",
]

SCHEMA = 1
LARGEST = 2**16  # bytes of a manifest; ours have about 300
STATED = fields({"bytes": WHOLE, "sha256": SHA256})
NUMBERED = re.compile(r"(.*_)(\d+)\.pth")


def about(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a manifest says of a checkpoint besides its bytes.

    Args:
        checkpoint: The contents: plain values, and ``meta`` as mmengine fills it.
    """
    meta, info = checkpoint["meta"], checkpoint["message_hub"]["runtime_info"]
    scores = {
        # The key of several metrics is best_ckpt_NAME, of a single one best_ckpt.
        Path(str(path)).name: info.get(key.replace("best_ckpt", "best_score", 1))
        for key, path in info.items()
        if key.startswith("best_ckpt")
    }
    return {
        "epoch": meta.get("epoch"),
        "iter": meta.get("iter"),
        "config_sha256": hashlib.sha256(str(meta.get("cfg", "")).encode()).hexdigest(),
        "scores": scores,
    }


def write_checkpoint(path: str | Path, data: bytes, facts: Mapping[str, Any]) -> None:
    """Write a checkpoint and its manifest; a crash leaves the old ones or a whole new file.

    Args:
        path: The checkpoint.
        data: Its bytes; they are hashed while they are written.
        facts: What :func:`about` returned; empty if that is not known.
    """
    path, beside = Path(path), manifest_of(Path(path))
    stated = {key: value for key, value in facts.items() if key != "scores"}
    with ThreadPoolExecutor(1) as aside, replacing_both(path, beside) as (whole, manifest):
        digest = aside.submit(hashlib.sha256, data)
        whole.write_bytes(data)
        record = {
            "schema": SCHEMA,
            "sha256": digest.result().hexdigest(),
            "bytes": len(data),
            **stated,
            "score": facts.get("scores", {}).get(path.name),
        }
        manifest.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def check_hash(path: Path) -> bool:
    """Check that a file holds the bytes that its manifest states.

    Returns:
        Whether there is a manifest; a damaged one counts as none.

    Raises:
        UserError: If the file differs.
    """
    stated = _stated(path)
    while stated is not None:
        size, digest = stated
        found = path.stat().st_size
        what = f"{found} bytes of {size}" if found != size else ""
        if not what and (now := sha256_of(path)) != digest:
            what = f"SHA-256 {now[:12]}..., written with {digest[:12]}..."
        if not what:
            return True
        # A run that writes a new checkpoint here has removed the manifest, or replaced it.
        stated, before = _stated(path), stated
        if stated == before:
            raise UserError(
                f"the checkpoint is damaged ({what})",
                path,
                "copy it again or use an earlier one; if you have put another file in its place, "
                f"remove {manifest_of(path).name}",
            )
    return False


@cache
def tell_unchecked(path: Path) -> None:
    """Say once that a checkpoint has no manifest."""
    print_log(f"{path.name} has no manifest beside it: its bytes are not checked", "current")


def _stated(path: Path) -> tuple[int, str] | None:
    beside = manifest_of(path)
    if not beside.is_file() or beside.stat().st_size > LARGEST:
        return None
    record = read_json_or_none(beside, STATED)
    return (record["bytes"], record["sha256"]) if record else None


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint, and then its manifest, if they exist."""
    path.unlink(missing_ok=True)
    manifest_of(path).unlink(missing_ok=True)


def sweep_checkpoints(folder: Path, best: Sequence[Path], done: int) -> None:
    """Remove what a run that was killed between two steps of saving left behind.

    These are manifests without their checkpoints, and former best files.

    Args:
        folder: Where the run keeps its checkpoints.
        best: The best ones, as the checkpoint that was resumed states them.
        done: Epochs, or iterations, of that checkpoint.  The best files of later ones stay.
    """
    for path in folder.glob(f"*.pth{MANIFEST}"):
        if not path.with_suffix("").exists():
            path.unlink(missing_ok=True)
    kept = {path: NUMBERED.fullmatch(path.name) for path in best if path.is_file()}
    names = {match[1] for match in kept.values() if match}
    for path in folder.glob("best_*.pth"):
        other = NUMBERED.fullmatch(path.name)
        if other and path not in kept and other[1] in names and int(other[2]) < done:
            remove_checkpoint(path)
