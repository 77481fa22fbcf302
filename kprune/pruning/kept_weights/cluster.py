"""Replaces kept weights by a few shared values per layer.

Weight clustering, the weight sharing of Deep Compression, Han et al., 2016,
section 3: the kept weights of a tensor are parted by k-means, and each is
replaced by the mean of its cluster. Then a tensor holds few distinct numbers,
and what is pruned stays zero, so that any file of it compresses better.
"""

import numpy as np

from kprune.masking import weights
from kprune.runtime import checks
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method

_ROUNDS = 300  # Of k-means, which mostly ends after fewer than a hundred.


@checked(clusters=checks.at_least(1))
def cluster(model, seed=0, *, clusters):
    """Sets each kept weight to the mean of its cluster, zeros staying zero.

        w <- c[argmin_k |w - c[k]|],  c[k] = mean of the weights nearest to it

    The centroids begin evenly spread from the smallest to the largest kept
    weight of a tensor: Han et al. found that to keep accuracy best, as large
    weights are few and matter most. Biases, and all that cannot be pruned,
    stay as they are. A tensor that has no more distinct kept weights than
    clusters stays too.

    The values are tied once: further training moves them apart. Train with
    the masks first, and cluster last; or train on and cluster again;
    `kprune.tfmot.clustering.keras.cluster_weights` trains tied values. As a
    rule of a pruner it is `functools.partial(cluster, clusters=16)`.

    Args:
        model: A Keras model, wrapped or not, changed in place. Of one without
            masks the weights that are zero are taken for pruned.
        seed: Not used: nothing is drawn.
        clusters: Integer >= 1, of each weight tensor. 16 take 4 bits.

    Returns:
        Dict from weight name to its centroids in rising order, an array of
        float64. At most `clusters`, and empty where nothing is kept.

    Raises:
        ValueError: If a weight that is kept is NaN or infinite. The model has
            not been changed then.

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
    """Returns the means of clusters of numbers in rising order, those without
    a number left out: Lloyd's rounds from evenly spread ones, to the end."""
    ordered = np.unique(values)
    if ordered.size <= clusters:
        return ordered
    ordered = np.sort(values)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    centres = np.linspace(ordered[0], ordered[-1], clusters)
    before = None
    for _ in range(_ROUNDS):
        # On a line, a cluster is what lies between two borders.
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
    """Returns the places of the nearest centres, which rise."""
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
