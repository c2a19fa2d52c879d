"""The Runners of the GPU's benchmark train the same networks, ours and the libraries'."""

import pytest
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from runner_steps import detection, segmentation
from tests.fast_builds import on_meta


@pytest.mark.parametrize("works_of", [detection, segmentation])
def test_ours_and_stock_are_resnet_ds_of_one_size(works_of, tmp_path):
    sizes = []
    for work in works_of((64, 64), 1, tmp_path):
        with on_meta(), DefaultScope.overwrite_default_scope(work.SCOPES[work.task]):
            network = MODELS.build(work.config().model)
        parameters = list(network.parameters())
        learnt = [one for one in parameters if one.requires_grad]
        # ResNet-C has as many parameters as ResNet-D, but no pooling in its shortcuts.
        pools = sum(isinstance(module, nn.AvgPool2d) for module in network.backbone.modules())
        sizes.append((*(sum(one.numel() for one in of) for of in (parameters, learnt)), pools))
    assert sizes[0] == sizes[1]
