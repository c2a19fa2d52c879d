"""Check all data of a config: what building its data sets finds, and what the content shows."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from mmengine.config import Config

from bag_of_transfer.data_checks.alike import (
    Shared,
    alike_in_training,
    leaks,
    repeats,
    shared_pictures,
)
from bag_of_transfer.data_checks.counts import Counts, count_split
from bag_of_transfer.data_checks.files import File, Seen, look_at_files
from bag_of_transfer.data_checks.kinds import KINDS, Finding, found
from bag_of_transfer.data_checks.labels import odd_boxes, odd_masks, unlearned_classes
from bag_of_transfer.data_checks.ledger import Ledger
from bag_of_transfer.data_checks.look import Look, look_at_mask, look_at_picture
from bag_of_transfer.data_checks.names import odd_names, odd_sizes, without_partner
from bag_of_transfer.data_checks.splits import Split, build_splits

__all__ = ["Report", "check_data", "findings_of_content", "ledgers_of"]

DETAILS = {
    "unreadable": "it cannot be read or decoded",
    "bit-flip": "other bytes than before, with the same size and time of change",
    "zero-filled-tail": "the file ends in zeros, where pixels should be",
    "one-pixel": "the picture has one pixel",
    "black": "the picture is black",
    "one-colour": "the picture has one colour",
    "wrong-suffix": "the content is of another format than the suffix says",
    "high-bits": "more than 8 bits per pixel",
    "cmyk": "the colours are CMYK",
    "alpha": "the picture can be seen through",
    "several-pages": "the file holds several pictures",
}


class Report(NamedTuple):
    """What was found.

    Args:
        findings: In the order of the splits.
        changed: Files that were other ones when they were looked at before.
        counts: What each split holds.
        shared: What two splits share.
        splits: The splits themselves.
        looks: What each file shows.
    """

    findings: tuple[Finding, ...]
    changed: tuple[Path, ...] = ()
    counts: tuple[Counts, ...] = ()
    shared: tuple[Shared, ...] = ()
    splits: tuple[Split, ...] = ()
    looks: Mapping[Path, Look] = MappingProxyType({})

    @property
    def images(self) -> dict[str, int]:
        """The number of images of each split."""
        return {each.split: each.images for each in self.counts}


def check_data(cfg: Config, pretraining: Split | None = None) -> Report:
    """Check all splits of a config.

    Args:
        cfg: From ``load_config``; changed.
        pretraining: What its backbone was trained on: compared with the splits that are judged
            by, and not checked itself.
    """
    own, findings = build_splits(cfg)
    splits = own if pretraining is None else [*own, pretraining]
    ledgers = ledgers_of(splits)
    files: dict[Path, File] = {}
    for split in splits:
        for example in split.examples:
            files[example.path] = File(look_at_picture, ledgers[example.folder])
            if example.mask is not None:
                files[example.mask] = File(look_at_mask, ledgers[example.folder])
    seen = look_at_files(files)
    looks = {path: shown.entry.look for path, shown in seen.items()}
    shared = shared_pictures(splits, looks)
    counts = tuple(count_split(split, looks) for split in splits)
    findings += [*findings_of_content(own, seen, shared), *alike_in_training(own, looks)]
    for split in own:
        findings += [*odd_boxes(split), *odd_masks(split, looks), *odd_names(split)]
    findings += [*unlearned_classes(counts), *odd_sizes(own), *without_partner(own)]
    changed = tuple(path for path, shown in seen.items() if shown.is_changed)
    return Report(tuple(findings), changed, counts, tuple(shared), tuple(splits), looks)


def ledgers_of(splits: Sequence[Split]) -> dict[Path, Ledger]:
    """Return the ledger of each folder of data."""
    folders = dict.fromkeys(example.folder for split in splits for example in split.examples)
    return {folder: Ledger(folder) for folder in folders}


def findings_of_content(
    splits: Sequence[Split], seen: Mapping[Path, Seen], shared: Sequence[Shared]
) -> Iterator[Finding]:
    """Yield what is wrong with files, with pictures that are there twice, and with those shared."""
    told: set[Path] = set()  # val and test may have the same files
    for split in splits:
        for example in split.examples:
            for path in filter(None, (example.path, example.mask)):
                if path in seen and path not in told:
                    told.add(path)
                    yield from _findings_of_file(split, path, seen[path])
    yield from repeats(splits, {path: shown.entry.look for path, shown in seen.items()})
    yield from leaks(shared)


def _findings_of_file(split: Split, path: Path, shown: Seen) -> Iterator[Finding]:
    marks = shown.entry.look.marks + (("bit-flip",) if shown.entry.flipped else ())
    for kind in marks:
        if kind in KINDS:
            yield found(kind, split.name, path, DETAILS[kind])
