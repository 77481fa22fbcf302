"""Optimal brain surgeon over columns: the core of SparseGPT.

W is a matrix of inputs by outputs, X the values that the inputs read. Inputs
are processed in order, each for all outputs at once; the inputs after it make
up for its pruned weights, which minimizes |X W - X W'|^2 with the inputs
before it fixed. With U the Cholesky factor of inv(X'X) = U'U, pruning input j
costs w_j^2 / U_jj^2, and U_jk / U_jj w_j is subtracted from each input k after
it.

Frantar and Alistarh, 2023, https://arxiv.org/abs/2301.00774.
"""

import numpy as np

from kprune.masking import selection
from kprune.pruning.allocation.counts import shares

BLOCK = 128  # Inputs.


def factor(gram, damping, name):
    """Returns U, upper triangular, or its diagonal if `gram` is a diagonal.

    Args:
        gram: Array, X'X of a weight (d, d), or its diagonal (d,).
        damping: Number >= 0, the share of the mean diagonal to add to it.
            Inputs that read only zeros get a 1 on the diagonal.
        name: Name of the weight, for the error.

    Raises:
        ValueError: If the damped matrix has no inverse.
    """
    diagonal = np.diag(gram) if gram.ndim == 2 else gram
    live = reads(gram)
    level = float(damping) * (diagonal[live].mean() if live.any() else 1.0)
    added = np.where(live, 0.0, 1.0) + level
    if gram.ndim == 1:
        return 1 / np.sqrt(diagonal + added)
    try:
        inverse = np.linalg.inv(gram + np.diag(added))
        return np.linalg.cholesky((inverse + inverse.T) / 2).T
    except np.linalg.LinAlgError as error:
        raise ValueError(
            f"X'X of {name!r} cannot be inverted: its inputs depend on each "
            "other. Expected more data than inputs, or a larger `damping`. "
            f"Received: damping={damping}"
        ) from error


def reads(gram):
    """Returns which inputs read a nonzero value, an array of booleans."""
    return (np.diag(gram) if gram.ndim == 2 else gram) > 0


def costs(matrix, diagonal):
    """Returns the cost of each weight, if it is the next to be removed.

    Args:
        matrix: Array of inputs by outputs.
        diagonal: Array, the diagonal of U.
    """
    return np.square(matrix / diagonal[:, None])


def swept(matrix, upper, decide, width, block=BLOCK):
    """Prunes all inputs in order; returns the updated matrix and its mask.

    Args:
        matrix: Array of inputs by outputs.
        upper: U, as `factor` returns it.
        decide: Function of (start, costs) to booleans: which weights of the
            inputs from `start` to keep, given the costs of the current values.
        width: Integer, how many inputs `decide` is called for at a time.
        block: Integer, how many inputs to process before those behind them
            are updated.
    """
    w = np.array(matrix, np.float64)
    mask = np.ones(w.shape, bool)
    diagonal = np.diag(upper) if upper.ndim == 2 else upper
    block = max(block // width, 1) * width
    for start in range(0, len(w), block):
        stop = min(start + block, len(w))
        lost = np.zeros((stop - start, w.shape[1]))
        for j in range(start, stop):
            if (j - start) % width == 0:
                part = slice(j, min(j + width, stop))
                mask[part] = decide(j, costs(w[part], diagonal[part]))
            lost[j - start] = np.where(mask[j], 0, w[j]) / diagonal[j]
            w[j] = np.where(mask[j], w[j], 0)
            if upper.ndim == 2:
                after = upper[j, j + 1 : stop]
                w[j + 1 : stop] -= np.outer(after, lost[j - start])
        if upper.ndim == 2:
            w[stop:] -= upper[start:stop, stop:].T @ lost
    return w, mask


def errors(gram, matrix, changed):
    """Returns |X W - X W'|^2 of each output, an array."""
    lost = np.asarray(matrix, np.float64) - changed
    read = gram @ lost if gram.ndim == 2 else gram[:, None] * lost
    return np.einsum("ij,ij->j", lost, read)


def moved(matrix, mask, gram, upper):
    """Updates kept weights to make up for pruned ones.

    An output whose error the update would raise is only masked.

    Returns:
        The new matrix, and a pair of arrays: the `errors` of the masked
        matrix, and of the new one.
    """
    masked = np.where(mask, matrix, 0).astype(np.float64)
    new, _ = swept(matrix, upper, by_masks(mask), BLOCK)
    before, after = (errors(gram, matrix, one) for one in (masked, new))
    new = np.where(after < before, new, masked)
    return new, (before, np.minimum(before, after))


def by_masks(mask):
    """Returns a `decide` that follows a mask of inputs by outputs."""
    return lambda start, found: mask[start : start + len(found)]


def by_count(alive, count, width, rng):
    """Returns a `decide` that keeps the `count` weights of highest cost.

    Each `width` inputs keep a share in proportion to their `alive` weights.
    """
    room = {
        start: int(np.count_nonzero(alive[start : start + width]))
        for start in range(0, len(alive), width)
    }
    given = shares(count, room, room)

    def decide(start, found):
        may = alive[start : start + len(found)]
        found = np.where(may, found, -np.inf)
        return selection.top_k(found, given[start], rng)

    return decide


def by_runs(alive, n, rng):
    """Returns a `decide` that keeps the n costliest weights per output."""

    def decide(start, found):
        may = alive[start : start + len(found)]
        found = np.where(may, found, -np.inf)
        order = np.lexsort((rng.random(found.shape), -found), axis=0)
        kept = np.zeros(found.shape, bool)
        np.put_along_axis(kept, order[:n], True, axis=0)
        return kept & may

    return decide
