"""LAMP: squared magnitudes relative to the larger weights of their layer.

Lee et al., 2021, https://arxiv.org/abs/2010.07611.
"""

from kprune.pruning.pruner import Pruner
from kprune.runtime.methods import Method


def lamp() -> Pruner:
    """Returns LAMP, Lee et al., 2021: magnitude with `"lamp"` allocation.

        score of w_u = w_u^2 / sum of w_v^2 over the |w_v| >= |w_u| of a layer

    No data is read. The allocation itself is `kprune.allocation.lamp`, which
    works with any criterion.
    """
    return Pruner("magnitude", allocation="lamp")


METHOD = Method(
    "lamp",
    title="LAMP",
    call='kprune.prune(model, "lamp", 0.9)',
    paper="Lee et al., 2021",
    link="https://arxiv.org/abs/2010.07611",
    test="tests/pruning/test_recipes.py::"
    "test_lamp_keeps_the_largest_shares_of_their_layers",
    deviation="one round on a network as it is; the paper trains between "
    "its rounds",
    build=lamp,
)
