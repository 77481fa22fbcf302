"""PHEW: paths with higher edge weights (Patil and Dovrolis, 2021).

https://arxiv.org/abs/2010.11354
"""

import numpy as np

from kprune.graph.random_walks import RandomWalks
from kprune.runtime import checks, seeds, types
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective

_WALKS = 2048  # At a time.
_NEW = 1e-3  # Where fewer than this share is new, walks end.


def phew(
    objective: Objective,
    weights: types.Tensors,
    masks: types.Masks,
    passed: float = 0.3,
) -> types.Scores:
    """Scores a weight by how early a random walk passes it.

    Walks go from an input to an output and, in turn, from an output back, and
    begin at one unit after another. From unit i a walk goes on

        to unit j with probability |w_ij| / sum_k |w_ik|

    and back accordingly; in a convolution |w| is summed over the window, and
    an entry of it is drawn likewise. Each weight kept is thus on a whole path
    of kept weights, but for those of the last walk. At a branch, such as of a
    residual connection, one way is drawn. No data is read. For Sequential and
    Functional models of dense layers and convolutions without groups.

    Args:
        objective, weights, masks: As for all criteria (`kprune.criteria`).
        passed: Number in (0, 1], the share of all weights after which walks
            end. They end sooner if they pass hardly any new one. What none has
            passed ranks behind, by |w|. Defaults to 0.3, for sparsities of 0.7
            and more.

    Raises:
        ValueError: If the model has other layers with kernels.
    """
    checks.number("passed", passed, "(0, 1]")
    sizes = {
        name: np.where(masks[name], np.abs(np.asarray(w)), 0)
        for name, w in weights.items()
    }
    walks = RandomWalks(objective.model, sizes)
    total = sum(size.size for size in sizes.values())
    starts = np.cumsum([0, *(size.size for size in sizes.values())])
    first = dict(zip(sizes, starts[:-1].tolist(), strict=True))
    # Of each move, where its kernel begins; -1 for one that is left out.
    begins = np.array([first.get(name, -1) for name in walks.names])
    rng = seeds.stream(objective.seed, "phew")
    rank, done, turn = np.full(total, -1), 0, 0
    while done < passed * total:
        moves, entries = walks(np.arange(turn, turn + _WALKS), rng)
        turn += _WALKS
        moves, entries = (a[begins[moves] >= 0] for a in (moves, entries))
        met = begins[moves] + entries
        new, place = np.unique(met[rank[met] < 0], return_index=True)
        rank[new[np.argsort(place)]] = np.arange(done, done + len(new))
        done += len(new)
        if len(new) <= _NEW * len(met):
            break
    early = np.where(rank < 0, 0, 2 - rank / total)
    scores = {}
    for name, size in sizes.items():
        own = early[first[name] : first[name] + size.size].reshape(size.shape)
        behind = size / (1 + size.max(initial=0))
        scores[name] = np.where(own > 0, own, behind)
    return scores


METHOD = Method(
    "phew",
    title="PHEW",
    call='kprune.prune(model, "phew", 0.9)',
    paper="Patil and Dovrolis, 2021",
    link="https://arxiv.org/abs/2010.11354",
    test="tests/pruning/test_phew.py::test_a_walk_goes_where_weights_are_large",
    deviation="the last walk is cut where the number of weights is exact; "
    "branches are drawn evenly; what no walk has passed ranks behind by "
    "its size",
    channel={"reduce": "sum"},
)
