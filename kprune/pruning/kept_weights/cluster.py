"""Replaces kept weights by a few shared values per layer.

Weight clustering, the weight sharing of Deep Compression, Han et al., 2016,
section 3: k-means clusters the kept weights of a tensor, and each is replaced
by the mean of its cluster. A tensor then holds few distinct values, and pruned
weights stay zero, so that its file compresses better.
"""

import numpy as np

from kprune.masking import weights
from kprune.runtime import checks, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method

_ROUNDS = 300  # Of k-means, which mostly converges within a hundred.


@checked(clusters=checks.at_least(1))
def cluster(
    model: types.Model, seed: int = 0, *, clusters: int
) -> dict[str, np.ndarray]:
    """Sets each kept weight to the mean of its cluster; zeros stay zero.

        w <- c[argmin_k |w - c[k]|],  c[k] = mean of the weights nearest to it

    The centroids start evenly spaced from the smallest to the largest kept
    weight of a tensor: Han et al. found that this preserves accuracy best, as
    large weights are few and matter most. Biases and variables that cannot be
    pruned stay, and so does a tensor with no more distinct kept weights than
    clusters.

    Values are shared only at the time of the call: further training separates
    them. Train with masks first and cluster last, or cluster again after
    training; `kprune.tfmot.clustering.keras.cluster_weights` trains shared
    values. For a pruner, pass `functools.partial(cluster, clusters=16)`.

    Args:
        model: A Keras model, wrapped or not, changed in place. In a model
            without masks, weights that are zero count as pruned.
        seed: Not used: nothing is drawn.
        clusters: Integer >= 1, the clusters per weight tensor. 16 take 4 bits.

    Returns:
        Dict from weight name to its centroids, a float64 array in ascending
        order of at most `clusters` entries, empty if no weight is kept.

    Raises:
        ValueError: If a kept weight is NaN or infinite. The model is then
            unchanged.

    Example:

    >>> pruned = kprune.prune(model, "magnitude", 0.9)
    >>> found = kprune.kept_weights.cluster(pruned, clusters=16)
    >>> len(found["conv1/kernel"]) <= 16
    True
    """
    del seed
    found, values = {}, []
    for weight in weights.find(model):
        if weight.skipped is not None and weight.mask is None:
            continue
        array = np.array(weight.variable.value, np.float64)
        kept = array != 0
        if weight.mask is not None:
            kept &= np.array(weight.mask.value, bool)
        if not np.isfinite(array[kept]).all():
            raise ValueError(
                f"{weight.name!r} keeps weights that are NaN or infinite, "
                "which have no mean. Expected finite weights."
            )
        found[weight.name] = centres = k_means(array[kept], clusters)
        array[kept] = centres[nearest(array[kept], centres)]
        values.append((weight.variable, array))
    for variable, array in values:
        variable.assign(array)
    return found


def k_means(values, clusters):
    """Returns the means of nonempty clusters of numbers, ascending.

    Runs Lloyd's algorithm from evenly spaced means until it converges.
    """
    ordered = np.unique(values)
    if ordered.size <= clusters:
        return ordered
    ordered = np.sort(values)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    centres = np.linspace(ordered[0], ordered[-1], clusters)
    before = None
    for _ in range(_ROUNDS):
        # In one dimension, a cluster is an interval between two midpoints.
        ends = np.searchsorted(ordered, (centres[1:] + centres[:-1]) / 2)
        ends = np.concatenate([[0], ends, [ordered.size]])
        if before is not None and np.array_equal(ends, before):
            break
        before, counts = ends, np.diff(ends)
        centres = np.where(
            counts > 0, np.diff(sums[ends]) / np.maximum(counts, 1), centres
        )
    return centres[np.diff(before) > 0]


def nearest(values, centres):
    """Returns the indices of the nearest of ascending centres."""
    return np.searchsorted((centres[1:] + centres[:-1]) / 2, values)


METHOD = Method(
    "cluster",
    title="weight clustering",
    call="kprune.kept_weights.cluster(model, clusters=16)",
    paper="Han et al., 2016",
    link="https://arxiv.org/abs/1510.00149",
    test="tests/pruning/test_clustering.py::test_the_numbers",
    deviation="Deep Compression goes on to train the shared values, by the "
    "sum of the gradients of those that share one. Here they are tied once, "
    "after training.",
)
