"""CHT: Cannistraci-Hebb training (Zhang et al., 2024).

https://openreview.net/forum?id=iayEcORsGd
"""

import numpy as np

from kprune.callbacks.dynamic.updater import (
    MaskUpdater,
    best,
    dropped_counts,
)
from kprune.pruning.granularity.base import as_matrix, put_back
from kprune.runtime.methods import Method


class CHT(MaskUpdater):
    """Grows where paths of three links are, by the shape of the network alone.

        score of (u, v) = sum over a of 1 / (1 + e(u, a))
                        + sum over b of 1 / (1 + e(v, b))

    over the inputs a that are linked to the output v and share an output with
    the input u, and the outputs b that are linked to u and share an input with
    v. e(u, a) counts the links of a that lead neither to a neighbor of u nor
    to v: few of them, and their community is closed. No gradient is looked
    at. The smallest |w| are dropped. Convolutions are taken as matrices of
    inputs by outputs. A layer takes (inputs + outputs) x inputs x outputs
    multiplications, twice.

    Args:
        drop_fraction: Share of the active weights of each layer. Defaults to
            0.3, and stays.
    """

    every = "1ep"
    end = "100%"

    def __init__(self, drop_fraction=0.3):
        super().__init__(drop_fraction, anneal="constant")

    def grow(self, moment, kept):
        counts, grown = dropped_counts(moment, kept), {}
        for name, mask in kept.items():
            layout = moment.layouts[name]
            scores = put_back(closed_paths(as_matrix(mask, layout)), layout)
            found = scores, ~mask, counts[name]
            grown[name] = best("grow", *found, moment, name)
        return grown


def closed_paths(links):
    """Returns the CH3-L3n score of each pair of two sides, of a boolean matrix
    of their links. Those of pairs that are linked mean nothing.

    Args:
        links: Boolean array, (inputs, outputs).
    """
    links = links.astype(np.float32)
    return _one_side(links) + _one_side(links.T).T


def _one_side(links):
    shared = links @ links.T  # Neighbors that two of this side have together.
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
