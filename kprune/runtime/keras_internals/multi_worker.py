"""Keras' `fit` under `MultiWorkerMirroredStrategy`: what fails, mended.

Keras 3 does not support this strategy (its issue 20585). Two of its functions
stand in the way, and nothing else:

- `reduce_per_replica` takes the mean of each value over its first axis, which
  a loss or a metric does not have.
- `_maybe_symbolic_build` averages a whole batch over the replicas, as one
  value, only to learn its shapes.

Both are replaced, for models under this strategy alone, and each only if it
is found to fail. Where a Keras release lacks one of them, `AttributeError` is
raised rather than anything replaced.
"""

import keras
import tensorflow as tf


def spans_workers(strategy):
    """Returns whether a strategy keeps several processes in sync."""
    kind = tf.distribute.MultiWorkerMirroredStrategy
    if not isinstance(strategy, kind):
        return False
    here = len(strategy.extended.worker_devices)
    return strategy.num_replicas_in_sync > here


def mend_multi_worker_fit(strategy):
    """Makes `fit` and `evaluate` work under a strategy of several workers.

    All workers must call it at the same place of the program. It does nothing
    for a strategy of one process, nor a second time.
    """
    if not spans_workers(strategy):
        return
    from keras.src.backend.tensorflow import trainer

    if _reduction_fails(trainer, strategy):
        _replace_reduction(trainer)
    if _build_fails(trainer, strategy):
        _replace_build(trainer)


def _reduction_fails(trainer, strategy):
    try:
        trainer.reduce_per_replica(tf.constant(1.0), strategy, "mean")
    except (ValueError, tf.errors.OpError):
        return True
    return False


def _build_fails(trainer, strategy):
    class Trial(trainer.TensorFlowTrainer):
        """Takes the shapes of a batch as `fit` does, and builds nothing."""

        def __init__(self):
            self._distribute_strategy = strategy

        def _symbolic_build(self, data_batch):
            del data_batch

    batch = tf.data.Dataset.from_tensors((tf.zeros((2, 3)), tf.zeros(2)))
    parts = strategy.distribute_datasets_from_function(lambda context: batch)
    try:
        Trial()._maybe_symbolic_build(iterator=[(0, 0, iter(parts))])
    except (ValueError, TypeError, tf.errors.OpError):
        return True
    return False


def _replace_reduction(trainer):
    original = trainer.reduce_per_replica

    def reduce_per_replica(values, strategy, reduction):
        if not spans_workers(strategy) or reduction == "concat":
            return original(values, strategy, reduction)
        how = "SUM" if reduction == "sum" else "MEAN"
        return keras.tree.map_structure(
            lambda value: strategy.reduce(how, value, axis=None), values
        )

    trainer.reduce_per_replica = reduce_per_replica


def _replace_build(trainer):
    kind = trainer.TensorFlowTrainer
    original = kind._maybe_symbolic_build

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        strategy = self._distribute_strategy
        if iterator is None or not spans_workers(strategy):
            return original(self, iterator, data_batch)
        _, _, batches = next(iter(iterator))
        local = keras.tree.map_structure(
            lambda part: strategy.experimental_local_results(part)[0],
            next(batches),
        )
        return original(self, data_batch=local)

    kind._maybe_symbolic_build = _maybe_symbolic_build
