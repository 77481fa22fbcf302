"""Pruned weights stay at zero under every optimizer that Keras has."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from lifecycle import (
    assert_same,
    checkerboard,
    normal,
    pruned_values,
    two_layers,
    values,
)

import kprune
from kprune.training.optimizers import TorchSGD

OPTIMIZERS = {
    name: cls
    for name, cls in vars(keras.optimizers).items()
    if inspect.isclass(cls)
    and issubclass(cls, keras.optimizers.Optimizer)
    and cls is not keras.optimizers.Optimizer
} | {"TorchSGD": TorchSGD}
HARD = {"weight_decay": 0.1, "use_ema": True, "ema_momentum": 0.5}
MASK, DATA = checkerboard(4, 5), (normal(16, 4), normal(16, 2))


def make(name, **options):
    """An optimizer of a class, the wrapping ones around an Adam."""
    cls = OPTIMIZERS[name]
    if name == "LossScaleOptimizer":
        return cls(keras.optimizers.Adam(0.01, **options))
    if name == "MultiOptimizer":
        inner = keras.optimizers.Adam(0.01, **options)
        muon = {"a/kernel": keras.optimizers.Muon(0.01, **options)}
        return cls(keras.optimizers.OptimizerMap(inner, muon))
    if name in ("SGD", "RMSprop", "TorchSGD"):
        options["momentum"] = 0.9
    return cls(learning_rate=0.01, **options)


def test_the_list_is_of_all_that_keras_exports():
    names = {"SGD", "Adam", "Adafactor", "Lion", "Muon", "LossScaleOptimizer"}
    assert names <= set(OPTIMIZERS) and len(OPTIMIZERS) >= 14


class ChangeMasks(keras.callbacks.Callback):
    """Prunes more after the second step, and looks after each step."""

    def on_train_begin(self, logs=None):
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(pruned_values(self.model))
        if batch == 1:
            self.before = self.slots()
            kprune.set_masks(self.model, {"a/kernel": MASK})
            self.after = self.slots()

    def slots(self):
        return [v.numpy() for v in self.model.optimizer.variables]


PLAIN = [pytest.param(name, {}, marks=pytest.mark.slow) for name in OPTIMIZERS]


@pytest.mark.parametrize(
    "name, options", [*((name, HARD) for name in OPTIMIZERS), *PLAIN]
)
def test_pruned_weights_and_their_slots_stay_zero(name, options):
    model = kprune.wrap(two_layers())
    kprune.set_masks(model, {"b/kernel": checkerboard(5, 2)})
    if options:
        options = {**options, "ema_overwrite_frequency": 2}
        if name not in ("LossScaleOptimizer", "MultiOptimizer"):
            options["gradient_accumulation_steps"] = 2
    model.compile(make(name, **options), "mse", run_eagerly=True)
    start, change, x, y = values(model), ChangeMasks(), *DATA
    # The end of `fit` assigns the moving averages to the weights.
    model.fit(x, y, 4, callbacks=[change], shuffle=False, verbose=0)
    assert [seen.size for seen in change.seen] == [5] * 2 + [15] * 2
    assert not any(seen.any() for seen in change.seen)
    assert not pruned_values(model).any()
    for weight, mask in ((0, MASK), (2, checkerboard(5, 2))):
        now = values(model)[weight]
        assert np.isfinite(now).all()
        assert (now != start[weight])[mask].any()
    zeroed = 0
    for before, after in zip(change.before, change.after, strict=True):
        if before.shape == (4, 5):
            zeroed += np.count_nonzero(before[~MASK])
            before = np.where(MASK, before, 0)
        assert_same(after, before)
    assert zeroed or not options  # Plain, some optimizers have no slots.


def test_slots_of_an_optimizer_in_an_own_loop():
    model = kprune.wrap(two_layers())
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    step(normal(4, 4), normal(4, 2))
    kprune.set_masks(model, {"a/kernel": MASK}, optimizer)
    (momentum,) = [v for v in optimizer.variables if v.shape == (4, 5)]
    assert not momentum.numpy()[~MASK].any()
    # The traced step reads the new mask.
    step(normal(4, 4), normal(4, 2))
    assert not pruned_values(model).any()
    assert not momentum.numpy()[~MASK].any()
    assert momentum.numpy()[MASK].all()


def test_a_weight_that_returns_starts_clean():
    # Without the momentum of before: one step moves a weight that comes back
    # by its new gradient alone, from zero to -0.1 times that.
    model = kprune.wrap(two_layers())
    sgd = keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(sgd, "mse", run_eagerly=True)
    x, y = normal(8, 4), normal(8, 2)
    model.fit(x, y, epochs=2, verbose=0)
    kprune.set_masks(model, {"a/kernel": MASK})
    kprune.set_masks(model, {"a/kernel": np.ones((4, 5))})
    kernel = model.trainable_variables[0]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(x) - y) ** 2)
    gradient = tape.gradient(loss, kernel.value).numpy()
    model.train_on_batch(x, y)
    returned = kernel.numpy()[~MASK]
    np.testing.assert_allclose(returned, -0.1 * gradient[~MASK], rtol=1e-4)


@pytest.mark.parametrize("name, jit", [("Muon", False), ("TorchSGD", True)])
def test_in_graph_mode_with_averages_and_xla(name, jit):
    model = kprune.prune(two_layers(), "magnitude", 0.5)
    model.compile(make(name, **HARD), "mse", jit_compile=jit)
    before = values(model)
    model.fit(normal(8, 4), normal(8, 2), 4, verbose=0)
    assert (values(model)[0] != before[0]).any()
    assert pruned_values(model).size == 15
    assert not pruned_values(model).any()
