"""Which checkpoint is the best where only the first validation tells the metric's name."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from mmengine.hooks import CheckpointHook
from mmengine.logging import print_log
from mmengine.runner import Runner

from bag_of_transfer.engine.processes import of_first_process

__all__ = ["BestRule"]


class BestRule(CheckpointHook):
    """mmengine's hook, which does not end a run over the name of a metric that nobody chose.

    With ``save_best="auto"`` and an evaluator of the user's, mmengine would raise an error after
    the first epoch if the name says neither that more nor that less is better.
    """

    def _init_rule(self, rules: list[Any], key_indicators: list[str]) -> None:
        try:
            super()._init_rule(rules, key_indicators)
        except ValueError:
            if getattr(self, "key_indicators", None) != ["auto"]:
                raise
            name = key_indicators[0]
            print_log(
                f"best checkpoint: more of {name!r} counts as better; if less is, state "
                "default_hooks.checkpoint.rule='less'",
                logger="current",
            )
            super()._init_rule(["greater"], key_indicators)

    def _begin_with_another_metric(self, runner: Runner, metrics: Mapping[str, Any]) -> None:
        """Forget a resumed run's best score if it is of another metric than is watched now.

        With ``save_best="auto"`` that is an evaluator's first metric, which may be another one in
        a later version; mmengine compares them.  The best file's name tells whose score it is; the
        file stays.
        """
        info = runner.message_hub.runtime_info
        name = PurePath(str(info.get("best_ckpt") or "")).name
        if not name or len(self.key_indicators) > 1:  # each of several has a score of its own
            return
        known = self.key_indicators[0]
        metric = next(iter(metrics)) if known == "auto" else known
        if not name.startswith(f"best_{metric}_".replace("/", "_")):
            print_log(f"best checkpoint: {name} is of another metric than {metric}", "current")
            self._forget_best(runner, "")

    def _forget_best_elsewhere(self, runner: Runner) -> None:
        """Forget a resumed run's best scores whose files are not in this run's folder.

        Else a run that goes on from another run's file would keep no best checkpoint of its own
        until one is better than that run's best.  All processes do as the first one.
        """
        paths = self._best_paths() if self.save_best else {}
        for metric, path in paths.items():
            if path is None or of_first_process(self.file_backend.exists(path)):
                continue
            there, name = PurePath(path).parent, PurePath(path).name
            print_log(f"best checkpoint: {name} is not in {there}: scores count anew", "current")
            self._forget_best(runner, metric)

    def _forget_best(self, runner: Runner, metric: str) -> None:
        """Forget the best score and file of a metric; "" is the only one that is watched."""
        for key in ("best_ckpt", "best_score"):
            runner.message_hub.runtime_info.pop(f"{key}_{metric}" if metric else key, None)
        self._set_best_paths({**self._best_paths(), metric: None})

    def _best_paths(self) -> dict[str, str | None]:
        is_single = len(self.key_indicators) == 1
        paths = {"": self.best_ckpt_path} if is_single else self.best_ckpt_path_dict
        return {key: self._in_this_folder(path) for key, path in paths.items()}

    def _in_this_folder(self, path: Any) -> str | None:
        """Return the path of a file in this run's folder, where it may be deleted.

        A resumed checkpoint holds the path of its time.  The folder may have been copied since,
        and a file from somebody else may name any path.
        """
        name = PurePath(str(path or "")).name
        return self.file_backend.join_path(self.out_dir, name) if name not in ("", "..") else None

    def _set_best_paths(self, paths: dict[str, str | None]) -> None:
        if len(self.key_indicators) == 1:
            self.best_ckpt_path = paths[""]
        else:
            self.best_ckpt_path_dict = paths
