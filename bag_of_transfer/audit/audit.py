"""Which tricks of the paper are on: read from the built objects, never from the config's words.

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
from bag_of_transfer.audit.optimizer_evidence import Finding
from bag_of_transfer.engine.atomic import write_json
from bag_of_transfer.engine.json_file import read_json_or_none
from bag_of_transfer.engine.progress import on_terminal

__all__ = ["TrickAudit", "audit"]

FILE = "tricks.json"


def audit(runner: Runner) -> dict[str, Finding]:
    """Tell for each trick whether it is on, its value, and how that was seen.

    Args:
        runner: Built as far as ``Runner.train`` has it when ``before_train`` is called: weights,
            optimiser, schedulers and data loader in place.

    Returns:
        Ten entries, in the paper's order; nothing of the run is changed, its random numbers
        included.
    """
    model = optimizer.bare_model(runner)
    rates = optimizer.rehearsed_lr(runner)
    schedulers = " + ".join(type(one).__name__ for one in optimizer.live_schedulers(runner))
    return {
        "linear_scaling": optimizer.linear_scaling(runner),
        "warmup": optimizer.warmup(rates),
        "zero_gamma": network.zero_gamma(model),
        "no_bias_decay": optimizer.no_bias_decay(runner),
        "mixed_precision": optimizer.mixed_precision(runner),
        "lr_decay": optimizer.lr_decay(rates, len(runner.train_dataloader), schedulers),
        "label_smoothing": network.label_smoothing(model),
        "distillation": network.distillation(model),
        "mixup": network.mixup(runner),
        "model_tweak": network.model_tweak(model),
    }


@HOOKS.register_module()
class TrickAudit(Hook):
    """Before the first step: audit, print the table, save ``tricks.json`` in the work dir."""

    def before_train(self, runner: Runner) -> None:
        """Audit on the main process; weights are initialised or loaded by now."""
        if not is_main_process():
            return
        findings = audit(runner)
        path = Path(runner.work_dir, FILE)
        findings["zero_gamma"] = _before_step_1(findings["zero_gamma"], runner.iter, path)
        _show(findings)
        write_json(path, findings)


def _before_step_1(now: Finding, step: int, path: Path) -> Finding:
    """Say when the gammas were seen: in a resumed run training has moved them already."""
    if step == 0:
        return Finding(
            on=now["on"], value=now["value"], evidence=now["evidence"] + " before step 1"
        )
    kept = (read_json_or_none(path) or {}).get("zero_gamma")
    if isinstance(kept, dict) and "before step 1" in str(kept.get("evidence")):
        return Finding(on=bool(kept.get("on")), value=kept.get("value"), evidence=kept["evidence"])
    said = f"unknown: resumed at step {step}, and no {FILE} tells of step 1"
    return Finding(on=False, value=None, evidence=said)


def _show(findings: dict[str, Finding]) -> None:
    if not on_terminal():
        rows = (f"  {name:<16} {_word(one):<4} {one['evidence']}" for name, one in findings.items())
        print_log("tricks, as built:\n" + "\n".join(rows), logger="current")
        return
    table = Table(title="tricks, as built", title_justify="left")
    for column in ("trick", "", "seen in the built objects"):
        table.add_column(column)
    for name, one in findings.items():
        table.add_row(name, _word(one), one["evidence"], style="bold" if one["on"] else "dim")
    Console().print(table)


def _word(finding: Finding) -> str:
    return "on" if finding["on"] else "off"
