"""Recomputes moving statistics of a pruned network."""

import contextlib

import keras
import numpy as np
import tensorflow as tf
from keras.layers import BatchNormalization

from kprune.pruning.kept_weights import measuring
from kprune.runtime import checks, fit_arguments, identity, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.scoring.derivatives import at_least_float32
from kprune.scoring.objective import Objective


@checked(
    data=checks.optional(fit_arguments.finite_data),
    objective=checks.optional(
        checks.with_attributes("a kprune.Objective", "batches")
    ),
    sequential=checks.boolean,
)
def recalibrate(
    model: types.Model,
    seed: int = 0,
    *,
    data: types.Data | None = None,
    objective: Objective | None = None,
    sequential: bool = False,
) -> int:
    """Recomputes the moving statistics of batch normalization.

    After pruning, the inputs of layers no longer have the mean and variance
    that the layers store, and a network that is not trained further loses more
    accuracy than its pruned weights account for. Mean and variance are set to
    those of a layer's inputs over all of the data, which is streamed: batches
    are merged exactly, in float64, whatever their sizes.

    During the measurement, each layer normalizes with the statistics of the
    batch, as in training. It takes one pass over the data. No weight, gamma or
    beta changes, dropout is off, and padding is ignored. Frozen layers are
    measured too.

    Args:
        model: A built Keras model, wrapped or not, changed in place.
        seed: Not used: nothing is drawn.
        data: Calibration data as `fit` takes it; labels are ignored. A few
            hundred examples suffice. Never use the test data.
        objective: A `kprune.Objective` whose batches to use in place of
            `data`. In `kprune.Pruner(after_pruning=
            kprune.kept_weights.recalibrate)`, it is the objective that
            pruning used.
        sequential: Whether each layer is measured behind layers that normalize
            with their new statistics. In inference mode, the outputs of each
            layer then have exactly mean beta and standard deviation gamma over
            this data. It takes a part of a pass for each layer. Defaults to
            `False`.

    Returns:
        The number of layers measured, an integer.

    Raises:
        ValueError: If the model has no batch normalization or does not call
            one, or the data is invalid. The model is then unchanged.

    Example:

    >>> model = kprune.models.resnet_cifar(depth=8, input_shape=(8, 8, 1))
    >>> pruned = kprune.prune(model, "magnitude", 0.5)
    >>> kprune.kept_weights.recalibrate(pruned, data=train.take(10))
    9
    """
    del seed
    batches = measuring.batches(data, objective)
    layers = measuring.layers_of(model, BatchNormalization)
    if not layers:
        raise ValueError(
            "Expected a model with layers of batch normalization, which keep "
            f"moving statistics. Received: {model.name!r}, which has none"
        )
    walker = measuring.Walker(model, layers, batches)
    found = _one_by_one(walker) if sequential else _at_once(walker, layers)
    walker.check_called(found)
    _store(found)
    return len(found)


@contextlib.contextmanager
def recalibrating(model, data):
    """Recomputes, after a block that trains, the statistics that it moved.

    A short training leaves moving statistics between those of the network
    before and after. Layers whose statistics the block does not move are left
    alone: training normalized with them, as it does in frozen layers and in
    those called with `training=False`.

    Args:
        model: A built Keras model, wrapped or not.
        data: As of `recalibrate`.
    """
    layers = measuring.layers_of(model, BatchNormalization)
    before = [_statistics(layer) for layer in layers]
    yield
    moved = [
        layer
        for layer, old in zip(layers, before, strict=True)
        if not np.array_equal(old, _statistics(layer))
    ]
    if moved:
        walker = measuring.Walker(model, moved, measuring.batches(data, None))
        _store(_at_once(walker, moved))


def _statistics(layer):
    pair = layer.moving_mean, layer.moving_variance
    return [keras.ops.convert_to_numpy(variable) for variable in pair]


def _store(found):
    for layer, total in found.items():
        for variable, value in total.statistics(layer):
            variable.assign(value)


def _at_once(walker, layers):
    found = identity.ByIdentity((layer, Moments()) for layer in layers)

    def see(layer, x, valid, show):
        part = Moments.of(layer, x, valid)
        found[layer].add(part)
        for variable, value in part.statistics(layer):
            show(variable, value)

    walker.run(see)
    return identity.ByIdentity(
        (layer, total) for layer, total in found.items() if total.count
    )


def _one_by_one(walker):
    found = identity.ByIdentity()
    for layer in walker.order():
        total = found[layer] = Moments()

        def see(layer, x, valid, show, total=total):
            del show
            total.add(Moments.of(layer, x, valid))

        walker.run(see, only=layer)
        for variable, value in total.statistics(layer):
            walker.shown[variable] = value
    return found


class Moments:
    """Mean and variance of several batches, merged exactly (Chan et al.)."""

    def __init__(self, count=0.0, mean=0.0, variance=0.0):
        self.count, self.mean, self.variance = count, mean, variance

    @classmethod
    def of(cls, layer, x, valid):
        """Returns the moments of the input of a batch normalization layer.

        Args:
            layer: The layer.
            x: Its input.
            valid: Which positions of the input are not padding, or `None`.
        """
        x = at_least_float32(tf.convert_to_tensor(x))
        x = tf.experimental.numpy.moveaxis(x, layer.axis, -1)
        if valid is not None:
            x = tf.boolean_mask(x, tf.cast(valid, tf.bool))
        x = tf.reshape(x, [-1, x.shape[-1]])
        count = int(tf.shape(x)[0])
        if not count:
            return cls()
        mean = tf.reduce_mean(x, 0)
        variance = tf.reduce_mean(tf.math.squared_difference(x, mean), 0)
        as_wide = (np.asarray(part, np.float64) for part in (mean, variance))
        return cls(count, *as_wide)

    def add(self, other):
        """Merges other moments into these."""
        count = self.count + other.count
        if not count:
            return
        share, gap = other.count / count, other.mean - self.mean
        self.variance = (
            (1 - share) * self.variance
            + share * other.variance
            + share * (1 - share) * gap**2
        )
        self.mean = self.mean + share * gap
        self.count = count

    def statistics(self, layer):
        """Returns pairs of (variable, new value) of a layer's statistics."""
        if not self.count:
            return []
        return [
            (variable, tf.cast(value, variable.dtype))
            for variable, value in (
                (layer.moving_mean, self.mean),
                (layer.moving_variance, self.variance),
            )
        ]


METHOD = Method(
    "recalibrate",
    title="batch-norm recalibration",
    call="kprune.kept_weights.recalibrate(model, data=data)",
    paper="Li et al., 2020",
    link="https://arxiv.org/abs/2007.02491",
    test="tests/pruning/test_recalibration.py::"
    "test_statistics_are_those_of_all_examples_together",
    deviation="statistics are measured exactly, in place of moving averages "
    "that start from the old ones",
)
