"""One life of a model through kprune, and the comparisons that it needs."""

import contextlib
import random

import keras
import numpy as np
import tensorflow as tf
from networks import sequential

import kprune
from kprune.masking import layer_copies, weights


def normal(*shape):
    """The same draws from N(0, 1) each time."""
    return np.random.default_rng(1).normal(size=shape).astype("float32")


def two_layers():
    """A model with weights "a/kernel" (4, 5) and "b/kernel" (5, 2)."""
    layers = keras.layers.Dense(5, name="a"), keras.layers.Dense(2, name="b")
    return sequential((4,), *layers)


def checkerboard(*shape):
    """A mask that keeps every other entry, the first included."""
    return np.arange(np.prod(shape)).reshape(shape) % 2 == 0


def values(model):
    """Values of a model's variables, kprune's masks left out."""
    return [v.numpy() for v in layer_copies.values(model)]


def assert_same(one, other, tolerance=0.0):
    """Asserts that two structures of arrays are equal, to the bit or nearly."""
    if isinstance(one, dict):
        assert sorted(one) == sorted(other)
    one, other = keras.tree.flatten(one), keras.tree.flatten(other)
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        scale = np.abs(b).max(initial=1) if tolerance else 0
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * scale)


def pruned_values(model):
    """The stored values at all pruned positions of a wrapped model."""
    masked = [w for w in weights.find(model) if w.mask is not None]
    return np.concatenate([w.variable.numpy()[~w.mask.numpy()] for w in masked])


def random_states():
    """Python's and NumPy's global random state."""
    return random.getstate(), np.random.get_state()[1].tolist()


def variables(model):
    """All variables of a model, its optimizer's and its metrics' too."""
    optimizer = getattr(model, "optimizer", None)
    own = [*model.variables, *model.metrics_variables]
    return own if optimizer is None else [*own, *optimizer.variables]


@contextlib.contextmanager
def unchanged(*models):
    """Asserts that what is done inside changes no variable of models, nor
    the random state."""
    before = [[v.numpy() for v in variables(model)] for model in models]
    states = random_states()
    yield
    assert_same([variables(model) for model in models], before)
    assert random_states() == states


def saved_and_loaded(model, directory):
    """Returns what Keras loads of a model that it has saved."""
    model.save(directory / "saved.keras")
    return keras.models.load_model(directory / "saved.keras")


def live_through(model, x, y, directory, optimizer="adam", export=True):
    """Wraps, prunes, trains a step, saves, loads, strips and exports a model.

    At each station the outputs must be the same and the pruned values exactly
    zero; the model that came in, and the global random state, stay. The step
    is taken eagerly: to trace it takes longer than all the rest.

    Returns:
        The pruned model.
    """
    wrapped = kprune.wrap(model)
    assert_same(wrapped(x), model(x))
    assert_same(wrapped(x, training=True), model(x, training=True))
    # The same dropout was drawn, the same statistics were written.
    assert_same(values(wrapped), values(model))
    names = [w.name for w in weights.find(model)]
    assert [w.name for w in weights.find(wrapped)] == names
    assert len(set(names)) == len(names)
    with unchanged(model):
        pruned = kprune.prune(model, "magnitude", 0.8, on_collapse="ignore")
    assert all(w.mask is None for w in weights.find(model))
    assert all(v.constraint is None for v in model.trainable_variables)
    masks = kprune.get_masks(pruned)
    total = sum(mask.size for mask in masks.values())
    removed = sum(np.count_nonzero(~mask) for mask in masks.values())
    assert abs(removed - 0.8 * total) <= 1
    pruned.compile(optimizer, "mse", run_eagerly=True)
    start = values(pruned)
    pruned.train_on_batch(x, y)
    assert not all(
        np.array_equal(a, b) for a, b in zip(start, values(pruned), strict=True)
    )
    assert pruned_values(pruned).size == removed
    assert not pruned_values(pruned).any()
    outputs = pruned(x)
    loaded = saved_and_loaded(pruned, directory)
    assert_same(loaded(x), outputs)
    assert_same(kprune.get_masks(loaded), masks)
    assert isinstance(loaded, type(model))
    stripped = kprune.strip(pruned)
    assert type(stripped) is type(model)
    assert_same(values(stripped), values(pruned))
    assert_same(stripped(x), outputs)
    assert len(stripped.variables) == len(model.variables)
    if export:
        kprune.export(pruned, directory / "saved")
        served = tf.saved_model.load(directory / "saved")
        assert_same(served.serve(x), outputs, tolerance=1e-5)
    return pruned
