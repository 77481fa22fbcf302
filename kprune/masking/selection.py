"""Selects exactly the highest of many scores; nothing else ranks.

Of millions of scores only those near the border are sorted. A sample gives an
estimate of the border, which counting the scores above it confirms or rejects.
"""

import numpy as np

_NONE = np.zeros(0, np.intp)
_FEW = 2**17  # Up to so many scores, all are partitioned.
_SAMPLE = 2**14  # About the number of scores in a sample.
_MARGIN = 4 * 0.5 * _SAMPLE**0.5  # Four standard deviations of a rank in it.


def top_k(scores, k, rng, near=None):
    """Marks exactly the k highest scores; `rng` breaks ties.

    Args:
        scores: Array without NaN.
        k: Integer from 0 to the number of scores.
        rng: A `numpy.random.Generator`, used only if there are ties to break.
        near: A guess of the lowest score kept or a number just below it, such
            as the border of a ranking of more scores. It saves time and does
            not change the result.
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
        counts: Array of integers, the number to mark for each owner.
        rng: A `numpy.random.Generator`, for ties.
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
    """Returns integers in 16 bits if they fit, for which NumPy's stable sort is
    a fast radix sort."""
    return owners.astype(np.uint16) if count <= 2**16 else owners


def _top_k_of_rows(rows, counts, rng):
    """Marks the highest scores of each row; `rng` breaks ties."""
    kept, size = np.zeros(rows.shape, bool), rows.shape[1]
    for k in np.unique(counts[counts > 0]):
        own = np.flatnonzero(counts == k)
        part = rows[own]
        border = np.partition(part, size - k, axis=1)[:, size - k, None]
        kept[own] = part >= border
        # Rows in which more scores tie at the border than may be kept.
        crowded = own[np.count_nonzero(kept[own], axis=1) > k]
        if crowded.size:
            sizes = np.full(crowded.size, size)
            place = np.repeat(np.arange(crowded.size), sizes)
            flat = rows[crowded].reshape(-1)
            drawn = _ranked(flat, place, sizes, counts[crowded], rng)
            kept[crowded] = drawn.reshape(-1, size)
    return kept


def _ranked(scores, owners, sizes, counts, rng):
    """Marks the highest scores of each owner by a full sort; each owner's
    scores must be contiguous."""
    ties = rng.random(scores.size, dtype=np.float32)
    order = np.lexsort((ties, -scores, owners))
    ranks = np.arange(scores.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    kept = np.empty(scores.size, bool)
    kept[order] = ranks < np.repeat(counts, sizes)
    return kept


def _marked(flat, k, border):
    """Returns the mask of scores above a border, the indices of those equal to
    it, and how many of these belong to the k highest; `None` if the border is
    wrong for k."""
    kept = flat > border
    missing = k - np.count_nonzero(kept)
    ties = np.flatnonzero(flat == border) if missing > 0 else _NONE
    return (kept, ties, missing) if 0 <= missing <= ties.size else None


def kth_largest(parts, k):
    """Returns the k-th largest score of several flat arrays without NaN."""
    size = sum(part.size for part in parts)
    # Partition is slow if many values are equal, and most often they are
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
    """Returns the k-th largest score, or `None` if it is not among the
    candidates near the estimate, or these are too many to save time."""
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
    if count > size // 4:  # Many scores are equal.
        return None
    return _kth(np.concatenate(among), k - above)
