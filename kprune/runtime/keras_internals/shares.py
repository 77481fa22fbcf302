"""Steps on several replicas whose shares of a batch differ in size.

Keras takes each replica's own mean of the loss, divides it by the number of
replicas, and sums: an example of a smaller share counts more, and so does one
beside examples that are masked or of little weight. Here the numerators stay
each replica's own and the denominators are summed over all of them,

    loss of a replica = sum over its share of w * l / denominator of the batch

so that the sum over replicas is the loss of one device on the whole batch,
whatever the shares. What Keras shows as the loss is that sum.

It holds within the steps of `fit` and `evaluate`, for the strategies that are
given here alone. Elsewhere Keras does what it did. Where a Keras release lacks
one of the functions that are replaced, `AttributeError` is raised rather than
anything replaced.
"""

import functools
import threading
import weakref

import keras
import tensorflow as tf

_MEANS = ("mean", "mean_with_sample_weight", "sum_over_batch_size")
_EMPTY = (
    "A batch to train on holds fewer examples than there are replicas: {}. "
    "Expected one for each at least. Leave such a batch out "
    "(drop_remainder=True), or use another batch_size."
)
# The strategies whose steps are mended, and the share that the current thread
# computes on, while it is in such a step.
_MENDED = weakref.WeakSet()
_THREAD = threading.local()
_LOCK = threading.Lock()


class _Share:
    """What a replica takes of a batch: how many of how many examples."""

    def __init__(self, model, data, trains):
        first = next(a for a in keras.tree.flatten(data) if a is not None)
        self.layers = list(model._flatten_layers())
        self.count = tf.shape(first)[0]
        if trains:
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            words = _EMPTY.format(replicas)
            tf.debugging.assert_positive(self.count, words)
        self.of = self.total(self.count)

    def total(self, *values):
        """Returns the sums over all replicas of scalars, without gradients.

        The replicas take turns there, and all write what their layers add to
        the loss into the same lists: each finds its own again.
        """
        replica = tf.distribute.get_replica_context()
        values = [tf.stop_gradient(value) for value in values]
        added = [list(layer._losses) for layer in self.layers]
        found = replica.all_reduce(tf.distribute.ReduceOp.SUM, values)
        for layer, own in zip(self.layers, added, strict=True):
            layer._losses[:] = own
        return found if len(found) > 1 else found[0]

    def weighted(self, value):
        """Returns a mean over the share, by the share's size."""
        count, of = (tf.cast(n, value.dtype) for n in (self.count, self.of))
        return value * (count / of)

    def size(self, values):
        """Returns how many entries the values of the whole batch have."""
        own, count, of = (
            tf.cast(n, values.dtype)
            for n in (tf.size(values), self.count, self.of)
        )
        return tf.math.divide_no_nan(own, count) * of


def mend_losses(strategy):
    """Makes uneven shares of a batch count by their size in `fit` and
    `evaluate` under a strategy of one process. It does nothing a second time.
    """
    from keras.src.backend.tensorflow.trainer import TensorFlowTrainer
    from keras.src.losses import loss as module

    _MENDED.add(strategy)
    with _LOCK:
        if hasattr(module.reduce_values, "mended"):
            return
        for name, make in (
            ("reduce_values", _reduction),
            ("apply_mask", _masking),
            ("unscale_loss_for_distribution", _whole_loss),
        ):
            _replace(module, name, make)
        _replace(TensorFlowTrainer, "_aggregate_additional_loss", _added)
        _replace(TensorFlowTrainer, "_make_function", _steps)


def _replace(owner, name, make):
    original = getattr(owner, name)
    mended = functools.wraps(original)(make(original))
    mended.mended = True
    setattr(owner, name, mended)


def _steps(original):
    def _make_function(self, step_function):
        if self.distribute_strategy not in _MENDED:
            return original(self, step_function)
        trains = step_function == self.train_step

        @functools.wraps(step_function)
        def on_a_share(data):
            _THREAD.share = _Share(self, data, trains)
            try:
                return step_function(data)
            finally:
                _THREAD.share = None

        return original(self, on_a_share)

    return _make_function


def _share():
    """Returns the share of the current thread, `None` outside of a step."""
    if tf.distribute.in_cross_replica_context():
        return None
    return getattr(_THREAD, "share", None)


def _reduction(original):
    def reduce_values(
        values, sample_weight=None, reduction="sum_over_batch_size"
    ):
        share = _share()
        if share is None or reduction not in ("sum", *_MEANS):
            return original(values, sample_weight, reduction)
        if values.shape.rank == 0:
            # A mean that the loss took by itself, unless it says otherwise.
            return values if reduction == "sum" else share.weighted(values)
        found = tf.reduce_sum(values)
        if reduction == "sum":
            return found
        if reduction == "mean_with_sample_weight" and sample_weight is not None:
            weights = tf.cast(tf.reduce_sum(sample_weight), values.dtype)
            return tf.math.divide_no_nan(found, share.total(weights))
        return tf.math.divide_no_nan(found, share.size(values))

    return reduce_values


def _masking(original):
    def apply_mask(sample_weight, mask, dtype, reduction):
        """Weighs what is not masked by size / number of what is not, as Keras
        does: both of the whole batch."""
        found = original(sample_weight, mask, dtype, reduction)
        share = _share()
        means = reduction in ("mean", "sum_over_batch_size")
        if share is None or mask is None or not means:
            return found
        size = tf.cast(tf.size(mask), dtype)
        kept = tf.reduce_sum(tf.cast(mask, dtype))
        sizes, all_kept = share.total(size, kept)
        whole = tf.math.divide_no_nan(sizes, all_kept)
        own = tf.math.divide_no_nan(size, kept)
        return found * tf.cast(tf.math.divide_no_nan(whole, own), found.dtype)

    return apply_mask


def _whole_loss(original):
    def unscale_loss_for_distribution(value):
        share = _share()
        if share is None or value.shape.rank != 0:
            return original(value)
        return share.total(value)

    return unscale_loss_for_distribution


def _added(original):
    def _aggregate_additional_loss(self, loss):
        """Weighs a loss that a layer adds by the share: one of weights is the
        same on all replicas, one of activations a mean over examples."""
        share = _share()
        if share is None:
            return original(self, loss)
        if not loss.dtype.is_floating:
            loss = tf.cast(loss, keras.config.floatx())
        return share.weighted(tf.reduce_sum(loss))

    return _aggregate_additional_loss
