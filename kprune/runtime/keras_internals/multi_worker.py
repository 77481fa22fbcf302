"""Mends the parts of Keras' `fit` that fail under a strategy.

- `reduce_per_replica` takes the mean of each value over its first axis, which
  a loss or a metric does not have. It fails on several workers, which Keras 3
  does not support (its issue 20585).
- `_maybe_symbolic_build` reads a batch of the data, only to learn its shapes.
  It starts a pass for that: data that are reshuffled each pass come in
  another order than on one device, and a generator loses its first batch. On
  several workers it fails.

`mend_fit` replaces each of them only if a trial shows this behaviour. The
replacements affect only the strategies passed to it. If a Keras release lacks
one of the functions, it raises `AttributeError` and replaces nothing.
"""

import weakref

import keras
import tensorflow as tf


def spans_workers(strategy):
    """Returns whether a strategy keeps several processes in sync."""
    kind = tf.distribute.MultiWorkerMirroredStrategy
    if not isinstance(strategy, kind):
        return False
    here = len(strategy.extended.worker_devices)
    return strategy.num_replicas_in_sync > here


# The strategies under which models build from shapes.
_MENDED: weakref.WeakSet[tf.distribute.Strategy] = weakref.WeakSet()


def mend_fit(strategy):
    """Makes `fit` and `evaluate` read the data as on one device, and work on
    several workers.

    All workers must call it at the same point of the program. A second call
    is a no-op.
    """
    from keras.src.backend.tensorflow import trainer

    _MENDED.add(strategy)
    if spans_workers(strategy) and _reduction_fails(trainer, strategy):
        _replace_reduction(trainer)
    if _build_reads(trainer, strategy):
        _replace_build(trainer)


def _reduction_fails(trainer, strategy):
    try:
        trainer.reduce_per_replica(tf.constant(1.0), strategy, "mean")
    except (ValueError, tf.errors.OpError):
        return True
    return False


def _build_reads(trainer, strategy):
    class Trial(trainer.TensorFlowTrainer):
        """Takes the shapes of a batch as `fit` does, but builds nothing."""

        def __init__(self):
            self._distribute_strategy = strategy

        def _symbolic_build(self, data_batch):
            del data_batch

    class Passes:
        _distributed_dataset = tf.data.Dataset.range(1)
        begun = False

        def __iter__(self):
            self.begun = True
            return iter([(0, 0, iter([()]))])

    passes = Passes()
    Trial()._maybe_symbolic_build(iterator=passes)
    return passes.begun


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
        data = getattr(iterator, "_distributed_dataset", None)
        if data is None or self._distribute_strategy not in _MENDED:
            return original(self, iterator, data_batch)
        shapes = keras.tree.map_structure(_on_a_replica, data.element_spec)
        return original(self, data_batch=shapes)

    kind._maybe_symbolic_build = _maybe_symbolic_build


def _on_a_replica(spec):
    """Returns the spec of a tensor on the first replica."""
    return getattr(spec, "_value_specs", (spec,))[0]
