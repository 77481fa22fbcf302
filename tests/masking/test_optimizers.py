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

OPTIMIZERS = {
    name: cls
    for name, cls in vars(keras.optimizers).items()
    if inspect.isclass(cls)
    and issubclass(cls, keras.optimizers.Optimizer)
    and cls is not keras.optimizers.Optimizer
}
HARD = {"weight_decay": 0.1, "use_ema": True, "ema_momentum": 0.5}


def make(name, **options):
    """An optimizer of a class, the wrapping ones around an Adam."""
    cls = OPTIMIZERS[name]
    if name == "LossScaleOptimizer":
        return cls(keras.optimizers.Adam(0.01, **options))
    if name == "MultiOptimizer":
        inner = keras.optimizers.Adam(0.01, **options)
        muon = {"a/kernel": keras.optimizers.Muon(0.01, **options)}
        return cls(keras.optimizers.OptimizerMap(inner, muon))
    if name in ("SGD", "RMSprop"):
        options["momentum"] = 0.9
    return cls(learning_rate=0.01, **options)


def test_the_list_is_of_all_that_keras_exports():
    names = {"SGD", "Adam", "Adafactor", "Lion", "Muon", "LossScaleOptimizer"}
    assert names <= set(OPTIMIZERS) and len(OPTIMIZERS) >= 14


class ChangeMasks(keras.callbacks.Callback):
    """Prunes more after the third step, and looks after each step."""

    def on_train_batch_end(self, batch, logs=None):
        self.model.seen.append(pruned_values(self.model))
        if batch == 2:
            kprune.set_masks(self.model, {"a/kernel": checkerboard(4, 5)})


@pytest.mark.parametrize("options", [{}, HARD], ids=["plain", "hard"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_pruned_weights_stay_zero(name, options):
    model = kprune.wrap(two_layers())
    kprune.set_masks(model, {"b/kernel": checkerboard(5, 2)})
    if options:
        options = {**options, "ema_overwrite_frequency": 4}
    model.compile(make(name, **options), "mse", run_eagerly=True)
    model.seen, before = [], values(model)
    x, y = normal(24, 4), normal(24, 2)

    # The end of `fit` assigns the moving averages to the weights.
    model.fit(x, y, 4, callbacks=[ChangeMasks()], shuffle=False, verbose=0)

    assert [seen.size for seen in model.seen] == [5] * 3 + [15] * 3
    assert not any(seen.any() for seen in model.seen)
    assert not pruned_values(model).any()
    for now, start, mask in zip(
        values(model)[::2],
        before[::2],
        (checkerboard(4, 5), checkerboard(5, 2)),
        strict=True,
    ):
        assert np.isfinite(now).all()
        assert (now != start)[mask].any()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_slots_of_removed_weights_are_zeroed(name):
    if name in ("LossScaleOptimizer", "MultiOptimizer"):
        options = {"use_ema": True}
    else:
        options = {"use_ema": True, "gradient_accumulation_steps": 2}
    model = kprune.wrap(two_layers())
    optimizer = make(name, **options)
    model.compile(optimizer, "mse", run_eagerly=True)
    model.fit(normal(12, 4), normal(12, 2), 4, verbose=0)  # 3 steps.
    slots = [v for v in optimizer.variables if tuple(v.shape) == (4, 5)]
    before = [slot.numpy() for slot in slots]
    others = [v for v in optimizer.variables if tuple(v.shape) != (4, 5)]
    untouched = [v.numpy() for v in others]
    mask = checkerboard(4, 5)

    kprune.set_masks(model, {"a/kernel": mask})

    assert len(slots) >= len(options)
    assert any(slot[~mask].any() for slot in before)
    for slot, start in zip(slots, before, strict=True):
        assert_same(slot, np.where(mask, start, 0))
    assert_same(others, untouched)


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
    kprune.set_masks(model, {"a/kernel": checkerboard(4, 5)}, optimizer)
    (momentum,) = [v for v in optimizer.variables if v.shape == (4, 5)]
    assert not momentum.numpy()[~checkerboard(4, 5)].any()
    # The traced step reads the new mask.
    step(normal(4, 4), normal(4, 2))
    assert not pruned_values(model).any()
    assert not momentum.numpy()[~checkerboard(4, 5)].any()
    assert momentum.numpy()[checkerboard(4, 5)].all()


def test_a_weight_that_returns_starts_clean():
    # Without the momentum of before: one step moves a weight that comes back
    # by its new gradient alone, from zero to -0.1 times that.
    model = kprune.wrap(two_layers())
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    x, y = normal(8, 4), normal(8, 2)
    model.fit(x, y, epochs=2, verbose=0)
    kprune.set_masks(model, {"a/kernel": checkerboard(4, 5)})
    kprune.set_masks(model, {"a/kernel": np.ones((4, 5))})
    kernel = model.trainable_variables[0]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(x) - y) ** 2)
    gradient = tape.gradient(loss, kernel.value).numpy()

    model.fit(x, y, verbose=0)

    returned = kernel.numpy()[~checkerboard(4, 5)]
    np.testing.assert_allclose(
        returned, -0.1 * gradient[~checkerboard(4, 5)], rtol=1e-4
    )


def test_in_graph_mode_with_averages_and_xla():
    for jit in (False, True):
        model = kprune.prune(two_layers(), "magnitude", 0.5)
        model.compile(make("Muon", **HARD), "mse", jit_compile=jit)
        model.fit(normal(8, 4), normal(8, 2), 4, verbose=0)
        assert pruned_values(model).size == 15
        assert not pruned_values(model).any()
