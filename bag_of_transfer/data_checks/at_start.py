"""Say at the start of a run what earlier looks at the content of its data have found."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from bag_of_transfer.data_checks.alike import shared_pictures
from bag_of_transfer.data_checks.check import findings_of_content, ledgers_of
from bag_of_transfer.data_checks.counts import count_split
from bag_of_transfer.data_checks.files import Seen
from bag_of_transfer.data_checks.kinds import ERROR, Finding
from bag_of_transfer.data_checks.splits import Split, split_of
from bag_of_transfer.data_checks.summary import short_lines
from bag_of_transfer.engine.data.data_sets import LookAtSplits, tests_on_val
from bag_of_transfer.engine.data.garbage import no_collection
from bag_of_transfer.engine.log_file import warn

__all__ = ["ContentAtStart", "known_content"]

NUM_SHOWN = 5
MOST = 200_000  # images that are looked up at a start: 5 s of CPU time for each 100,000
LOOK = "tools/check_data.py CONFIG"


@HOOKS.register_module()
class ContentAtStart(Hook):
    """Print what the splits hold, how much was looked at, and errors that are known and hold.

    No image is read for that: the ledger knows them by size and time of change.
    """

    def before_train(self, runner: Runner) -> None:
        """Print the lines; the run goes on."""
        if not is_main_process():
            return
        datasets = _datasets_of(runner)
        count = sum(len(one) for one in datasets.values() if hasattr(one, "__len__"))
        if count > MOST:
            line = f"data: {count} images, too many to look up at each start; {LOOK} looks at them"
            print_log(line, logger="current")
            return
        with no_collection():
            splits = [split_of(name, dataset) for name, dataset in datasets.items()]
            if not any(split.examples for split in splits):
                return  # data sets that do not tell their files
            lines, errors = known_content(splits)
        if tests_on_val(runner.cfg):
            lines.insert(len(splits), "test: the images of val")
        for line in lines:
            print_log(f"data: {line}", logger="current")
        for error in _shown(errors):
            warn(error)


def _datasets_of(runner: Runner) -> dict[str, Any]:
    """Return the data sets by split; that of test as ``LookAtSplits`` has read it, if it has."""
    datasets = {"train": runner.train_dataloader.dataset}
    if runner.val_loop is not None:
        datasets["val"] = runner.val_loop.dataloader.dataset
    for hook in runner.hooks:
        if isinstance(hook, LookAtSplits) and hook.test_set is not None:
            datasets["test"] = hook.test_set
    return datasets


def known_content(splits: Sequence[Split]) -> tuple[list[str], list[Finding]]:
    """Return lines on what the splits hold, and the errors that the ledgers know of.

    Args:
        splits: The splits of a run as they are built.
    """
    ledgers = ledgers_of(splits)
    seen: dict[Path, Seen] = {}
    for split in splits:
        for example in split.examples:
            for path in filter(None, (example.path, example.mask)):
                entry = ledgers[example.folder].valid_entry(path)
                if entry is not None:
                    seen[path] = Seen(entry)
    paths = {example.path for split in splits for example in split.examples}
    num_seen = len(paths & seen.keys())
    looks = {path: shown.entry.look for path, shown in seen.items()}
    shared = shared_pictures(splits, looks, search=False)
    findings = findings_of_content(splits, seen, shared)
    lines = short_lines([count_split(split, looks) for split in splits], shared)
    rest = f"; {LOOK} looks at the rest" if num_seen < len(paths) else ""
    lines.append(f"content of {num_seen} of {len(paths)} images looked at{rest}")
    return lines, [each for each in findings if each.severity == ERROR]


def _shown(errors: Sequence[Finding]) -> list[str]:
    lines = [
        f"data: {each.kind} in {each.split}: {each.file}: {each.detail}: {each.mend}"
        for each in errors[:NUM_SHOWN]
    ]
    more = len(errors) - NUM_SHOWN
    return [*lines, f"data: {more} more errors: {LOOK} lists them"] if more > 0 else lines
