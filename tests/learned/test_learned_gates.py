"""Gates on neurons: what trains, what they learn, and what is left."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import CE, examples, sequential

import kprune
from kprune import learned


def planted():
    """Returns a network in which four neurons solve the task and the others
    stand in the way, the task, and which neurons these are."""
    rng = np.random.default_rng(0)
    # Two inputs; the class says which is larger. Neurons 0 to 3 put out
    # x0 - x1 or the opposite, read the right way round; the others are the
    # same, read the wrong way round.
    x = rng.normal(size=(256, 2)).astype("float32")
    y = (x[:, 1] > x[:, 0]).astype(int)
    signs = rng.choice([-1.0, 1.0], 16)
    first = np.outer([1.0, -1.0], signs)
    right = np.where(np.arange(16) < 4, 1.0, -1.0)
    last = np.outer(signs * right, [1.0, -1.0])
    order = rng.permutation(16)
    model = sequential(
        (2,),
        keras.layers.Dense(16, activation="tanh", name="hidden"),
        keras.layers.Dense(2, name="logits"),
        values=[first[:, order], np.zeros(16), last[order], np.zeros(2)],
    )
    return model, (x, y), np.flatnonzero(order < 4)


def gates_of(model, data, seed=1):
    found = learned.learned_gates(model, data, CE, epochs=2, seed=seed)
    assert list(found) == ["hidden/kernel"]
    return found["hidden/kernel"]


@pytest.fixture(scope="module")
def gates():
    """The gates of the planted network, at seed 1."""
    model, data, _ = planted()
    return gates_of(model, data)


def test_it_finds_the_planted_neurons():
    model, (x, y), good = planted()
    before = [v.numpy() for v in model.variables]
    accuracy = np.mean(np.argmax(model(x), axis=1) == y)
    assert accuracy < 0.05  # Twelve against four.
    pruned = learned.neuron_supermask(
        model, (x, y), CE, sparsity=0.75, epochs=6, batch_size=32
    )
    masks = kprune.get_masks(pruned)
    stays = np.flatnonzero(masks["hidden/kernel"].any(axis=0))
    np.testing.assert_array_equal(stays, good)
    np.testing.assert_array_equal(
        np.flatnonzero(masks["logits/kernel"].any(axis=1)), good
    )
    assert np.mean(np.argmax(pruned(x), axis=1) == y) == 1
    # Neither model has other weights than before, where they are kept.
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    kernel = pruned.get_layer("hidden").layer.kernel.numpy()
    np.testing.assert_array_equal(kernel[:, good], before[0][:, good])


def test_gates_follow_their_seed_alone(gates):
    model, data, good = planted()
    keras.utils.set_random_seed(2)
    np.testing.assert_array_equal(gates_of(model, data), gates)
    assert (gates_of(model, data, seed=2) != gates).any()
    rest = np.setdiff1d(np.arange(16), good)
    assert gates[good].mean() > gates[rest].mean()


def test_one_step_by_hand():
    # One input, one neuron a = 2 x read by (1, -1): logits (2 x g, -2 x g).
    # At x = 1 with class 0: dL/dg = -(1 - p) 4, p the softmax of class 0.
    model = sequential(
        (1,),
        keras.layers.Dense(1, use_bias=False, name="a"),
        keras.layers.Dense(2, use_bias=False, name="b"),
        values=[[[2.0]], [[1.0, -1.0]]],
    )
    data = (np.ones((1, 1), "float32"), np.array([0]))
    none, one = (
        learned.learned_gates(
            model, data, CE, epochs=1, learning_rate=rate, seed=4
        )["a/kernel"][0]
        for rate in (1e-12, 0.5)
    )
    assert 0 <= none <= 1
    p = 1 / (1 + np.exp(-4 * none))
    np.testing.assert_allclose(one, none + 0.5 * 4 * (1 - p), rtol=1e-5)


def test_the_rate_falls_for_the_last_third():
    rate = learned.gates._rate(0.1, steps=10, epochs=15)
    # Ten epochs of ten steps, counted from 0.
    np.testing.assert_allclose([rate(99), rate(100)], [0.1, 0.01])


def test_each_epoch_has_all_examples_in_an_order_of_its_own():
    x = np.arange(10)
    batches, steps = learned.gates._batches((x, x), 4, seed=1)
    assert steps == 3
    epochs = [[], []]
    for place, (one, other) in enumerate(batches.take(6)):
        np.testing.assert_array_equal(one, other)
        epochs[place // 3].extend(one.numpy().tolist())
    assert epochs[0] != epochs[1]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(10))


def test_an_activation_of_its_own_is_inside_the_gate(gates):
    model, data, _ = planted()
    apart = sequential(
        (2,),
        keras.layers.Dense(16, name="hidden"),
        keras.layers.Activation("tanh"),
        keras.layers.Dense(2, name="logits"),
        values=model.get_weights(),
    )
    np.testing.assert_allclose(gates_of(apart, data), gates, rtol=1e-5)


def test_neurons_that_are_gone_are_no_candidates():
    model, data, _ = planted()
    pruned = kprune.wrap(model)
    masks = kprune.get_masks(pruned)
    masks["hidden/kernel"][:, :8] = False
    kprune.set_masks(pruned, masks)
    smaller = learned.neuron_supermask(pruned, data, CE, sparsity=0.5, epochs=1)
    found = kprune.get_masks(smaller)
    alive = found["hidden/kernel"].any(0) & found["logits/kernel"].any(1)
    np.testing.assert_array_equal(np.flatnonzero(alive), np.arange(8, 16))


def test_what_does_not_fit_is_told_before_training():
    model, (x, y), _ = planted()
    endless = tf.data.Dataset.from_tensors((x, y)).repeat()
    with pytest.raises(ValueError, match="has no end"):
        learned.learned_gates(model, endless, CE)
    with pytest.warns(UserWarning, match="lose all their entries"):
        learned.neuron_supermask(model, (x, y), CE, sparsity=0.99, epochs=1)
    model.get_layer("hidden").trainable = False
    with pytest.raises(ValueError, match="'hidden/kernel' is frozen"):
        learned.neuron_supermask(model, (x, y), CE, sparsity=0.5)
    with pytest.raises(ValueError, match="'hidden/kernel' is frozen"):
        kprune.kept_weights.coreset(model, 0.5)


def test_each_hidden_layer_loses_the_same_share():
    model = kprune.models.fc((8, 12), input_shape=(5,), classes=3, seed=0)
    pruned = learned.neuron_supermask(
        model, examples(32, 5), CE, sparsity=0.75, epochs=1
    )
    masks = kprune.get_masks(pruned)
    kept = [int(m.any(axis=0).sum()) for m in masks.values()]
    assert kept == [2, 3, 3]
    assert masks["fc2/kernel"].sum() == 2 * 3


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"sparsity": 1.0}, "`sparsity`"),
        ({"epochs": 0}, "`epochs`"),
        ({"learning_rate": 0.0}, "`learning_rate`"),
        ({"data": np.ones(3)}, "`data`"),
        ({"data": (np.ones((2, 2)), np.array([0, 5]))}, "integers from 0 to 1"),
    ],
)
def test_bad_arguments(arguments, message):
    model, data, _ = planted()
    given = {"data": data, "loss": CE, "sparsity": 0.5, **arguments}
    with pytest.raises(ValueError, match=message):
        learned.neuron_supermask(model, **given)


def test_a_network_without_hidden_layers():
    model = sequential((2,), keras.layers.Dense(2, name="logits"))
    with pytest.raises(ValueError, match="no hidden dense layer"):
        learned.learned_gates(model, planted()[1], CE)
