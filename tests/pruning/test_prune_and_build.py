"""Prune and build: shapes, fan-in, and which neurons are kept."""

import keras
import numpy as np
import pytest
from networks import CE, examples

import kprune
from kprune.pruning.neurons import prune_and_build as module
from kprune.pruning.neurons.prune_and_build import prune_and_build

X, Y = DATA = examples(60, 4, 2)


def dense(model):
    return [x for x in model.layers if isinstance(x, keras.layers.Dense)]


def test_it_is_a_plain_network_of_the_widths():
    model = prune_and_build((7, 5, 3), 40, DATA, 3)
    shapes = [layer.kernel.shape for layer in dense(model)]
    assert shapes == [(8, 7), (7, 5), (5, 3), (3, 3)]
    names = [(one.name, one.activation.__name__) for one in dense(model)]
    assert names[:3] == [("fc1", "tanh"), ("fc2", "tanh"), ("fc3", "tanh")]
    assert names[3:] == [("fc4", "linear")]
    fc = kprune.models.fc((7, 5, 3), classes=3, input_shape=(4, 2))
    assert model.count_params() == fc.count_params()
    assert model(X).shape == (60, 3)


def test_widths_may_be_integers_of_numpy():
    widths, build, classes = (np.int64(5),), np.int64(9), np.int32(3)
    model = prune_and_build(widths, build, DATA, classes)
    assert [one.units for one in dense(model)] == [5, 3]


def test_fan_in_is_that_of_the_pruned_layers():
    model = prune_and_build((4, 4), 900, DATA, 3)
    # Limits 1 / sqrt(8), 1 / sqrt(4); of the output layer, read by 900.
    for layer, fan_in in zip(dense(model), (8, 4, 900), strict=True):
        limit = fan_in**-0.5
        largest = np.abs(layer.kernel.numpy()).max()
        assert 0.6 * limit < largest <= limit
        assert 0 < np.abs(layer.bias.numpy()).max() <= limit


@pytest.mark.parametrize("criterion", ["ossum", "linear_ossum", "log_ossum"])
def test_it_keeps_the_best_of_each_layer(criterion, monkeypatch):
    seen = []
    best = module._best

    def recorded(model, *arguments):
        kept = best(model, *arguments)
        seen.append((model, kept))
        return kept

    monkeypatch.setattr(module, "_best", recorded)
    model = prune_and_build((6, 5), 30, DATA, 3, criterion=criterion)
    assert len(seen) == 2  # One pass for each hidden layer.
    for place, (full, kept) in enumerate(seen):
        scores = kprune.score(full, criterion, data=DATA, loss=CE)
        totals = scores[f"fc{place + 2}/kernel"].sum(axis=1)
        best_of_all = np.sort(np.argsort(-totals)[: len(kept)])
        np.testing.assert_array_equal(kept, best_of_all)
        built, left = dense(full)[place], dense(model)[place]
        kernel = built.kernel.numpy()[:, kept]
        np.testing.assert_array_equal(left.kernel, kernel)
        np.testing.assert_array_equal(left.bias, built.bias.numpy()[kept])
    # The second layer was built on the six neurons that are left.
    assert dense(seen[1][0])[0].units == 6
    full, kept = seen[1]
    last = dense(full)[2].kernel.numpy()[kept]
    np.testing.assert_array_equal(dense(model)[2].kernel, last)


def test_seeds_and_labels():
    one, same, other = (
        prune_and_build((5,), 20, DATA, 3, seed=s) for s in (1, 1, 2)
    )
    hot = prune_and_build((5,), 20, (X, np.eye(3)[Y]), 3, seed=1)
    np.testing.assert_array_equal(one(X), same(X))
    np.testing.assert_array_equal(one(X), hot(X))
    assert np.abs(one(X) - other(X)).max() > 0.01


def test_an_initializer_of_ones_own():
    law = keras.initializers.RandomNormal(stddev=2.0, seed=3)
    model = prune_and_build((40, 40), 50, DATA, 3, "relu", law)
    first, second, _ = dense(model)
    assert 1.5 < first.kernel.numpy().std() < 2.5
    assert not np.any(first.bias)
    # One seed for all layers would draw the same numbers in each.
    assert (first.kernel.numpy()[:8] != second.kernel.numpy()[:8]).any()


def test_it_is_better_than_chance_without_training():
    train, (x_test, y_test) = kprune.datasets.load_arrays("digits")
    model = prune_and_build((100,), 1000, train, 10)
    accuracy = np.mean(np.argmax(model(x_test), axis=1) == y_test)
    assert accuracy > 0.5


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"widths": (60,)}, "from 1 to `build`"),
        ({"widths": ()}, "integers from 1 to `build`"),
        ({"widths": 5}, "Invalid value for argument `widths`"),
        ({"build": 9.5}, "`build`"),
        ({"classes": 1}, "`classes`.*integer >= 2"),
        ({"criterion": "osum"}, "Did you mean 'ossum'"),
        ({"seed": -1}, "`seed`"),
    ],
)
def test_bad_arguments(arguments, message):
    given = {"widths": (5,), "build": 50, "data": DATA, "classes": 3}
    with pytest.raises(ValueError, match=message):
        prune_and_build(**{**given, **arguments})
