"""Steps on several replicas whose shares of a batch differ in size.

Keras takes each replica's own mean of the loss, divides it by the number of
replicas, and sums: an example of a smaller share counts more, and so does one
beside examples that are masked or of little weight. Here each replica keeps
its own numerator, and the denominators are summed over all replicas,

    loss of a replica = sum over its share of w * l / denominator of the batch

so that the sum over replicas is the loss of one device on the whole batch,
whatever the shares. Keras shows that sum as the loss.

This applies within the steps of `fit` and `evaluate`, for the strategies
passed to `mend_losses` only; elsewhere Keras is unchanged. If a Keras release
lacks one of the functions to replace, `mend_losses` raises `AttributeError`.
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
# The strategies whose steps are changed.
_MENDED: weakref.WeakSet[tf.distribute.Strategy] = weakref.WeakSet()
# Its `share` is the one that the current thread computes on in such a step.
_THREAD = threading.local()
_LOCK = threading.Lock()


class _Share:
    """A replica's share of a batch: `count` examples `of` their total."""

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

        The replicas take turns in `all_reduce`, and all append their layers'
        losses to the same lists, so each replica restores its own afterwards.
        """
        replica = tf.distribute.get_replica_context()
        values = [tf.stop_gradient(value) for value in values]
        added = [list(layer._losses) for layer in self.layers]
        found = replica.all_reduce(tf.distribute.ReduceOp.SUM, values)
        for layer, own in zip(self.layers, added, strict=True):
            layer._losses[:] = own
        return found if len(found) > 1 else found[0]

    def weighted(self, value):
        """Returns a mean over the share, times its fraction of the batch."""
        count, of = (tf.cast(n, value.dtype) for n in (self.count, self.of))
        return value * (count / of)

    def size(self, values):
        """Returns the number of entries of `values` for the whole batch."""
        own, count, of = (
            tf.cast(n, values.dtype)
            for n in (tf.size(values), self.count, self.of)
        )
        return tf.math.divide_no_nan(own, count) * of


def mend_losses(strategy):
    """Weights uneven shares of a batch by their size in `fit` and `evaluate`
    under a strategy of one process. A second call is a no-op.
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
    """Returns the share of the current thread, or `None` outside of a step."""
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
            # A scalar is a mean that the loss took itself, unless it sums.
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
        """Weights unmasked entries by (number of entries / number of unmasked
        ones), as Keras does, but with both numbers of the whole batch."""
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
        """Scales a layer's loss by the share: a loss on weights is equal on
        all replicas, a loss on activations is a mean over examples."""
        share = _share()
        if share is None:
            return original(self, loss)
        if not loss.dtype.is_floating:
            loss = tf.cast(loss, keras.config.floatx())
        return share.weighted(tf.reduce_sum(loss))

    return _aggregate_additional_loss
