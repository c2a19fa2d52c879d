"""Train neck and heads first, then the backbone with them.

A config says ``custom_hooks = [dict(type="FreezeBackboneFirst", epochs=2)]``.
"""

from typing import Any

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import nn

from bag_of_transfer.engine.bare_network import network_of
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.numbers import is_whole
from bag_of_transfer.engine.progress import counts_epochs

__all__ = ["FreezeBackboneFirst"]

WHERE = "custom_hooks: FreezeBackboneFirst"


@HOOKS.register_module()
class FreezeBackboneFirst(Hook):
    """Freeze the backbone for the first part of a training.

    New heads begin with large gradients, which would change pretrained weights at random.  While
    the backbone is frozen, its weights and the running statistics of its batch norms stay as they
    are, and no gradient is computed for it.  What ``frozen_stages`` freezes stays frozen.  Nothing
    has to be stored: a resumed run sees from its position whether the backbone is frozen.

    Args:
        epochs: For how many epochs, where the loop counts epochs.
        iters: For how many iterations, in either loop.

    Raises:
        ValueError: If not exactly one of both is given, as a whole number from 1.
    """

    def __init__(self, epochs: int | None = None, iters: int | None = None) -> None:
        stated = [number for number in (epochs, iters) if number is not None]
        if len(stated) != 1 or not is_whole(stated[0]) or stated[0] < 1:
            got = f"got epochs={epochs!r}, iters={iters!r}"
            raise ValueError(f"give epochs or iters, a whole number from 1; {got}")
        self.epochs, self.iters = epochs, iters
        self._frozen: list[nn.Parameter] = []
        self._backbone = nn.Module()

    def before_train(self, runner: Runner) -> None:
        """Freeze the backbone, unless a resumed run is beyond that.

        Raises:
            UserError: If there is no pretrained backbone, it would be frozen until the end, the
                loop does not count epochs, or several processes expect its gradients.
        """
        network = network_of(runner.model)
        self._backbone = getattr(network, "backbone", self._backbone)
        self._check(runner)
        if self._is_over(runner):
            return
        self._frozen = [one for one in self._backbone.parameters() if one.requires_grad]
        self._let_train(False)
        length = f"{self.epochs} epochs" if self.epochs else f"{self.iters} iterations"
        print_log(f"backbone: frozen for the first {length}", logger="current")

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Let the backbone train again when it is time; keep its statistics until then."""
        if not self._frozen:
            return
        if not self._is_over(runner):
            if self._backbone.training:  # as the loop sets the whole network
                self._backbone.eval()
            return
        self._let_train(True)
        self._frozen = []
        self._backbone.train()
        print_log(f"backbone: trains from iteration {runner.iter + 1} on", logger="current")

    def _is_over(self, runner: Runner) -> bool:
        if self.epochs:
            return bool(runner.epoch >= self.epochs)
        return bool(runner.iter >= (self.iters or 0))

    def _let_train(self, trains: bool) -> None:
        for parameter in self._frozen:
            parameter.requires_grad_(trains)

    def _check(self, runner: Runner) -> None:
        cfg = runner.cfg
        if self.epochs and not counts_epochs(runner):
            raise UserError("the training loop counts no epochs", WHERE, "give iters=N")
        if not any(True for _ in self._backbone.parameters()):
            raise UserError("the network has no backbone", WHERE, "leave the hook out")
        model = cfg.get("model") or {}
        sources = ((cfg.get("backbone_file") or {}).get("sha256"), cfg.get("load_from"))
        if not (any(sources) or (model.get("backbone") or {}).get("init_cfg")):
            what = "the backbone would be frozen with random weights"
            raise UserError(what, WHERE, "give --backbone FILE or load_from, or leave the hook out")
        last = runner.max_epochs if self.epochs else runner.max_iters
        if (self.epochs or self.iters or 0) >= last:
            mend = "train for longer; model.backbone.frozen_stages=4 freezes it for good"
            raise UserError("the backbone would be frozen until the end", WHERE, mend)
        if get_world_size() > 1 and not cfg.get("find_unused_parameters"):
            what = "several processes wait for the gradients of a frozen backbone"
            raise UserError(what, WHERE, "set find_unused_parameters=True")
