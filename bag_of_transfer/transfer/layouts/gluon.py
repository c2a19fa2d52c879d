"""GluonCV's ResNets, in MXNet's files.

Source: ``gluoncv/model_zoo/resnetv1b.py``.  Except for norms, the names are those of timm, whose
copy of these networks computes the same.
"""

import re
from collections.abc import Mapping

from torch import Tensor

from bag_of_transfer.transfer.layouts.layout import Layout, Refusal
from bag_of_transfer.transfer.layouts.renaming import rename_all
from bag_of_transfer.transfer.layouts.timm import TIMM

__all__ = ["GLUON"]


def _timm_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    def rename(name: str) -> str:
        return re.sub(r"\.beta$", ".bias", re.sub(r"\.gamma$", ".weight", name))

    return rename_all(tensors, rename)


def _to_ours(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return TIMM.to_ours(_timm_names(tensors))


GLUON = Layout(
    name="gluon",
    library="GluonCV",
    signature=r"(\.|_)(gamma|beta)$",
    differs="gamma and beta for weight and bias",
    to_ours=_to_ours,
    plain_names=False,
    flat_names=Refusal(
        "the names are flat, as MXNet's export and save_params write them",
        "load the file with GluonCV and write it again with save_parameters",
    ),
    network_like=TIMM.network_like,
    for_network=_timm_names,
)
