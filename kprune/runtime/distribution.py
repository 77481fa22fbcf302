"""Shares of a batch, sums and agreement over replicas and workers.

Under a strategy every worker runs the same program on the same batches. Each
replica takes a contiguous share of the batch, by its number. The results are
summed over all replicas, so that all have the same scores.
"""

import contextlib
import itertools
import weakref
import zlib
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kprune.runtime import examples


def replicas(strategy):
    """Returns the number of replicas in sync."""
    return strategy.num_replicas_in_sync


def workers(strategy):
    """Returns the number of processes in sync."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.cluster_spec().jobs:
        return 1
    spec = resolver.cluster_spec()
    return sum(
        spec.num_tasks(job) for job in spec.jobs if job in ("chief", "worker")
    )


def is_chief(strategy):
    """Returns whether this process is the one that writes files."""
    resolver = strategy.cluster_resolver
    if resolver is None or workers(strategy) == 1:
        return True
    if resolver.task_type == "worker":
        chiefs = "chief" in resolver.cluster_spec().jobs
        return resolver.task_id == 0 and not chiefs
    return resolver.task_type == "chief"


def scope(strategy):
    """Returns the strategy's scope, or a null context within a strategy."""
    if tf.distribute.has_strategy():
        return contextlib.nullcontext()
    return strategy.scope()


def mean_over_shares(strategy, function, batch):
    """Returns the means over a batch from the means over its shares.

    Call it in a `tf.function`, within the strategy's scope. `function` takes a
    share of the batch, returns a list of means over its examples, and runs
    once on each replica. Shares are weighted by their size. The batch must be
    the same on every worker.
    """

    def on_replica():
        context = tf.distribute.get_replica_context()
        number = tf.cast(context.replica_id_in_sync_group, tf.int32)
        total = examples.count(keras.tree.flatten(batch)[0])
        count = context.num_replicas_in_sync
        start, end = number * total // count, (number + 1) * total // count
        # A replica without examples computes on one of weight 0.
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


def share_evenly(strategy):
    """Makes a strategy of one process split every batch of a data set into
    shares that differ by at most one example. So none is empty if there are
    enough examples, unlike TensorFlow's last shares of a small batch.
    """
    original = strategy.experimental_distribute_dataset

    def experimental_distribute_dataset(dataset, options=None):
        count = replicas(strategy)
        if not _cut_unevenly(dataset, count):
            return original(dataset, options)

        def shares(_):
            return dataset.flat_map(lambda *batch: _shares(batch, count))

        return strategy.distribute_datasets_from_function(shares, options)

    strategy.experimental_distribute_dataset = experimental_distribute_dataset


def _cut_unevenly(dataset, count):
    """Returns whether a data set has dense batches that may not divide by
    `count`."""
    specs = keras.tree.flatten(getattr(dataset, "element_spec", ()))
    dense = specs and all(isinstance(s, tf.TensorSpec) for s in specs)
    if not dense or not all(spec.shape.rank for spec in specs):
        return False
    return any(s.shape[0] is None or s.shape[0] % count for s in specs)


def _shares(batch, count):
    """Returns a data set of the shares of a batch."""
    # `flat_map` passes the parts of a tuple, or a single element.
    batch = batch if len(batch) > 1 else batch[0]
    total = tf.shape(keras.tree.flatten(batch)[0])[0]

    def share(number):
        start, end = number * total // count, (number + 1) * total // count
        return keras.tree.map_structure(lambda a: a[start:end], batch)

    return tf.data.Dataset.range(count, output_type=tf.int32).map(share)


def checksum(arrays):
    """Returns a CRC-32 of the shapes, dtypes and values of a structure of
    arrays."""
    total = 0
    flat = map(examples.components, keras.tree.flatten(arrays))
    for array in itertools.chain(*flat):
        array = np.ascontiguousarray(array)
        total = zlib.crc32(f"{array.shape}{array.dtype}".encode(), total)
        total = zlib.crc32(array.view(np.uint8).reshape(-1), total)
    return total


def check_agreement(strategy, arrays, message):
    """Raises `RuntimeError` on every worker unless all hold the same arrays.

    Args:
        strategy: A `tf.distribute.Strategy`. A no-op with one worker.
        arrays: A structure of NumPy arrays.
        message: String, the error message.
    """
    if workers(strategy) == 1:
        return
    # Halves of 16 bits, whose sums of squares float64 holds exactly.
    own = checksum(arrays)
    halves = np.array([own >> 16, own & 0xFFFF], np.float64)
    sums, squares = _total(strategy, [halves, halves**2])
    # n sum(x^2) = (sum x)^2 if and only if all are equal.
    if (replicas(strategy) * squares != sums**2).any():
        raise RuntimeError(message)


def check_masks(strategy, masks):
    """Raises `RuntimeError` on every worker unless all found the same masks.

    Args:
        strategy: A `tf.distribute.Strategy`.
        masks: Dict of boolean arrays by name.
    """
    check_agreement(
        strategy,
        masks,
        "The workers found different masks. Expected the same data, the same "
        "weights and the same kind of devices on all.",
    )


def any_worker(strategy, yes):
    """Returns whether any worker passes `yes=True`. All workers must call it.

    Args:
        strategy: A `tf.distribute.Strategy`. With one worker, `yes` is
            returned.
        yes: Boolean, this worker's value.
    """
    if workers(strategy) == 1:
        return yes
    return bool(_total(strategy, [float(yes)])[0] > 0)


def wait(strategy):
    """Waits until all workers have called it."""
    any_worker(strategy, True)


# From a strategy to a function that is traced once.
_TOTALS: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def _total(strategy, values):
    """Returns the sum over all replicas of an array of floats."""
    if strategy not in _TOTALS:

        def add(own):
            # A copy on the replica's device, where the argument is not.
            own = tf.identity(own)
            context = tf.distribute.get_replica_context()
            return context.all_reduce(tf.distribute.ReduceOp.SUM, own)

        run = weakref.WeakMethod(strategy.run)
        _TOTALS[strategy] = tf.function(
            lambda own: run()(add, args=(own,)),
            autograph=False,
            reduce_retracing=True,
        )
    with scope(strategy):
        total = _TOTALS[strategy](tf.constant(values, tf.float64))
    return strategy.experimental_local_results(total)[0].numpy()


def check_in_step(strategy, variables):
    """Raises `RuntimeError` unless mirrored Keras variables have the same
    values on all replicas of all workers.

    Does not apply to batch normalization's statistics, which each replica has
    of its own.
    """
    if replicas(strategy) == 1:
        return
    here = []
    for variable in variables:
        copies = strategy.experimental_local_results(variable.value)
        here.append(copies[0].numpy())
        for copy in copies[1:]:
            if checksum(copy.numpy()) != checksum(here[-1]):
                raise RuntimeError(_drift(variable.path))
    check_agreement(strategy, here, _drift("a weight"))


def _drift(what):
    return (
        f"The replicas have drifted apart: {what} is not the same on all. The "
        "last checkpoint is from before. Expected the same program, versions "
        "and kind of devices everywhere, and no updates of one's own that are "
        "not reduced over replicas."
    )
