"""Several replicas and workers: shares of a batch, sums, and agreement.

Under a strategy every worker runs the same program on the same batches. Each
replica takes a contiguous share of the batch, by its number, and what the
shares give is summed over all replicas, so that everybody has the same scores.
"""

import contextlib
import zlib

import keras
import numpy as np
import tensorflow as tf


def replicas(strategy):
    """Returns how many replicas work in sync."""
    return strategy.num_replicas_in_sync


def workers(strategy):
    """Returns how many processes work in sync."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.cluster_spec().jobs:
        return 1
    spec = resolver.cluster_spec()
    return sum(
        spec.num_tasks(job) for job in spec.jobs if job in ("chief", "worker")
    )


def scope(strategy):
    """Returns the strategy's scope, or nothing to enter if within it."""
    if tf.distribute.has_strategy():
        return contextlib.nullcontext()
    return strategy.scope()


def mean_over_shares(strategy, function, batch):
    """Returns the mean over a batch of what its shares give, weighted by size.

    To be called in a `tf.function`, within the strategy's scope.

    Args:
        strategy: A `tf.distribute.Strategy` of several replicas.
        function: Function of a part of the batch to a list of tensors, each a
            mean over its examples. It runs once on each replica.
        batch: A structure of tensors, the same on every worker.

    Returns:
        List of tensors, the same on every replica.
    """

    def on_replica():
        context = tf.distribute.get_replica_context()
        number = tf.cast(context.replica_id_in_sync_group, tf.int32)
        total = tf.shape(keras.tree.flatten(batch)[0])[0]
        count = context.num_replicas_in_sync
        start, end = number * total // count, (number + 1) * total // count
        # A replica too many computes on one example, which counts nothing.
        start = tf.minimum(start, total - 1)
        stop = tf.maximum(end, start + 1)
        part = keras.tree.map_structure(lambda a: a[start:stop], batch)
        values = function(part)
        share = tf.cast(end - start, tf.float64) / tf.cast(total, tf.float64)
        share = tf.maximum(share, 0)
        return context.all_reduce(
            tf.distribute.ReduceOp.SUM,
            [tf.cast(share, value.dtype) * value for value in values],
        )

    reduced = strategy.run(on_replica)
    return [strategy.experimental_local_results(r)[0] for r in reduced]


def checksum(arrays):
    """Returns a number that changes if a structure of arrays does."""
    total = 0
    for array in keras.tree.flatten(arrays):
        array = np.ascontiguousarray(array)
        total = zlib.crc32(f"{array.shape}{array.dtype}".encode(), total)
        total = zlib.crc32(array.view(np.uint8).reshape(-1), total)
    return total


def check_agreement(strategy, arrays, message):
    """Raises `RuntimeError` on every worker unless all hold the same arrays.

    Args:
        strategy: A `tf.distribute.Strategy`. With one worker nothing is done.
        arrays: A structure of NumPy arrays.
        message: String, what is wrong if they differ.
    """
    if workers(strategy) == 1:
        return
    own = checksum(arrays)

    def spread():
        # Halves of 16 bits, whose sums of squares float64 holds exactly.
        halves = [own >> 16, own & 0xFFFF]
        values = tf.constant(halves, tf.float64)
        context = tf.distribute.get_replica_context()
        return context.all_reduce(
            tf.distribute.ReduceOp.SUM, [values, values * values]
        )

    with scope(strategy):
        sums, squares = tf.function(strategy.run, autograph=False)(spread)
    first = strategy.experimental_local_results(sums)[0].numpy()
    second = strategy.experimental_local_results(squares)[0].numpy()
    # n sum(x^2) = (sum x)^2 if and only if all are equal.
    if (replicas(strategy) * second != first * first).any():
        raise RuntimeError(message)
