"""Tickets of one depth made tickets of another."""

import functools

import numpy as np
import pytest

import kprune
from kprune import tickets
from kprune.masking import weights


def net(blocks, seed=0, **options):
    return kprune.models.resnet_cifar(
        depth=6 * blocks + 2, input_shape=(8, 8, 1), seed=seed, **options
    )


@functools.cache
def target(blocks):
    """Returns a network to give a ticket to, which stays as it is."""
    return net(blocks, seed=1)


@pytest.fixture(scope="module")
def ticket():
    return kprune.prune(net(3), "magnitude", 0.8)


def taken_from(model, ticket):
    """Returns which of the ticket's blocks each block of a stage is."""
    source = {n: np.asarray(v.value) for n, v in weights.named(ticket)}
    found = {1: [], 2: [], 3: []}
    for name, variable in weights.named(model):
        stage, _, rest = name.partition("_block")
        if rest.endswith("_conv1/kernel"):
            others = {k: f"{stage}_block{k}{rest[1:]}" for k in range(1, 6)}
            (same,) = (
                k
                for k, other in others.items()
                if np.array_equal(source.get(other), variable)
            )
            found[int(stage.removeprefix("stage"))].append(same)
    return found


def test_stretched_blocks_are_repeated_beside_themselves(ticket):
    deeper = tickets.elastic(ticket, target(5))
    assert taken_from(deeper, ticket) == {
        stage: [1, 2, 2, 3, 3] for stage in (1, 2, 3)
    }
    masks, before = kprune.get_masks(deeper), kprune.get_masks(ticket)
    for stage in (1, 2, 3):
        for block, source in zip((2, 3, 4, 5), (2, 2, 3, 3), strict=True):
            for conv in ("conv1", "conv2"):
                np.testing.assert_array_equal(
                    masks[f"stage{stage}_block{block}_{conv}/kernel"],
                    before[f"stage{stage}_block{source}_{conv}/kernel"],
                )
    for name in ("conv1/kernel", "fc/kernel"):
        np.testing.assert_array_equal(masks[name], before[name])


def test_squeezed_blocks_are_left_out(ticket):
    shallower = tickets.elastic(ticket, target(2))
    assert taken_from(shallower, ticket) == {
        stage: [1, 2] for stage in (1, 2, 3)
    }


def test_the_blocks_that_are_asked_for(ticket):
    deeper = tickets.elastic(
        ticket, target(4), blocks={2: [1, 2, 3, 2], 3: [1, 3, 3, 3]}
    )
    assert taken_from(deeper, ticket) == {
        1: [1, 2, 2, 3],
        2: [1, 2, 3, 2],
        3: [1, 3, 3, 3],
    }


def test_of_the_same_depth_it_is_the_ticket_itself(ticket):
    for _, variable in weights.named(ticket):
        if variable.name == "moving_mean":
            variable.assign(np.arange(variable.shape[0]))
    model = target(3)
    before = [np.array(v) for v in model.variables]
    same = tickets.elastic(ticket, model)
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 1))
    np.testing.assert_array_equal(same(x), ticket(x))
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


@pytest.mark.parametrize(
    "blocks, told",
    [
        ({4: [1, 2, 3, 3]}, "does not fit stage 4"),
        ({1: [1, 2, 3]}, "does not fit stage 1"),
        ({1: [1, 2, 3, 4]}, "does not fit stage 1"),
        ({2: [2, 1, 2, 3]}, "The ticket has no|does not fit"),
    ],
)
def test_blocks_that_do_not_fit(ticket, blocks, told):
    with pytest.raises(ValueError, match=told):
        tickets.elastic(ticket, target(4), blocks=blocks)


def test_networks_that_do_not_fit(ticket):
    with pytest.raises(ValueError, match="same stages"):
        tickets.elastic(ticket, kprune.models.lenet_300_100())
    with pytest.raises(ValueError, match="does not fit"):
        tickets.elastic(ticket, net(4, width=2))
