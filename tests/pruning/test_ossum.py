"""OSSuM's scores: brute force, numbers by hand, and what must hold of them."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import CE, sequential

import kprune
from kprune.pruning import criteria
from kprune.scoring import neurons
from kprune.scoring.config import ScoringConfig
from kprune.scoring.objective import Objective

NAMES = ("ossum", "linear_ossum", "log_ossum")


def net(kernels, activation="tanh", biases=None):
    """Returns a stack of dense layers, fc1, fc2 ..., of these kernels."""
    biases = biases or [np.zeros(np.shape(kernel)[1]) for kernel in kernels]
    stack = [
        keras.layers.Dense(len(bias), activation, name=f"fc{i}")
        for i, bias in enumerate(biases, start=1)
    ]
    stack[-1].activation = keras.activations.linear
    values = itertools.chain(*zip(kernels, biases, strict=True))
    return sequential((len(kernels[0]),), *stack, values=values)


def drawn(seed=0, examples=20, d=6, classes=4):
    rng = np.random.default_rng(seed)
    kernels = [rng.normal(size=(5, d)), rng.normal(size=(d, classes))]
    biases = [rng.normal(size=d), rng.normal(size=classes)]
    x = rng.normal(size=(examples, 5)).astype("float32")
    y = np.arange(examples) % classes
    return kernels, biases, x, rng.permutation(y)


def by_objective(name, objective, weights=None, masks=None):
    """Returns the scores of the only kernel that is scored."""
    weights, masks = weights or objective.weights, masks or objective.masks
    found = criteria.get(name)(objective, weights, masks)
    ((kernel, scores),) = found.items()
    assert kernel == objective.model.layers[-1].name + "/kernel"
    assert scores.dtype == np.float64
    return scores


def scores_of(name, model, x, y, masks=None, **scoring):
    objective = Objective(model, (x, y), CE, ScoringConfig(**scoring))
    return by_objective(name, objective, masks=masks)


def ones():
    shapes = {"fc1/kernel": (5, 6), "fc2/kernel": (6, 4)}
    return {name: np.ones(shape, bool) for name, shape in shapes.items()}


def test_ossum_by_hand():
    # Two examples of class 0, one of class 1; one input; neurons x and -2 x,
    # cut off below zero: activations (1, 0), (3, 0) and (0, 4).
    model = net([[[1.0, -2.0]], [[2.0, 1.0], [-1.0, 0.5]]], "relu")
    x = np.array([[1.0], [3.0], [-2.0]], "float32")
    scores = scores_of("ossum", model, x, np.array([0, 0, 1]))
    # A = [[4, 0], [0, 4]]. Neuron 0, class 0: 4 (2 * 2 - 3) = 4. Neuron 1,
    # class 1: 4 (2 * 0.5 + 0.5) = 6.
    np.testing.assert_array_equal(scores, [[4, 0], [0, 6]])


def brute_force(kernels, biases, x, y):
    """Equation 3, example by example, neuron by neuron."""
    first, last = kernels
    d, classes = last.shape
    found = np.zeros((d, classes))
    for i in range(len(x)):
        for j in range(d):
            a = np.tanh(float(x[i] @ first[:, j]) + biases[0][j])
            total = 0.0
            for k in range(classes):
                total += last[j, k]
            found[j, y[i]] += a * (classes * last[j, y[i]] - total)
    return found


@pytest.mark.parametrize("batch_size", [None, 3])
def test_ossum_is_the_double_loop(batch_size):
    kernels, biases, x, y = drawn()
    model = net(kernels, biases=biases)
    found = scores_of("ossum", model, x, y, batch_size=batch_size)
    expected = brute_force(kernels, biases, x, y)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES[1:])
def test_linear_and_log_are_the_double_loop(name):
    kernels, biases, x, y = drawn(seed=1)
    scores = brute_force(kernels, biases, x, y)
    d, classes = scores.shape
    expected = np.zeros(d)
    for j in range(d):
        for k in range(classes):
            rank = 1 + sum(scores[i, k] > scores[j, k] for i in range(d))
            expected[j] -= rank if name == "linear_ossum" else np.log(rank)
    found = scores_of(name, net(kernels, biases=biases), x, y).sum(axis=1)
    # What decides between equals is less than half a rank.
    tolerance = 0.5 if name == "linear_ossum" else 2e-9
    assert (found <= expected + 1e-12).all()
    assert (found > expected - tolerance).all()


def test_labels_are_class_numbers_or_one_hot_and_may_have_weights():
    kernels, biases, x, y = drawn()
    model = net(kernels, biases=biases)
    one = scores_of("ossum", model, x, y)
    np.testing.assert_array_equal(scores_of("ossum", model, x, y[:, None]), one)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    hot = Objective(model, (x, np.eye(4)[y]), loss)
    np.testing.assert_array_equal(by_objective("ossum", hot), one)
    # An example that weighs 2 counts twice, one that weighs 0 not at all.
    weight = np.ones(20)
    weight[:2] = 2, 0
    found = by_objective("ossum", Objective(model, (x, y, weight), CE))
    x[1], y[1] = x[0], y[0]
    twice = scores_of("ossum", model, x, y)
    np.testing.assert_allclose(found, twice, atol=1e-9)


def test_it_is_the_gradient_by_gates_at_logits_of_zero():
    kernels, biases, x, y = drawn(seed=2)
    model = net(kernels, biases=[biases[0], np.zeros(4)])
    hidden = model.layers[0](x)
    gates = tf.zeros(6)  # All shut: each logit is zero.
    with tf.GradientTape() as tape:
        tape.watch(gates)
        logits = model.layers[1](hidden * gates)
        loss = len(x) * CE(y, logits)
    np.testing.assert_array_equal(logits, np.zeros((20, 4)))
    expected = -4 * tape.gradient(loss, gates).numpy()
    found = scores_of("ossum", model, x, y).sum(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_neurons_in_another_order_have_the_same_scores(name):
    kernels, biases, x, y = drawn(seed=3)
    kernels[1] = np.round(kernels[1] * 8) / 8  # Exact in float32.
    one = scores_of(name, net(kernels, biases=biases), x, y)
    order = np.array([3, 0, 5, 1, 4, 2])
    shuffled = [kernels[0][:, order], kernels[1][order]]
    model = net(shuffled, biases=[biases[0][order], biases[1]])
    two = scores_of(name, model, x, y)
    np.testing.assert_allclose(two, one[order], rtol=1e-5, atol=1e-6)
    # What a neuron adds to all classes does not count.
    kernels[1][2] += 4.0
    two = scores_of(name, net(kernels, biases=biases), x, y)
    np.testing.assert_allclose(two, one, atol=1e-9)


def test_ranks_and_the_best_of_all_classes():
    # Class-wise scores of four neurons for three classes: the first is best
    # for each, the others are 2, 3, 4 in turn.
    scores = np.array(
        [[9.0, 9.0, 9.0], [3.0, 1.0, 2.0], [2.0, 3.0, 1.0], [1.0, 2.0, 3.0]]
    )
    rng = np.random.default_rng(0)
    ranks = neurons.class_ranks(scores, np.ones(4, bool), rng)
    np.testing.assert_array_equal(
        ranks, [[1, 1, 1], [2, 4, 3], [3, 2, 4], [4, 3, 2]]
    )


@pytest.mark.parametrize("name, most", [("linear_ossum", -2), ("log_ossum", 0)])
def test_who_is_best_for_every_class_has_the_highest_score(name, most):
    # Inputs 1 and -1 are of classes 0 and 1. A neuron a = g x read by (w, -w)
    # scores g (2 w) for class 0 and -g (-2 w), the same, for class 1.
    model = net([[[1.0, 2, 3, -1]], np.tile([1.0, -1], (4, 1))], "linear")
    x, y = np.array([[1.0], [-1.0]], "float32"), np.array([0, 1])
    plain = scores_of("ossum", model, x, y)
    np.testing.assert_array_equal(plain, [[2, 2], [4, 4], [6, 6], [-2, -2]])
    found = scores_of(name, model, x, y).sum(axis=1)
    # Places 3, 2, 1, 4 for both classes.
    ranks = np.array([3, 2, 1, 4])
    each = -ranks if name == "linear_ossum" else -np.log(ranks)
    np.testing.assert_allclose(found, 2 * each, atol=1e-12)
    assert found[2] == most == found.max()


def test_equal_sums_of_ranks_are_ordered_by_the_plain_score():
    # Ranks (1, 2) and (2, 1): both 3. The larger of the plain scores wins.
    totals = np.array([-3.0, -3.0, -6.0, -3.0])
    second = np.array([1.0, 5.0, 9.0, 3.0])
    rng = np.random.default_rng(0)
    taken = neurons.break_ties(totals, second, 0.6, rng)
    np.testing.assert_allclose(taken, [0.4, 0.0, 0.0, 0.2])


def test_what_is_equal_in_all_is_drawn_by_the_seed():
    # Four neurons alike.
    model = net([np.ones((1, 4)), np.tile([[1.0, -1.0]], (4, 1))])
    x, y = np.ones((3, 1), "float32"), np.array([0, 1, 0])
    objective, first = Objective(model, (x, y), CE).on(0), set()
    for seed in range(12):
        objective.seed = seed
        for name in ("linear_ossum", "log_ossum"):
            totals = by_objective(name, objective).sum(axis=1)
            assert len(set(totals)) == 4
            first.add(int(totals.argmax()))
    assert first == {0, 1, 2, 3}


@pytest.mark.parametrize("name", NAMES)
def test_neurons_that_are_gone_do_not_count(name):
    kernels, biases, x, y = drawn(seed=5)
    left = [kernels[0][:, :4], kernels[1][:4]]
    small = net(left, biases=[biases[0][:4], biases[1]])
    masks = ones()
    masks["fc1/kernel"][:, 4:] = masks["fc2/kernel"][4:] = False
    found = scores_of(name, net(kernels, biases=biases), x, y, masks)
    expected = scores_of(name, small, x, y)
    np.testing.assert_allclose(found[:4], expected, rtol=1e-5, atol=1e-6)
    gone = {"ossum": 0, "linear_ossum": -24, "log_ossum": -4 * np.log(6)}
    np.testing.assert_allclose(found[4:].sum(axis=1), gone[name], atol=0.5)


def test_a_model_that_has_masks_is_scored_by_the_weights_given():
    kernels, biases, x, y = drawn(seed=6)
    model = net(kernels, biases=biases)
    dense = scores_of("ossum", model, x, y)
    wrapped = kprune.wrap(model)
    masks = {"fc1/kernel": np.arange(30).reshape(5, 6) % 2 == 0}
    kprune.set_masks(wrapped, masks)
    objective = Objective(wrapped, (x, y), CE)
    values = [kernel.astype("float32") for kernel in kernels]
    given = dict(zip(ones(), values, strict=True))
    found = by_objective("ossum", objective, given, ones())
    np.testing.assert_allclose(found, dense, rtol=1e-6)
    pruned = scores_of("ossum", wrapped, x, y)
    kernels[0] = np.where(masks["fc1/kernel"], kernels[0], 0)
    expected = brute_force(kernels, biases, x, y)
    np.testing.assert_allclose(pruned, expected, rtol=1e-4, atol=1e-4)


def test_it_needs_a_dense_layer_over_several_classes():
    x, y = np.ones((4, 3), "float32"), np.zeros(4, int)
    for units, exclude, message in [
        (1, (), "two or more units"),
        (2, ["fc2/kernel"], r"'fc2/kernel'.*leave it out of"),
    ]:
        model = net([np.ones((3, 2)), np.ones((2, units))])
        objective = Objective(model, (x, y), CE, exclude=exclude)
        with pytest.raises(ValueError, match=message):
            by_objective("ossum", objective)
    convolution = sequential((4, 4, 1), keras.layers.Conv2D(2, 4, name="conv"))
    with pytest.raises(ValueError, match=r"output layers \['conv'\]"):
        neurons.output_layer(convolution)


def test_labels_that_name_no_class():
    kernels, biases, x, _ = drawn()
    model, data = net(kernels, biases=biases), (x, np.ones((20, 2)))
    objective = Objective(model, data, lambda y, z: 0.0)
    with pytest.raises(ValueError, match=r"shape \(n, 4\).*shape \(20, 2\)"):
        by_objective("ossum", objective)
