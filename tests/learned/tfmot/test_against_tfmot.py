"""The shim's masks and centroids are TFMOT's own, bit for bit.

`tests/fixtures/tfmot.npz` is what TFMOT 0.8.1 computes: the docstring of
`tools/studies/tfmot/run.py` has the command.
"""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from kprune import tfmot
from kprune.learned.tfmot.clustering.keras import centroids
from studies.tfmot import settings

FIXTURE = pathlib.Path(__file__).parents[2] / "fixtures/tfmot.npz"
STORED = np.load(FIXTURE)
sparsity, clustering = tfmot.sparsity.keras, tfmot.clustering.keras


def layer(kind):
    if kind == "dense":
        return keras.layers.Dense(settings.SHAPES[kind][-1], name="one")
    return keras.layers.Conv2D(7, 3, name="one")


def masks_of(kind, steps=settings.STEPS, **options):
    """Returns the mask after each step of a wrapped layer whose weights are
    set anew before each."""
    wrapped = sparsity.prune_low_magnitude(layer(kind), **options)
    x = settings.inputs(kind)
    wrapped(x)
    wrapped.pruning_step.assign(0)
    found = []
    for step in range(1, steps + 1):
        variable, mask, _ = wrapped.pruning_vars[0]
        variable.assign(settings.weights(kind, step))
        wrapped(x, training=True)
        found.append(np.array(mask.value))
    return np.stack(found)


@pytest.mark.parametrize("name", settings.SCHEDULES)
@pytest.mark.parametrize("kind", settings.SHAPES)
def test_masks_of_a_schedule(kind, name):
    cls, args, more = settings.SCHEDULES[name]
    schedule = getattr(sparsity, cls)(*args, **more)
    masks = masks_of(kind, pruning_schedule=schedule)
    np.testing.assert_array_equal(masks, STORED[f"mask/{kind}/{name}"])


@pytest.mark.parametrize(("m", "n"), settings.M_BY_N)
@pytest.mark.parametrize("kind", settings.SHAPES)
def test_masks_of_m_by_n(kind, m, n):
    masks = masks_of(kind, 2, sparsity_m_by_n=(m, n))
    np.testing.assert_array_equal(masks, STORED[f"m_by_n/{kind}/{m}/{n}"])


@pytest.mark.parametrize("pooling", ["AVG", "MAX"])
@pytest.mark.parametrize(("height", "width"), settings.BLOCKS)
def test_masks_of_blocks(height, width, pooling):
    masks = masks_of(
        "dense",
        3,
        pruning_schedule=sparsity.ConstantSparsity(0.5, 1, frequency=1),
        block_size=(height, width),
        block_pooling_type=pooling,
    )
    stored = STORED[f"block/{pooling}/{height}/{width}"]
    np.testing.assert_array_equal(masks, stored)


def sparse(kind):
    values = settings.weights(kind)
    return np.where(np.abs(values) < 0.4, 0, values)


def settings_of(init):
    """Yields (name of stored centroids, kind, count, preserve, by channel)."""
    keys = [key for key in STORED if key.startswith("centroids/")]
    for key in keys:
        _, kind, count, of, preserve, channel = key.split("/")
        if of == init:
            yield key, kind, int(count), preserve == "1", channel == "1"


@pytest.mark.parametrize("init", settings.INITS)
def test_first_centroids(init):
    how = clustering.CentroidInitialization[init]
    found = list(settings_of(init))
    assert len(found) == 12
    for key, kind, count, preserve, channel in found:
        tf.random.set_seed(7)
        parts = np.moveaxis(sparse(kind), -1, 0) if channel else [sparse(kind)]
        parts = [centroids.initial(x, count, how, preserve) for x in parts]
        first = np.stack(parts) if channel else parts[0]
        np.testing.assert_array_equal(first, STORED[key], key)


@pytest.mark.parametrize("init", settings.INITS)
def test_what_centroids_lead_to(init):
    how = clustering.CentroidInitialization[init]
    for key, kind, count, preserve, channel in settings_of(init):
        one = layer(kind)
        one.build(settings.inputs(kind).shape)
        one.kernel.assign(sparse(kind))
        tf.random.set_seed(7)
        wrapped = clustering.experimental.cluster_weights(
            one,
            count,
            how,
            preserve_sparsity=preserve,
            cluster_per_channel=channel,
        )
        variable = wrapped.cluster_centroids["kernel"]
        np.testing.assert_array_equal(np.array(variable.value), STORED[key])
        (weight,) = wrapped.effective_weights().values()
        stored = STORED[key.replace("centroids", "clustered")]
        np.testing.assert_array_equal(weight, stored, key)


FIT = {"batch_size": 5, "epochs": 2, "shuffle": False, "verbose": 0}


def network(kernels):
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, "relu", name="first"),
            keras.layers.Dense(3, name="second"),
        ]
    )
    for one, kernel in zip(model.layers, kernels, strict=True):
        one.kernel.assign(kernel)
    return model


def test_a_training_with_momentum():
    x, y, kernels = settings.training_data()
    schedule = sparsity.PolynomialDecay(0.3, 0.8, 0, 20, 3, 2)
    model = sparsity.prune_low_magnitude(network(kernels), schedule)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "mse")
    model.fit(x, y, callbacks=[sparsity.UpdatePruningStep()], **FIT)
    for place, one in enumerate(model.layers):
        variable, mask, _ = one.pruning_vars[0]
        stored = STORED[f"fit/mask/{place}"]
        np.testing.assert_array_equal(np.array(mask.value), stored)
        # Other kernels of another TensorFlow may round otherwise.
        stored = STORED[f"fit/kernel/{place}"]
        np.testing.assert_allclose(np.array(variable.value), stored, 1e-4, 1e-6)


@pytest.mark.parametrize("preserve", [False, True])
def test_a_training_of_centroids(preserve):
    x, y, kernels = settings.training_data()
    held = [np.where(np.abs(k) < 0.5, 0, k) for k in kernels]
    linear = clustering.CentroidInitialization.LINEAR
    model = clustering.cluster_weights(
        network(held), 5, linear, preserve_sparsity=preserve
    )
    model.compile(keras.optimizers.SGD(0.02), "mse")
    model.fit(x, y, **FIT)
    plain = clustering.strip_clustering(model)
    for place, one in enumerate(plain.layers):
        found = np.array(one.kernel.value)
        stored = STORED[f"fit/clustered/{preserve:d}/{place}"]
        np.testing.assert_allclose(found, stored, 1e-4, 2e-6)
        assert len(np.unique(found)) == len(np.unique(stored))
