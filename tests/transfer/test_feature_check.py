"""The forward pass that checks a conversion finds what names and shapes do not show."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.convert.feature_check import check_same_features, fill, stage_maps

Build = Callable[..., nn.Module]


def same(state):
    return state


def test_equal_networks_pass(small: Build) -> None:
    check_same_features(small(seed=0), small(seed=1), same, "x")


def test_maps_of_four_stages_are_kept_and_no_hook_stays(small: Build) -> None:
    network = small()
    images = torch.rand(1, 3, 65, 97)
    kept = stage_maps(network, images)
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(kept, network(images), strict=True))
    assert len(kept) == 4
    assert not network.layer1._forward_hooks


@pytest.mark.parametrize("swap", [("layer3.1.bn1", "layer3.1.bn2"), ("stem.1", "stem.4")])
def test_a_conversion_that_swaps_two_equal_shapes_is_found(
    small: Build, swap: tuple[str, str]
) -> None:
    theirs = small()
    # as trained networks may be: nothing in these weights tells the two apart
    for name in swap:
        theirs.get_submodule(name).load_state_dict(theirs.get_submodule(swap[0]).state_dict())

    def convert(state):
        names = {f"{swap[0]}.running_var": f"{swap[1]}.running_var"}
        names |= {new: old for old, new in names.items()}
        return {names.get(name, name): tensor for name, tensor in state.items()}

    with pytest.raises(UserError, match=r"stage \d computes other features"):
        check_same_features(small(), theirs, convert, "x")


def test_a_network_with_a_silent_branch_is_compared_by_random_weights(small: Build) -> None:
    theirs = small()
    nn.init.zeros_(theirs.layer4[1].bn3.weight)
    nn.init.zeros_(theirs.layer4[1].bn3.bias)
    theirs.layer4[1].conv2.stride = (1, 1)
    ours = copy.deepcopy(theirs)
    theirs.layer4[1].conv2.padding = (1, 1)
    theirs.layer4[1].conv2.padding_mode = "reflect"
    theirs.layer4[1].conv2._reversed_padding_repeated_twice = [1, 1, 1, 1]
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            *(stage_maps(one, torch.ones(1, 3, 65, 97)) for one in (ours, theirs)), strict=True
        )
    )  # blind without
    with pytest.raises(UserError, match=r"stage \d computes other features"):
        check_same_features(ours, theirs, same, "x")


def test_another_activation_is_found_in_its_stage(small: Build) -> None:
    theirs = small()
    theirs.layer2[1].relu = nn.SiLU()
    with pytest.raises(UserError, match=r"stage \d computes other features"):
        check_same_features(small(), theirs, same, "x")


def test_every_tensor_is_filled_with_values_of_its_own(small: Build) -> None:
    state = small(depth=18).state_dict()
    filled = fill(state)
    assert list(filled) == list(state)
    floats = [tensor for tensor in filled.values() if tensor.is_floating_point()]
    assert len(floats) == 110  # 22 convolutions and their norms, five tensors each
    assert all(tensor.std() > 0 for tensor in floats)
    assert len({float(tensor.flatten()[0]) for tensor in floats}) == 110
    assert all((t == 0).all() for n, t in filled.items() if n.endswith("tracked"))
