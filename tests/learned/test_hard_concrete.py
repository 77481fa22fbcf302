"""Hard-concrete gates: their law, their penalty, and what they learn."""

import math

import keras
import numpy as np
import pytest
from keras import layers
from lifecycle import normal, two_layers
from networks import CE, sequential

import kprune
from kprune.learned import HardConcrete


def gates(model):
    return [v for v in model.trainable_variables if v.name == "log_alpha"]


def part_with(log_alpha, weight=None, **options):
    """A part with these ln a, one for each row of a weight of ones."""
    log_alpha = np.asarray(log_alpha, "float32")
    if weight is None:
        weight = np.ones((len(log_alpha), 1))
    weight = keras.Variable(weight)
    part = HardConcrete(**{"examples": 1, **options})
    part.attach(weight)
    part.build(weight.shape)
    part.log_alpha.assign(log_alpha)
    return part


def odds(*values):
    return np.log(values)


# The law of a gate.


def test_gate_at_test_time():
    part = part_with(odds(1 / 19, 1 / 9, 1, 9, 19))

    # sigmoid: 0.05, 0.1, 0.5, 0.9, 0.95; times 1.2, less 0.1, clipped.
    np.testing.assert_allclose(
        np.ravel(part(np.ones((5, 1)), training=False)),
        [0, 0.02, 0.5, 0.98, 1],
        atol=1e-6,
    )


def test_probabilities_against_draws():
    starts, draws = [-2.0, -0.5, 0.0, 1.0], 50_000
    part = part_with(np.repeat(starts, draws))
    z = np.reshape(part(np.ones((4 * draws, 1)), training=True), (4, draws))
    closed = np.reshape(part.open_probability(), (4, draws))[:, 0]

    # P(z > 0) is sigmoid(ln a + 2/3 ln 11), P(z = 1) is, by symmetry,
    # sigmoid(ln a - 2/3 ln 11), and P(z < 1/2) is sigmoid(-ln a). The
    # standard error of a share of 50,000 is at most 0.0023.
    shift = 2 / 3 * math.log(11)
    np.testing.assert_allclose(closed, sigmoid(starts, shift), rtol=1e-5)
    for found, expected in (
        (z > 0, closed),
        (z == 1, sigmoid(starts, -shift)),
        (z < 0.5, 1 - sigmoid(starts, 0)),
    ):
        np.testing.assert_allclose(found.mean(1), expected, atol=0.01)
    assert z.min() == 0 and z.max() == 1


def sigmoid(x, shift):
    return 1 / (1 + np.exp(-np.asarray(x) - shift))


def test_probability_of_a_fair_gate():
    # 1 / (1 + 11^(-2/3)), with 11^(2/3) = 4.94609.
    part = part_with([0.0])
    np.testing.assert_allclose(part.open_probability(), [0.83182], atol=1e-5)


def test_draws_differ_by_step_and_not_by_anything_else():
    def draws():
        part, w = part_with(np.zeros(100), seed=3), np.ones((100, 1))
        return [np.ravel(part(w, training=True)) for _ in range(2)]

    (one, two), again = draws(), draws()
    assert not np.array_equal(one, two)
    np.testing.assert_array_equal([one, two], again)


# The penalty.


def test_penalty_by_hand():
    part = part_with(
        odds(1, 3),
        [[1.0, 2.0], [3.0, 4.0]],
        limits=(-1.5, 1.5),
        strength=2.0,
        prior_precision=2.0,
        examples=10,
    )

    # ln(1.5 / 1.5) = 0, so P = [1/2, 3/4]. A gate costs 2 for each of its
    # two weights, and 2/2 |w|^2: 4 + 5 and 4 + 25.
    np.testing.assert_allclose(part.penalty(), (9 / 2 + 29 * 3 / 4) / 10)


def test_penalty_is_part_of_the_loss():
    model = two_layers()
    x = normal(8, 4)
    gated = kprune.learned.hard_concrete(
        model, 10, strength={"a": 3.0, "b": 1.0}, limits=(-2.0, 2.0)
    )
    for variable in gates(gated):
        variable.assign(variable * 0 + math.log(3.0))
    gated.compile(keras.optimizers.SGD(0.0), "mse")

    # P = 3/4; 20 weights at 3 and 10 at 1. At test time sigmoid is 3/4, the
    # gate 3/4 * 4 - 2 = 1, so the data are fit as by the model.
    loss = gated.evaluate(x, np.asarray(model(x)), verbose=0)
    np.testing.assert_allclose(loss, 0.75 * (60 + 10) / 10, rtol=1e-5)


def test_a_shared_layer_pays_once():
    shared = layers.Dense(4, name="shared")
    i = keras.Input((4,))
    model = keras.Model(i, shared(shared(i)))
    model = kprune.learned.hard_concrete(model, 10, limits=(-1.5, 1.5))
    model(normal(2, 4))
    (variable,) = gates(model)
    variable.assign(np.zeros(4))
    np.testing.assert_allclose(model.losses, [0.5 * 16 / 10])


def test_log_alpha_is_held_between_its_bounds():
    model = kprune.learned.hard_concrete(two_layers(), 10)
    model.compile(keras.optimizers.SGD(1e6), "mse", run_eagerly=True)
    model.train_on_batch(normal(8, 4), normal(8, 2))
    values = np.concatenate([v.numpy() for v in gates(model)])
    bound = math.log(100)
    assert np.abs(values).max() == np.float32(bound)


# On a model.


def test_where_the_gates_are():
    model = sequential(
        (6, 6, 2),
        layers.Conv2D(5, 3, name="conv"),
        layers.DepthwiseConv2D(2, depth_multiplier=2, name="deep"),
        layers.GlobalAveragePooling2D(name="pool"),
        layers.Reshape((5, 2), name="steps"),
        layers.LSTM(3, name="lstm"),
        layers.Dense(4, name="fc"),
    )
    model = kprune.learned.hard_concrete(model, 10)
    for variable in gates(model):
        value = np.ones(variable.shape)
        value[1] = -4  # sigmoid(-4) * 1.2 < 0.1: closed.
        variable.assign(value)

    closed = {
        name: np.argwhere(value == 0)
        for name, value in kprune.learned.effective_weights(model).items()
    }
    sizes = {name: len(places) for name, places in closed.items()}
    assert sizes == {
        "conv/kernel": 3 * 3 * 2,  # A feature map that it makes.
        "deep/kernel": 2 * 2,
        "lstm/cell/kernel": 4 * 3,  # An input, at all four gates.
        "lstm/cell/recurrent_kernel": 4 * 3,
        "fc/kernel": 4,  # An input.
    }
    assert set(closed["conv/kernel"][:, 3]) == {1}
    assert set(closed["fc/kernel"][:, 0]) == {1}


def test_a_recurrent_convolution_has_a_gate_for_each_feature_map():
    model = sequential((2, 4, 4, 2), layers.ConvLSTM2D(3, 2, name="conv"))
    model = kprune.learned.hard_concrete(model, 10)
    for variable in gates(model):
        assert variable.shape == (3,)
        variable.assign([1, -4, 1])

    # The middle map at each of the four gates of the LSTM.
    for value in kprune.learned.effective_weights(model).values():
        closed = np.argwhere((value == 0).all(axis=(0, 1, 2)))
        np.testing.assert_array_equal(np.ravel(closed), [1, 4, 7, 10])
        assert (value == 0).mean() == 1 / 3


def test_first_values_follow_drop_rate_and_seed():
    def first(**options):
        model = kprune.learned.hard_concrete(two_layers(), 10, **options)
        return [v.numpy() for v in gates(model)]

    a, b = first(drop_rate={"a": 0.2, "b": 0.5}, seed=1)
    np.testing.assert_allclose(a, math.log(4), atol=0.06)
    np.testing.assert_allclose(b, 0, atol=0.06)
    assert len(set(a)) == 4 and a.std() < 0.05
    np.testing.assert_array_equal(first(seed=1)[1], b)
    assert not np.array_equal(first(seed=2)[1], b)


def test_digits_become_sparse():
    train, test = kprune.datasets.load("digits", batch_size=32)
    model = sequential(
        (8, 8, 1),
        layers.Flatten(name="flat"),
        layers.Dense(64, activation="relu", name="a"),
        layers.Dense(10, name="b"),
    )
    model = kprune.learned.hard_concrete(
        model, 1437, strength=0.1, drop_rate=0.8
    )
    model.compile(keras.optimizers.Adam(0.03), CE, metrics=["accuracy"])
    model.fit(train, epochs=3, verbose=0)

    assert kprune.learned.sparsity(model) > 0.2
    assert model.evaluate(test, verbose=0)[1] > 0.88
    # Inputs are removed as a whole.
    masks = kprune.get_masks(kprune.learned.to_masked(model))
    rows = masks["a/kernel"].any(axis=1)
    np.testing.assert_array_equal(masks["a/kernel"].all(axis=1), rows)
    assert 0 < rows.sum() < 64


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"examples": 0}, "`examples`.*integer >= 1"),
        ({"examples": 1.5}, "`examples`.*integer >= 1"),
        ({"strength": -1}, "`strength`.*>= 0"),
        ({"prior_precision": float("inf")}, "`prior_precision`.*>= 0"),
        ({"drop_rate": 0.0}, r"`drop_rate`.*\(0, 1\)"),
        ({"temperature": 0}, "`temperature`.*> 0"),
        ({"limits": (0, 1.1)}, "`limits`.*> 1"),
        ({"limits": (-0.1, 1)}, "`limits`.*> 1"),
        ({"limits": 1.1}, "`limits`.*> 1"),
        ({"seed": -1}, "`seed`"),
        ({"strength": {"a": 1.0}}, "`strength` has no number for b/kernel"),
        ({"strength": {"c": 1.0}}, "Unknown weight in `strength`: 'c'"),
    ],
)
def test_a_wrong_argument_is_answered(options, words):
    options = {"examples": 10, **options}
    with pytest.raises(ValueError, match=words):
        kprune.learned.hard_concrete(two_layers(), **options)


def test_gates_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"axes=\(2,\), view=None"):
        HardConcrete(10, axes=(2,)).build((3, 4))
    with pytest.raises(ValueError, match=r"view=\(3, 5\)"):
        HardConcrete(10, view=(3, 5)).build((3, 4))
