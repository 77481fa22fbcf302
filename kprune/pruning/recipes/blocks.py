"""ShortGPT: removes the blocks that change their input least."""

import numpy as np

from kprune.masking.masks import apply
from kprune.pruning.granularity.residual_block import ResidualBlock
from kprune.pruning.pruner import Pruner
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


def influence(objective, weights, masks):
    """Scores all weights of a block by how much it changes its input.

        score = 1 - mean over tokens of cos(x, y)

    with x what the block reads of a token and y what it makes of it. Weights
    in no block have no score.

    Args:
        objective, weights, masks: As for all criteria (`kprune.criteria`).
    """
    found = objective.blocks(apply(masks, weights)).influences()
    return {
        name: np.full(weights[name].shape, found[name])
        for name in weights
        if name in found
    }


@checked()
def block_influence():
    """ShortGPT, Men et al., 2024: the blocks that change their input least.

    In one pass over the data, all blocks are scored and the lowest removed at
    once: see `kprune.ResidualBlock` for what becomes of them. The data must be
    such as the model is used on.
    """
    return Pruner(influence, granularity=ResidualBlock())


METHOD = Method(
    "block_influence",
    title="ShortGPT, block influence",
    call='kprune.prune(model, "block_influence", 0.25, data=data)',
    paper="Men et al., 2024",
    link="https://arxiv.org/abs/2403.03853",
    test="tests/pruning/test_residual_blocks.py::test_influence_by_hand",
    deviation="padding does not count",
    build=block_influence,
)
