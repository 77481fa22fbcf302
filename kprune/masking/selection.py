"""Selects exactly the highest of many scores; nothing else ranks.

Of millions of scores only those near the border are sorted. A guess of where
it lies is proved by counting how many scores are above, or given up.
"""

import numpy as np

_NONE = np.zeros(0, np.intp)
_FEW = 2**17  # Scores, up to which all are partitioned.
_SAMPLE = 2**14  # Scores that a guess is made from.
_MARGIN = 4 * 0.5 * _SAMPLE**0.5  # Four standard deviations of a rank in it.


def top_k(scores, k, rng, near=None):
    """Marks exactly the k highest scores, with equal ones drawn by `rng`.

    Args:
        scores: Array, without NaN.
        k: Integer from 0 to the number of scores.
        rng: A `numpy.random.Generator`, used only if a draw is needed.
        near: A number that may be the lowest score to be kept, or lie just
            below it, such as the border of a ranking of more scores. Does not
            change what is marked.
    """
    flat = np.ravel(scores)
    if k == 0:
        return np.zeros(np.shape(scores), bool)
    found = None if near is None else _marked(flat, k, near)
    kept, ties, missing = found or _marked(flat, k, kth_largest([flat], k))
    if missing < ties.size:
        ties = rng.choice(ties, missing, replace=False, shuffle=False)
    kept[ties] = True
    return kept.reshape(np.shape(scores))


def top_k_of_each(scores, owners, counts, rng):
    """Marks the highest scores of each of several owners.

    Args:
        scores: Flat array, without NaN.
        owners: Flat array of integers from 0, the owner of each score.
        counts: Array of integers, how many to mark of each owner.
        rng: A `numpy.random.Generator`, for equal scores.
    """
    sizes = np.bincount(owners, minlength=counts.size)
    order = np.argsort(_narrow(owners, counts.size), kind="stable")
    if sizes.size and (sizes == sizes[0]).all():
        rows = scores[order].reshape(sizes.size, -1)
        marked = _top_k_of_rows(rows, counts, rng).reshape(-1)
    else:
        place = owners[order]
        marked = _ranked(scores[order], place, sizes, counts, rng)
    kept = np.empty(scores.size, bool)
    kept[order] = marked
    return kept


def _narrow(owners, count):
    """Returns integers in 16 bits if they fit: NumPy sorts these in one go."""
    return owners.astype(np.uint16) if count <= 2**16 else owners


def _top_k_of_rows(rows, counts, rng):
    """Marks the highest scores of each row, with equal ones drawn."""
    kept, size = np.zeros(rows.shape, bool), rows.shape[1]
    for k in np.unique(counts[counts > 0]):
        own = np.flatnonzero(counts == k)
        part = rows[own]
        border = np.partition(part, size - k, axis=1)[:, size - k, None]
        kept[own] = part >= border
        # Where more are equal to the border than there is room for.
        crowded = own[np.count_nonzero(kept[own], axis=1) > k]
        if crowded.size:
            sizes = np.full(crowded.size, size)
            place = np.repeat(np.arange(crowded.size), sizes)
            flat = rows[crowded].reshape(-1)
            drawn = _ranked(flat, place, sizes, counts[crowded], rng)
            kept[crowded] = drawn.reshape(-1, size)
    return kept


def _ranked(scores, owners, sizes, counts, rng):
    """Marks the highest scores of each owner, whose scores lie together, by
    sorting all of them."""
    ties = rng.random(scores.size, dtype=np.float32)
    order = np.lexsort((ties, -scores, owners))
    ranks = np.arange(scores.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    kept = np.empty(scores.size, bool)
    kept[order] = ranks < np.repeat(counts, sizes)
    return kept


def _marked(flat, k, border):
    """Returns which scores are above a border, the places of those on it, and
    how many of these belong to the k highest; `None` if there are too few."""
    kept = flat > border
    missing = k - np.count_nonzero(kept)
    ties = np.flatnonzero(flat == border) if missing > 0 else _NONE
    return (kept, ties, missing) if 0 <= missing <= ties.size else None


def kth_largest(parts, k):
    """Returns the k-th largest score of several flat arrays without NaN."""
    size = sum(part.size for part in parts)
    # Partition is slow where many values are equal, and most often they are
    # equal because they share the least value, zero.
    least = min(part.min() for part in parts if part.size)
    above = sum(int(np.count_nonzero(part > least)) for part in parts)
    if above < k:
        return least
    if size > _FEW:
        found = _among_candidates(parts, k, size)
        if found is not None:
            return found
    if above < 0.9 * size:
        parts = [part[part > least] for part in parts]
    joined = np.concatenate(parts)  # A copy, to be partitioned in place.
    return _kth(joined, k)


def _kth(joined, k):
    joined.partition(joined.size - k)
    return joined[joined.size - k]


def _among_candidates(parts, k, size):
    """Returns the k-th largest score, `None` if it is none of the candidates,
    or they are too many to be of use."""
    step = -(-size // _SAMPLE)
    sample = np.sort(np.concatenate([part[::step] for part in parts]))
    place = sample.size * (size - k) / size
    last = sample.size - 1
    low = sample[min(max(int(place - _MARGIN), 0), last)]
    high = sample[min(int(place + _MARGIN) + 1, last)]
    above = sum(int(np.count_nonzero(part > high)) for part in parts)
    among = [part[(part >= low) & (part <= high)] for part in parts]
    count = sum(part.size for part in among)
    if not above < k <= above + count:
        return None
    if low == high:
        return low
    if count > size // 4:  # Equal ones.
        return None
    return _kth(np.concatenate(among), k - above)
