"""What the clustering shim promises beside TFMOT's centroids."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from kprune.tfmot.clustering import keras as clustering
from networks import MSE, conv_net, dense_net, sequential, two_replicas

import kprune
from kprune.learned.tfmot.clustering.keras.cluster_config import (
    GradientAggregation,
)

layers = keras.layers
LINEAR = clustering.CentroidInitialization.LINEAR
cluster_weights = clustering.experimental.cluster_weights


def data(inputs=8, outputs=3):
    rng = np.random.RandomState(0)
    x = rng.normal(size=(16, inputs)).astype(np.float32)
    return x, rng.normal(size=(16, outputs)).astype(np.float32)


def fit(model, rate=0.05, **options):
    model.compile(keras.optimizers.SGD(rate), MSE, **options)
    model.fit(*data(), 8, epochs=2, verbose=0, shuffle=False)
    return model


def kernels(model):
    return [
        np.array(w.variable.value) for w in kprune.masking.weights.find(model)
    ]


def unit(values, **options):
    """Returns a model of one unit, x to w.x, clustered, and its wrapper."""
    model = sequential(
        (len(values),),
        layers.Dense(1, use_bias=False),
        values=[np.reshape(values, (-1, 1))],
    )
    model = cluster_weights(model, cluster_centroids_init=LINEAR, **options)
    return model, model.layers[0]


def test_one_step_by_hand():
    # Centroids 0, 1, 2; the weights compute as 0, 0, 1 and 2.
    model, wrapped = unit([0.0, 0.4, 0.9, 2.0], number_of_clusters=3)
    x = np.array([[1.0, 2.0, 3.0, 4.0]], np.float32)
    assert float(model(x)[0, 0]) == 11
    model.compile(keras.optimizers.SGD(0.01), MSE)
    model.fit(x, np.array([[10.0]]), verbose=0)
    # dL/dw = 2 (11 - 10) x = [2, 4, 6, 8]: of centroids [2 + 4, 6, 8].
    (centroids,) = wrapped.cluster_centroids.values()
    expected = [-0.06, 1 - 0.06, 2 - 0.08]
    np.testing.assert_allclose(centroids.value, expected, rtol=1e-6)
    expected = [[-0.02], [0.4 - 0.04], [0.9 - 0.06], [2 - 0.08]]
    kernel = wrapped.layer.kernel.value
    np.testing.assert_allclose(kernel, expected, rtol=1e-6)


def test_means_of_gradients_by_hand():
    _, wrapped = unit(
        [0.0, 0.4, 0.9, 2.0],
        number_of_clusters=3,
        cluster_gradient_aggregation=GradientAggregation.AVG,
    )
    (centroids,) = wrapped.cluster_centroids.values()
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(wrapped(tf.constant([[1.0, 2.0, 3.0, 4.0]])))
    gradient = tape.gradient(y, centroids.value)
    np.testing.assert_array_equal(gradient, [1.5, 3, 4])
    assert float(y) == 11


def test_zeros_stay_zeros():
    values = np.random.RandomState(0).normal(size=(8, 16)).astype(np.float32)
    model = dense_net(norm=False, dropout=0)
    zero = np.abs(values) < 0.6
    model.get_layer("a").kernel.assign(np.where(zero, 0, values))
    clustered = fit(cluster_weights(model, 5, preserve_sparsity=True), 0.2)
    plain = clustering.strip_clustering(clustered)
    kernel = np.array(plain.get_layer("a").kernel.value)
    assert (kernel[zero] == 0).all()
    assert np.mean(kernel == 0) < 0.7
    assert len(np.unique(kernel)) <= 5


def test_a_weight_that_is_zero_throughout():
    model = dense_net(norm=False, dropout=0)
    model.get_layer("a").kernel.assign(np.zeros((8, 16)))
    clustered = fit(cluster_weights(model, 4, preserve_sparsity=True))
    plain = clustering.strip_clustering(clustered)
    assert not np.array(plain.get_layer("a").kernel.value).any()


@pytest.mark.parametrize("init", clustering.CentroidInitialization)
def test_the_model_that_came_in_stays_and_what_comes_out_is_plain(init):
    model = dense_net()
    before = [np.array(v.value) for v in model.variables]
    clustered = fit(clustering.cluster_weights(model, 4, init))
    for value, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(value, np.array(variable.value))
    plain = clustering.strip_clustering(clustered)
    assert [x.name for x in plain.layers] == [x.name for x in model.layers]
    assert type(plain.get_layer("a")) is layers.Dense
    for kernel in kernels(plain):
        assert len(np.unique(kernel)) <= 4
    x = data()[0]
    np.testing.assert_allclose(plain(x), clustered(x), rtol=1e-5, atol=1e-6)


def test_channels_have_centroids_of_their_own():
    model = conv_net()
    clustered = cluster_weights(model, 3, cluster_per_channel=True)
    first = clustered.layers[[x.name for x in model.layers].index("conv")]
    (centroids,) = first.cluster_centroids.values()
    assert tuple(centroids.shape) == (4, 3)
    kernel = clustering.strip_clustering(clustered).get_layer("conv").kernel
    kernel = np.moveaxis(np.array(kernel.value), -1, 0)
    assert max(len(np.unique(channel)) for channel in kernel) <= 3
    assert len(np.unique(kernel)) > 3


def test_a_saved_training_goes_on(tmp_path):
    path = str(tmp_path / "half.keras")
    model = dense_net(norm=False, dropout=0)
    model.get_layer("a").kernel.assign(np.eye(8, 16))
    clustered = fit(cluster_weights(model, 4, preserve_sparsity=True))
    clustered.save(path)
    loaded = keras.models.load_model(path)
    for one in (clustered, loaded):
        one.fit(*data(), 8, verbose=0, shuffle=False)
    pairs = zip(clustered.variables, loaded.variables, strict=True)
    for a, b in pairs:
        np.testing.assert_array_equal(np.array(a.value), np.array(b.value))
    assert loaded.layers[0].arguments == clustered.layers[0].arguments


def test_two_replicas_train_as_one():
    def trained(strategy):
        with strategy.scope():
            net = dense_net(norm=False, dropout=0)
            return fit(cluster_weights(net, 4, LINEAR))

    one = trained(tf.distribute.get_strategy())
    two = trained(two_replicas())
    for a, b in zip(one.variables, two.variables, strict=True):
        b = np.array(b.value.values[0])
        np.testing.assert_allclose(np.array(a.value), b, 1e-4, 1e-6)


class Own(layers.Dense, clustering.ClusterableLayer):
    def get_clusterable_weights(self):
        return [("kernel", self.kernel), ("bias", self.bias)]


@pytest.mark.parametrize(
    ("layer", "shape", "names"),
    [
        (Own(3), (4,), ["kernel", "bias"]),
        (layers.SeparableConv2D(3, 2), (4, 4, 2), ["pointwise_kernel"]),
        (layers.Embedding(5, 4), (3,), ["embeddings"]),
        (
            layers.LSTM(3),
            (4, 2),
            ["cell/kernel", "cell/recurrent_kernel"],
        ),
        (
            layers.Bidirectional(layers.GRU(2)),
            (4, 2),
            [
                f"{way}_layer/cell/{name}"
                for way in ("forward", "backward")
                for name in ("kernel", "recurrent_kernel")
            ],
        ),
    ],
)
def test_which_weights_of_a_layer(layer, shape, names):
    model = cluster_weights(sequential(shape, layer), 2, LINEAR)
    (wrapped,) = model.layers
    assert list(wrapped.parts) == names
    x = np.ones((2, *shape), np.float32)
    plain = clustering.strip_clustering(model)
    np.testing.assert_allclose(plain(x), model(x), rtol=1e-5)


def test_a_layer_with_few_weights_stays():
    model = sequential((2,), layers.Dense(2), layers.Dense(8))
    with pytest.warns(UserWarning, match="has 4 entries"):
        clustered = cluster_weights(model, 4)
    kinds = [type(x).__name__ for x in clustered.layers]
    assert kinds == ["Dense", "ClusterWeights"]


class Unknown(layers.Layer):
    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 2), name="kernel")

    def call(self, x):
        return x @ self.kernel


WRONG = {
    "one cluster": (lambda: cluster_weights(dense_net(), 1), "number_of_cl"),
    "two with zeros": (
        lambda: cluster_weights(dense_net(), 2, preserve_sparsity=True),
        "one centroid is zero",
    ),
    "clusters in float": (
        lambda: cluster_weights(dense_net(), 4.0),
        "number_of_clusters",
    ),
    "initialization": (
        lambda: cluster_weights(dense_net(), 4, "linear"),
        "CentroidInitialization.LINEAR",
    ),
    "preserve a string": (
        lambda: cluster_weights(dense_net(), 4, preserve_sparsity="yes"),
        "preserve_sparsity",
    ),
    "a layer of one's own": (
        lambda: cluster_weights(sequential((3,), Unknown()), 4),
        "ClusterableLayer",
    ),
    "a model with masks": (
        lambda: cluster_weights(kprune.wrap(dense_net()), 4),
        "has masks",
    ),
    "no layer": (lambda: cluster_weights("model", 4), "to_cluster"),
    "strip a layer": (
        lambda: clustering.strip_clustering(Unknown()),
        "keras.Model",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments_are_answered(case):
    call, words = WRONG[case]
    with pytest.raises(ValueError, match=words):
        call()


def test_half_precision_clusters_in_full():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        net = dense_net(norm=False, dropout=0)
        clustered = cluster_weights(net, 3, LINEAR)
    finally:
        keras.config.set_dtype_policy(before)
    assert clustered(data()[0]).dtype == tf.float16
    (centroids,) = clustered.layers[0].cluster_centroids.values()
    kernel = clustering.strip_clustering(clustered).get_layer("a").kernel
    found = np.unique(np.array(kernel.value))
    np.testing.assert_array_equal(found, np.array(centroids.value))
