"""Coresets: probabilities by hand, counts, and what is right on average."""

import itertools

import keras
import numpy as np
import pytest
from networks import sequential

import kprune
from kprune.pruning import kept_weights
from kprune.pruning.neurons.coreset import Draws, draw, sensitivities
from kprune.scoring import neurons


def net(kernels, biases, activation="relu", apart=False):
    layers = []
    for i, bias in enumerate(biases, start=1):
        inside = None if apart or i == len(biases) else activation
        layers.append(keras.layers.Dense(len(bias), inside, name=f"fc{i}"))
        if apart and i < len(biases):
            layers.append(keras.layers.Activation(activation, name=f"act{i}"))
    values = itertools.chain(*zip(kernels, biases, strict=True))
    return sequential((len(kernels[0]),), *layers, values=values)


# Norms with the bias: |(3, 4)| = 5, |(0, 2)| = 2, |(-1, 0)| = 1. The largest
# that reads each: 2, 5, 10.
FIRST, BIASES = [[3.0, 0.0, -1.0]], [4.0, 2.0, 0.0]
LAST = [[2.0, -1.0], [1.0, -5.0], [10.0, 0.0]]


@pytest.mark.parametrize("apart", [False, True])
def test_sensitivities_by_hand(apart):
    model = net([FIRST, LAST], [BIASES, [0, 0]], apart=apart)
    made, read = neurons.hidden_layers(model)
    # 2 * 5, 5 * 2, 10 * 1: a third each, whatever beta is, as of relu.
    for beta in (1.0, 7.0):
        found = sensitivities(made, read, beta)
        np.testing.assert_allclose(found, [1 / 3] * 3, rtol=1e-6)
    model = net([FIRST, LAST], [BIASES, [0, 0]], "tanh", apart)
    made, read = neurons.hidden_layers(model)
    found = sensitivities(made, read, 0.5)
    expected = np.array([2, 5, 10]) * np.tanh([2.5, 1.0, 0.5])
    np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-6)


def test_draws_count_until_enough_have_come():
    chances = np.array([0.5, 0.3, 0.2, 0.0])
    for seed, size in itertools.product(range(5), (1, 2, 3)):
        drawn = draw(chances, size, np.random.default_rng(seed))
        assert np.count_nonzero(drawn.counts) == size
        assert drawn.counts[3] == 0
        # The last draw was of one that had not come before.
        assert 1 in drawn.counts
    most = draw(chances, 4, np.random.default_rng(0)).counts
    assert np.count_nonzero(most) == 3


def test_draws_are_from_the_probabilities():
    chances = np.array([0.7, 0.2, 0.1])
    rng = np.random.default_rng(0)
    first = [draw(chances, 1, rng).counts.argmax() for _ in range(2000)]
    shares = np.bincount(first) / 2000
    # Three standard deviations: 3 sqrt(0.21 / 2000) = 0.03.
    np.testing.assert_allclose(shares, chances, atol=0.031)


def test_weights_by_hand_and_on_the_average():
    # Of 8 draws 6 of the first: 6 / (0.5 * 8).
    weights = Draws(np.array([6, 0, 2])).weights(np.array([0.5, 0.25, 0.25]))
    np.testing.assert_array_equal(weights, [1.5, 0, 1])
    # Over all outcomes of three draws, the sum read is the whole one.
    chances, values = np.array([0.5, 0.3, 0.2]), np.array([1.0, -4.0, 7.0])
    mean = 0.0
    for outcome in itertools.product(range(3), repeat=3):
        drawn = Draws(np.bincount(outcome, minlength=3))
        probability = np.prod(chances[list(outcome)])
        mean += probability * (values @ drawn.weights(chances))
    np.testing.assert_allclose(mean, values.sum())


def test_what_stays_is_weighed_and_keeps_its_bias():
    rng = np.random.default_rng(0)
    kernels = [rng.normal(size=(5, 8)), rng.normal(size=(8, 3))]
    biases = [rng.normal(size=8), rng.normal(size=3)]
    model = net(kernels, biases, "tanh")
    pruned = kept_weights.coreset(model, 0.5, beta=2.0, seed=3)
    masks = kprune.get_masks(pruned)
    stays = masks["fc1/kernel"].any(axis=0)
    assert stays.sum() == 4
    np.testing.assert_array_equal(stays, masks["fc2/kernel"].any(axis=1))
    made, read = neurons.hidden_layers(model)
    chances = sensitivities(made, read, 2.0)
    ratio = pruned.get_layer("fc2").layer.kernel.numpy()[stays]
    ratio = ratio / kernels[1][stays]
    # n / (q c), the same for all classes, with whole n that sum to c.
    np.testing.assert_allclose(ratio, ratio[:, :1] * np.ones(3), rtol=1e-5)
    shares = ratio[:, 0] * chances[stays]
    np.testing.assert_allclose(shares.sum(), 1, rtol=1e-5)
    x = rng.normal(size=(6, 5)).astype("float32")
    hidden = np.tanh(x @ kernels[0][:, stays] + biases[0][stays])
    expected = hidden @ (kernels[1][stays] * ratio[:, :1]) + biases[1]
    np.testing.assert_allclose(pruned(x), expected, atol=1e-4)
    np.testing.assert_array_equal(  # The model itself is as it was.
        model.get_layer("fc2").kernel, kernels[1].astype("float32")
    )


def test_layers_follow_each_other():
    rng = np.random.default_rng(0)
    kernels = [rng.normal(size=s) for s in ((5, 8), (8, 12), (12, 3))]
    model = net(kernels, [np.zeros(8), np.zeros(12), np.zeros(3)])
    pruned = kept_weights.coreset(model, 0.75, seed=1)
    masks = list(kprune.get_masks(pruned).values())
    kept = [int(m.any(axis=0).sum()) for m in masks]
    assert kept == [2, 3, 3]
    assert masks[1].sum() == 6 and masks[2].sum() == 9
    for wrapper, mask in zip(pruned.layers, masks, strict=True):
        assert not wrapper.layer.kernel.numpy()[~mask].any()
    same = kept_weights.coreset(model, 0.75, seed=1)
    other = kept_weights.coreset(model, 0.75, seed=2)
    x = rng.normal(size=(4, 5)).astype("float32")
    np.testing.assert_array_equal(pruned(x), same(x))
    assert (pruned(x) != other(x)).numpy().any()
    whole = kept_weights.coreset(model, 0.0)
    np.testing.assert_array_equal(whole(x), model(x))


def test_the_bound_is_read_off_the_data():
    model = net([FIRST, LAST], [BIASES, [0, 0]], "tanh")
    x = np.array([[0.1], [-3.0], [2.0]])
    by_data = kept_weights.coreset(model, 0.5, (x, np.zeros(3)), seed=0)
    # The largest is |(-3, 1)|, the 1 being what the bias is multiplied by.
    by_hand = kept_weights.coreset(model, 0.5, beta=np.sqrt(10), seed=0)
    scoring = np.ones((1, 1), "float32")
    np.testing.assert_allclose(by_data(scoring), by_hand(scoring), rtol=1e-6)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"sparsity": 1.0}, "`sparsity`"),
        ({"beta": 0.0}, "`beta`"),
        ({"beta": 1.0, "data": (np.ones((1, 1)), np.ones(1))}, "`beta`"),
        ({"seed": -1}, "`seed`"),
    ],
)
def test_bad_arguments(arguments, message):
    model = net([FIRST, LAST], [BIASES, [0, 0]])
    with pytest.raises(ValueError, match=message):
        kept_weights.coreset(model, **{"sparsity": 0.5, **arguments})


def test_what_cannot_be_drawn():
    flat = net([LAST], [[0, 0]])
    with pytest.raises(ValueError, match="no hidden dense layer"):
        kept_weights.coreset(flat, 0.5)
    unread = net([FIRST, np.zeros((3, 2))], [BIASES, [0, 0]])
    with pytest.raises(ValueError, match="has any effect"):
        kept_weights.coreset(unread, 0.5)
