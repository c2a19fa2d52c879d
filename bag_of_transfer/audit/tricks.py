"""Which tricks of the paper are on: read from the built objects, never from the config.

Source of the list: arXiv:1812.01187, sec. 3 to 5; the file is ``tricks.json`` of
docs/files.md.
"""

from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from rich.console import Console
from rich.table import Table

from bag_of_transfer.audit import network_evidence as network
from bag_of_transfer.audit import optimizer_evidence as optimizer
from bag_of_transfer.audit import schedule_evidence as schedule
from bag_of_transfer.audit.evidence import Evidence, not_seen
from bag_of_transfer.engine.atomic import write_json
from bag_of_transfer.engine.bare_network import network_of
from bag_of_transfer.engine.bars import on_terminal
from bag_of_transfer.engine.json_file import read_json_or_none
from bag_of_transfer.engine.run_files import TRICKS, TRICKS_RULE

__all__ = ["TrickAudit", "audit"]


def audit(runner: Runner) -> dict[str, Evidence]:
    """Return for each trick whether it is on, its value, and where that can be seen.

    Args:
        runner: As it is when ``Runner.train`` calls ``before_train``: weights, optimiser,
            schedulers and data loader are built.

    Returns:
        Ten entries, in the paper's order.  Nothing of the run changes, not even the state of its
        random number generators.
    """
    model = network_of(runner.model)
    rates = schedule.rehearsed_lr(runner)
    schedulers = " + ".join(type(s).__name__ for s in schedule.live_schedulers(runner))
    return {
        "linear_scaling": optimizer.linear_scaling(runner),
        "warmup": schedule.warmup(rates),
        "zero_gamma": network.zero_gamma(model),
        "no_bias_decay": optimizer.no_bias_decay(runner),
        "mixed_precision": optimizer.mixed_precision(runner),
        "lr_decay": schedule.lr_decay(rates, len(runner.train_dataloader), schedulers),
        "label_smoothing": network.label_smoothing(model),
        "distillation": network.distillation(model),
        "mixup": network.mixup(model, runner.max_epochs),
        "model_tweak": network.model_tweak(model),
    }


@HOOKS.register_module()
class TrickAudit(Hook):
    """Audit before the first step, print the table and write ``tricks.json`` to the work dir."""

    def before_train(self, runner: Runner) -> None:
        """Audit on the main process, once the weights are initialised or loaded."""
        if not is_main_process():
            return
        tricks = audit(runner)
        path = Path(runner.work_dir, TRICKS)
        tricks["zero_gamma"] = _before_step_1(tricks["zero_gamma"], runner.iter, path)
        _print(tricks)
        write_json(path, tricks)


def _before_step_1(now: Evidence, step: int, path: Path) -> Evidence:
    """Add when the gammas were seen; in a resumed run, training has already changed them."""
    if step == 0:
        text = now["evidence"] + " before step 1"
        return Evidence(on=now["on"], value=now["value"], evidence=text)
    kept = (read_json_or_none(path, TRICKS_RULE) or {}).get("zero_gamma")
    evidence = (kept or {}).get("evidence") or ""
    if kept and "before step 1" in evidence:
        return Evidence(on=kept["on"], value=kept.get("value"), evidence=evidence)
    text = f"unknown: resumed at step {step}, and no {TRICKS} describes step 1"
    return not_seen(text)


def _print(tricks: dict[str, Evidence]) -> None:
    if not on_terminal():
        rows = (
            f"  {name:<16} {_on_or_off(trick):<4} {trick['evidence']}"
            for name, trick in tricks.items()
        )
        print_log("tricks, as built:\n" + "\n".join(rows), logger="current")
        return
    table = Table(title="tricks, as built", title_justify="left")
    for column in ("trick", "", "seen in the built objects"):
        table.add_column(column)
    for name, trick in tricks.items():
        style = "bold" if trick["on"] else "dim"
        table.add_row(name, _on_or_off(trick), trick["evidence"], style=style)
    Console().print(table)


def _on_or_off(trick: Evidence) -> str:
    return "on" if trick["on"] else "off"
