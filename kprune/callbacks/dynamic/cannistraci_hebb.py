"""CHT: Cannistraci-Hebb training (Zhang et al., 2024).

https://openreview.net/forum?id=iayEcORsGd
"""

import numpy as np

from kprune.callbacks.dynamic.training_state import TrainingState
from kprune.callbacks.dynamic.updater import (
    MaskUpdater,
    best,
    dropped_counts,
)
from kprune.pruning.granularity.base import as_matrix, put_back
from kprune.runtime.methods import Method


class CHT(MaskUpdater):
    """Grows connections by the network's topology alone: paths of three links.

        score of (u, v) = sum over a of 1 / (1 + e(u, a))
                        + sum over b of 1 / (1 + e(v, b))

    over the inputs a that are linked to the output v and share an output with
    the input u, and the outputs b that are linked to u and share an input with
    v. e(u, a) counts the links of a that lead neither to a neighbor of u nor
    to v; few such links mean a closed community. It needs no gradients. The
    smallest |w| are dropped. Convolutions count as matrices of inputs by
    outputs. A layer takes 2 x (inputs + outputs) x inputs x outputs
    multiplications.

    Args:
        drop_fraction: Share of the active weights of each layer to drop, in
            [0, 1], constant over time. Defaults to 0.3.
    """

    every = "1ep"
    end = "100%"

    def __init__(self, drop_fraction: float = 0.3) -> None:
        super().__init__(drop_fraction, anneal="constant")

    def grow(
        self, moment: TrainingState, kept: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        counts, grown = dropped_counts(moment, kept), {}
        for name, mask in kept.items():
            layout = moment.layouts[name]
            scores = put_back(closed_paths(as_matrix(mask, layout)), layout)
            found = scores, ~mask, counts[name]
            grown[name] = best("grow", *found, moment, name)
        return grown


def closed_paths(links):
    """Computes the CH3-L3n scores of all pairs of an input and an output.

    Args:
        links: Boolean array of shape (inputs, outputs).

    Returns:
        Float32 array of the same shape; scores of linked pairs have no
        meaning.
    """
    links = links.astype(np.float32)
    return _one_side(links) + _one_side(links.T).T


def _one_side(links):
    shared = links @ links.T  # Common neighbors of two nodes of this side.
    outside = np.maximum(links.sum(1) - shared, 0)
    weight = np.where(shared > 0, 1 / np.maximum(outside, 1), 0)
    return weight @ links


METHOD = Method(
    "cht",
    title="Cannistraci-Hebb training",
    call='kprune.callbacks.DynamicSparseTraining("cht")',
    paper="Zhang et al., 2024",
    link="https://openreview.net/forum?id=iayEcORsGd",
    test="tests/callbacks/test_structured_updaters.py::"
    "test_cht_scores_are_a_sum_over_paths",
    deviation="scores are of the released code's matrix form; neither chain "
    "removal, early stop nor the initialization by correlations",
    build=CHT,
)
