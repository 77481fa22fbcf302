"""ShortGPT: removes the blocks that change their input least."""

import numpy as np

from kprune.masking.masks import apply
from kprune.pruning.granularity.residual_block import ResidualBlock
from kprune.pruning.pruner import Pruner
from kprune.runtime import types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective


def influence(
    objective: Objective, weights: types.Tensors, masks: types.Masks
) -> types.Scores:
    """Scores all weights of a block by how much it changes its input.

        score = 1 - mean over tokens of cos(x, y)

    with x the input of the block for a token and y its output. Weights outside
    of blocks get no score.

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
def block_influence() -> Pruner:
    """Returns ShortGPT, which prunes the blocks that change their input least.

    Men et al., 2024. All blocks are scored in one pass over the data and the
    lowest are removed at once, as `kprune.ResidualBlock` describes. Use data
    like that which the model is used on.
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
