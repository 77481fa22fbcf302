"""Initializes centroids from the values and their number.

Computes in float32 and in TFMOT's order of operations, so that the centroids
equal TFMOT's bit for bit.
"""

import numpy as np
import tensorflow as tf

from kprune.learned.tfmot.clustering.keras.cluster_config import (
    CentroidInitialization,
)

_POINTS = 30  # The grid points of the cumulative distribution.
_SEED = 9  # TFMOT's seed of k-means++.


def initial(values, count, how, preserve_sparsity=False):
    """Returns the initial centroids of an array, float32 of shape (count,).

    Args:
        values: Array of any shape.
        count: Integer.
        how: A `CentroidInitialization`.
        preserve_sparsity: Whether one centroid is 0 and the others are divided
            between negative and positive values in proportion to their
            numbers. If all values are zero, so are all centroids. Defaults to
            `False`.
    """
    place = _PLACES[how]
    flat = np.ravel(values).astype(np.float32)
    if not preserve_sparsity:
        return place(flat, count, 0.01)
    below, above = flat[flat < 0], flat[flat > 0]
    if not below.size + above.size:
        return np.zeros(count, np.float32)
    share = below.size / (below.size + above.size)
    negative = round((count - 1) * share)  # Rounds half to even.
    sides = [(below, negative), (above, count - 1 - negative)]
    placed = [
        place(side, number, _gap(side)) if number else np.zeros(0, np.float32)
        for side, number in sides
    ]
    return np.concatenate([placed[0], np.zeros(1, np.float32), placed[1]])


def linear(values, count, gap):
    """Returns evenly spaced centroids from the least to the largest value."""
    del gap
    return tf.linspace(values.min(), values.max(), count).numpy()


def random(values, count, gap):
    """Returns centroids drawn uniformly between the least and the largest
    value, from TensorFlow's global generator."""
    del gap
    return tf.random.uniform((count,), values.min(), values.max()).numpy()


def k_means_plus_plus(values, count, gap):
    """Returns values drawn by k-means++, with TFMOT's seed."""
    del gap
    drawn = tf.raw_ops.KmeansPlusPlusInitialization(
        points=values[:, np.newaxis],
        num_to_sample=np.int64(count),
        seed=np.int64(_SEED),
        num_retries_per_sample=np.int64(-1),
    )
    return drawn.numpy()[:, 0]


def density_based(values, count, gap):
    """Returns quantiles at evenly spaced shares from 0.01 to 1, from a grid.

    Args:
        values, count: As for `initial`.
        gap: The distance by which the grid exceeds the values at either end.
    """
    ends = values.min() - np.float32(gap), values.max() + np.float32(gap)
    grid = tf.linspace(*ends, _POINTS).numpy()
    up_to = np.array([np.count_nonzero(values <= x) for x in grid], np.float32)
    shares = up_to / np.float32(values.size)
    wanted = tf.linspace(np.float32(0.01), np.float32(1), count).numpy()
    places = np.searchsorted(shares, wanted, side="right")
    places = np.minimum(places, _POINTS - 1)
    y, before = shares[places], shares[np.maximum(places - 1, 0)]
    # TFMOT interpolates on a line through a grid point, which returns this
    # point up to rounding. The run in its slope has a floor of 1/1000.
    slope = (before - y) / np.float32(0.001)
    flat = before == y
    slope = np.where(flat, np.float32(1), slope)
    offset = y - grid[places] * slope
    return np.where(flat, grid[places], (y - offset) / slope)


def _gap(side):
    """Returns the gap of a grid around values of one sign: at most half of
    the least magnitude, so that the grid does not reach 0."""
    if not side.size:
        return 0.01
    nearest = min(abs(side.min()), abs(side.max())) / np.float32(2)
    return min(np.float32(0.01), nearest)


_PLACES = {
    CentroidInitialization.LINEAR: linear,
    CentroidInitialization.RANDOM: random,
    CentroidInitialization.DENSITY_BASED: density_based,
    CentroidInitialization.KMEANS_PLUS_PLUS: k_means_plus_plus,
}
