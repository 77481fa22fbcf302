"""A few shared values per layer, worked out by hand; zeros stay zero."""

import functools
import zlib

import keras
import numpy as np
import pytest
from networks import conv_net, dense_net, sequential

import kprune
from kprune.pruning.kept_weights.cluster import k_means

cluster = kprune.kept_weights.cluster


def net(values, dtype=None):
    kernel = np.array([values])
    layer = keras.layers.Dense(kernel.shape[1], dtype=dtype, name="fc")
    return sequential((1,), layer, values=[kernel, np.ones(kernel.shape[1])])


def kernel(model):
    (weight,) = kprune.masking.weights.find(model)
    return np.array(weight.variable, "float32")[0]


def test_the_numbers():
    # Centroids begin at 1 and 9: of the border 5, {1, 2, 4} and {6, 9} have
    # the means 7/3 and 7.5. Their border, 4.9, parts the same: the end.
    model = net([1.0, 0.0, 2.0, 4.0, 6.0, 9.0, 0.0])
    found = cluster(model, clusters=2)
    np.testing.assert_allclose(found["fc/kernel"], [7 / 3, 7.5])
    low = 7 / 3
    expected = [low, 0, low, low, 7.5, 7.5, 0]
    np.testing.assert_allclose(kernel(model), expected, rtol=1e-6)
    np.testing.assert_array_equal(model.get_layer("fc").bias, np.ones(7))


def test_rounds_go_on_to_the_end():
    # From 0 and 10, the border is 5 and the means 4.9/4 and 20.3/3; of these
    # it is 4, which 4.9 is above. Then they are 0 and 25.2/4.
    found = k_means(np.array([0, 0, 0, 4.9, 5.1, 5.2, 10]), 2)
    np.testing.assert_allclose(found, [0, 6.3])


def test_clusters_without_a_weight_are_left_out():
    found = k_means(np.array([0.0, 0.1, 0.2, 9.8, 9.9, 10.0]), 5)
    np.testing.assert_allclose(found, [0.1, 9.9])


@pytest.mark.parametrize("keep_pruned_values", [False, True])
def test_what_is_pruned_and_what_is_zero_stay(keep_pruned_values):
    model = net([1.0, 2.0, -3.0, 8.0, 0.0])
    model = kprune.wrap(model, keep_pruned_values=keep_pruned_values)
    mask = np.array([[1, 1, 1, 0, 1]], bool)
    kprune.set_masks(model, {"fc/kernel": mask})
    stored = kernel(model)[3]
    assert bool(stored) == keep_pruned_values
    found = cluster(model, clusters=2)
    np.testing.assert_array_equal(found["fc/kernel"], [-3, 1.5])
    np.testing.assert_array_equal(kernel(model), [1.5, 1.5, -3, stored, 0])
    np.testing.assert_array_equal(kprune.get_masks(model)["fc/kernel"], mask)


def test_few_values_and_none_stay_as_they_are():
    for values in ([1.0, 2.0, 2.0, 0.0], [0.0, 0.0]):
        model = net(values)
        found = cluster(model, clusters=2)
        np.testing.assert_array_equal(kernel(model), values)
        expected = sorted({*values} - {0.0})
        np.testing.assert_array_equal(found["fc/kernel"], expected)


@pytest.mark.parametrize("clusters", [1, 4, 16])
@pytest.mark.parametrize("make", [dense_net, conv_net])
def test_what_holds_of_any_model(make, clusters):
    model = kprune.prune(make(), "magnitude", 0.5)
    before = {w.name: np.array(w.variable) for w in weights(model)}
    masks = kprune.get_masks(model)
    found = cluster(model, clusters=clusters)
    assert found.keys() == masks.keys()
    for weight in weights(model):
        after, was = np.array(weight.variable), before[weight.name]
        np.testing.assert_array_equal(after != 0, masks[weight.name])
        assert np.unique(after[after != 0]).size <= clusters
        # No weight is nearer to the centroid of another cluster.
        distances = np.abs(was[..., None] - found[weight.name]).min(-1)
        kept = masks[weight.name]
        error = np.abs(after - was)[kept]
        np.testing.assert_allclose(error, distances[kept], atol=1e-6)
    again = cluster(model, clusters=clusters)
    for name, centroids in again.items():
        np.testing.assert_allclose(centroids, found[name], rtol=1e-6)


def weights(model):
    return [w for w in kprune.masking.weights.find(model) if w.mask is not None]


def test_a_file_of_it_compresses():
    def size(model):
        arrays = [np.array(w.variable).tobytes() for w in weights(model)]
        return len(zlib.compress(b"".join(arrays)))

    model = kprune.prune(dense_net(64, 256), "magnitude", 0.5)
    before = size(model)
    cluster(model, clusters=16)
    assert size(model) < before / 3


def test_it_is_a_rule_of_a_pruner():
    rule = functools.partial(cluster, clusters=4)
    pruner = kprune.Pruner("magnitude", after_pruning=rule)
    model = kprune.prune(dense_net(), pruner, 0.5)
    for weight in weights(model):
        values = np.array(weight.variable)
        assert np.unique(values[values != 0]).size <= 4


def test_half_precision():
    model = net([1.0, 2.0, 9.0], "bfloat16")
    cluster(model, clusters=2)
    np.testing.assert_array_equal(kernel(model), [1.5, 1.5, 9])


def test_what_has_no_mean_is_refused_and_nothing_changed():
    model = dense_net()
    last = model.get_layer("b").kernel
    last.assign(np.full(last.shape, np.inf))
    before = [np.array(v) for v in model.variables]
    with pytest.raises(ValueError, match="'b/kernel' keeps weights"):
        cluster(model, clusters=2)
    for one, other in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(one, other)
    for wrong in (0, 2.5, None):
        with pytest.raises(ValueError, match="`clusters`"):
            cluster(model, clusters=wrong)
