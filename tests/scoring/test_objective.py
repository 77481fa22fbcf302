"""The loss as a pure function of the weights."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

import kprune
from kprune.scoring.config import ScoringConfig
from kprune.scoring.objective import Objective

MSE = "mean_squared_error"
CE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def linear(values, name="out"):
    """y = w . x, of the given weights."""
    model = keras.Sequential(
        [
            keras.Input((len(values),)),
            keras.layers.Dense(1, use_bias=False, name=name),
        ]
    )
    model.layers[0].set_weights([np.reshape(values, (-1, 1))])
    return model


def small_net(batch_norm=True, dropout=0.5, seed=0):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((6,)), keras.layers.Dense(8, name="fc1")]
    if batch_norm:
        layers.append(keras.layers.BatchNormalization())
    layers += [
        keras.layers.ReLU(),
        keras.layers.Dropout(dropout),
        keras.layers.Dense(3, name="fc2", kernel_regularizer="l2"),
    ]
    return keras.Sequential(layers)


def draw(count=12, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 6)).astype("float32")
    return x, rng.integers(0, 3, count)


def test_gradient_of_a_linear_unit():
    objective = Objective(
        linear([1.0, -2.0, 0.5]), ([[3.0, 1.0, 0.0]], [[0.0]]), MSE
    )
    gradient = objective.gradient(objective.weights)
    # w.x = 1, so dL/dw = 2 (w.x - y) x = [6, 2, 0].
    np.testing.assert_allclose(np.ravel(gradient["out/kernel"]), [6, 2, 0])


def test_hvp_of_a_linear_unit():
    objective = Objective(
        linear([1.0, -2.0, 0.5]), ([[3.0, 1.0, 0.0]], [[0.0]]), MSE
    )
    vector = {"out/kernel": tf.constant([[1.0], [0.0], [5.0]])}
    product = objective.hvp(objective.weights, vector)
    # H = 2 x x', so H v = 2 (x.v) x = 6 [3, 1, 0].
    np.testing.assert_allclose(np.ravel(product["out/kernel"]), [18, 6, 0])


def test_hvp_without_a_direction_goes_along_the_gradient():
    model, (x, y) = small_net(), draw()
    for batch_size in (12, 4):
        objective = Objective(
            model, (x, y), CE, ScoringConfig(batch_size=batch_size)
        )
        w = objective.weights
        one = objective.hvp(w, temperature=2.0)
        two = objective.hvp(w, objective.gradient(w, 2.0), temperature=2.0)
        for name in w:
            np.testing.assert_allclose(
                one[name], two[name], rtol=2e-4, atol=1e-7
            )


def test_the_gradient_is_taken_at_the_weights_given():
    objective = Objective(linear([1.0, 1.0]), ([[1.0, 2.0]], [[0.0]]), MSE)
    at = {"out/kernel": tf.constant([[0.0], [3.0]])}
    # w.x = 6, so dL/dw = 12 [1, 2], dense where the weight is zero too.
    np.testing.assert_allclose(
        np.ravel(objective.gradient(at)["out/kernel"]), [12, 24]
    )


def test_masks_of_a_wrapped_model_do_not_enter():
    model = kprune.wrap(linear([1.0, 1.0]))
    kprune.set_masks(model, {"out/kernel": np.array([[False], [True]])})
    objective = Objective(model, ([[1.0, 2.0]], [[0.0]]), MSE)
    at = {"out/kernel": tf.constant([[5.0], [3.0]])}
    # w.x = 11: the pruned entry counts with the value it is given.
    np.testing.assert_allclose(
        np.ravel(objective.gradient(at)["out/kernel"]), [22, 44]
    )
    np.testing.assert_array_equal(
        np.ravel(objective.masks["out/kernel"]), [False, True]
    )


def test_batches_are_weighted_by_their_size():
    model, (x, y) = small_net(batch_norm=False), draw(10)
    whole = Objective(model, (x, y), CE, ScoringConfig(batch_size=10))
    parts = Objective(
        model, (x, y), CE, ScoringConfig(batch_size=4)
    )  # 4, 4 and 2.
    assert len(parts.batches) == 3
    for name, g in whole.gradient(whole.weights).items():
        np.testing.assert_allclose(
            parts.gradient(parts.weights)[name], g, rtol=1e-5, atol=1e-7
        )


def test_sample_weights_count():
    objective = Objective(
        linear([1.0]),
        (np.array([[1.0], [1.0]]), np.zeros((2, 1)), np.array([3.0, 1.0])),
        MSE,
    )
    # dL/dw = mean of 3 * 2 and 1 * 2.
    gradient = objective.gradient(objective.weights)
    np.testing.assert_allclose(np.ravel(gradient["out/kernel"]), [4])


def forms(x, y):
    class Sequence(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, i):
            return x[4 * i : 4 * i + 4], y[4 * i : 4 * i + 4]

    dataset = tf.data.Dataset.from_tensor_slices((x, y))
    return {
        "arrays": (x, y),
        "dataset": dataset.batch(4),
        "unevenly batched dataset": dataset.batch(5),
        "PyDataset": Sequence(),
        "generator": ((x[i : i + 4], y[i : i + 4]) for i in (0, 4, 8)),
        "tensors": (tf.constant(x), tf.constant(y)),
        "list of batches": [(x[:4], y[:4]), (x[4:8], y[4:8]), (x[8:], y[8:])],
    }


@pytest.mark.parametrize("form", forms(*draw()))
def test_every_form_of_data_gives_the_same_gradient(form):
    model, (x, y) = small_net(batch_norm=False), draw()
    expected = Objective(model, (x, y), CE, ScoringConfig(batch_size=12))
    objective = Objective(model, forms(x, y)[form], CE)
    one = objective.gradient(objective.weights)
    for name, g in expected.gradient(expected.weights).items():
        np.testing.assert_allclose(one[name], g, rtol=1e-5, atol=1e-7)


def test_a_shuffling_data_set_is_read_once():
    model, (x, y) = small_net(batch_norm=False), draw()
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(12).batch(2)
    objective = Objective(model, dataset, CE, ScoringConfig(batches=2))
    first = objective.gradient(objective.weights)
    again = objective.gradient(objective.weights)
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])


def test_batches_and_batch_size_bound_what_is_read():
    model, (x, y) = small_net(), draw()
    objective = Objective(
        model, (x, y), CE, ScoringConfig(batches=2, batch_size=3)
    )
    assert [len(batch[0]) for batch in objective.batches] == [3, 3]
    endless = tf.data.Dataset.from_tensors((x, y)).repeat()
    objective = Objective(model, endless, CE, ScoringConfig(batches=2))
    assert len(objective.batches) == 2


def test_batch_norm_mode_and_dropout():
    model, (x, y) = small_net(), draw()

    def kernel(**options):
        objective = Objective(model, (x, y), CE, ScoringConfig(**options))
        return np.asarray(objective.gradient(objective.weights)["fc1/kernel"])

    with tf.GradientTape() as tape:
        loss = CE(y, model(x, training=False))
    inference = tape.gradient(loss, model.layers[0].kernel.value)

    np.testing.assert_allclose(kernel(batch_norm="eval"), inference, rtol=1e-5)
    np.testing.assert_array_equal(kernel(), kernel())  # Dropout is off.
    assert np.abs(kernel() - kernel(batch_norm="eval")).max() > 1e-4
    assert np.abs(kernel() - kernel(dropout=True)).max() > 1e-4
    with pytest.raises(ValueError, match=r"batch_norm.*'test'"):
        kernel(batch_norm="test")


def test_kernels_before_batch_norm_feel_no_change_of_scale():
    # Sum over each output of w g is 0 if the output is normalized (eps -> 0).
    model, (x, y) = small_net(), draw()
    model.layers[1].epsilon = 1e-12
    objective = Objective(model, (x, y), CE)
    w = objective.weights
    g = objective.gradient(w)
    flat = np.asarray(w["fc1/kernel"] * g["fc1/kernel"])
    assert np.abs(flat.sum(0)).max() < 1e-5 * np.abs(flat).max()
    # And sum of -w (H g) over the layer is |g|^2.
    h = objective.hvp(w, g)
    inner = -np.sum(np.asarray(w["fc1/kernel"] * h["fc1/kernel"]))
    squared = float(tf.reduce_sum(g["fc1/kernel"] ** 2))
    np.testing.assert_allclose(inner, squared, rtol=1e-3)


def test_regularization_is_no_part_of_the_loss():
    model, (x, y) = small_net(batch_norm=False), draw()
    with tf.GradientTape() as tape:
        loss = CE(y, model(x, training=False))  # Without the l2 penalty.
    expected = tape.gradient(loss, model.layers[-1].kernel.value)
    objective = Objective(model, (x, y), CE)
    np.testing.assert_allclose(
        objective.gradient(objective.weights)["fc2/kernel"], expected, rtol=1e-5
    )


def test_temperature_divides_logits_and_softens_probabilities_alike():
    logits, (x, y) = small_net(batch_norm=False, seed=4), draw()
    softmax = keras.Sequential([logits, keras.layers.Softmax()])

    def gradient(model, loss, temperature):
        objective = Objective(model, (x, y), loss)
        result = objective.gradient(objective.weights, temperature)
        return [np.asarray(g) for g in result.values()]

    for temperature in (1.0, 5.0):
        one = gradient(logits, CE, temperature)
        two = gradient(softmax, "sparse_categorical_crossentropy", temperature)
        for a, b in zip(one, two, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)
    assert np.abs(gradient(logits, CE, 5.0)[0]).max() > 0
    # A loss without logits has no temperature.
    model = linear([1.0, 2.0])
    objective = Objective(model, ([[1.0, 1.0]], [[0.0]]), MSE)
    one = objective.gradient(objective.weights, 5.0)["out/kernel"]
    np.testing.assert_allclose(np.ravel(one), [6, 6])


def test_nothing_of_the_model_changes():
    model, (x, y) = small_net(), draw()
    model.compile("adam", CE, metrics=["accuracy"])
    model.fit(x, y, epochs=1, verbose=0)
    before = [np.array(v) for v in model.variables]
    slots = [np.array(v) for v in model.optimizer.variables]
    metrics = [np.array(v) for v in model.metrics_variables]
    python, numpy = random.getstate(), np.random.get_state()[1].copy()

    objective = Objective(model, (x, y), scoring=ScoringConfig(dropout=True))
    objective.hvp(objective.weights, objective.gradient(objective.weights))
    objective.flow_scores(objective.weights, objective.masks)

    for was, v in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(was, v, err_msg=v.path)
    for was, v in zip(slots, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(was, v, err_msg=v.path)
    for was, v in zip(metrics, model.metrics_variables, strict=True):
        np.testing.assert_array_equal(was, v, err_msg=v.path)
    assert random.getstate() == python
    np.testing.assert_array_equal(np.random.get_state()[1], numpy)
    assert keras.config.dtype_policy().name == "float32"


def test_nothing_is_traced_after_the_first_round():
    model, (x, y) = small_net(), draw(11)
    traces = []
    call = model.call
    model.call = lambda *a, **k: (traces.append(1), call(*a, **k))[1]
    objective = Objective(model, (x, y), CE, ScoringConfig(batch_size=4))
    criterion = kprune.criteria.get("grasp")
    criterion(objective, objective.weights, objective.masks)
    first = len(traces)
    for _ in range(3):
        criterion(objective, objective.weights, objective.masks)
    assert first > 0 and len(traces) == first


def test_the_compiled_loss_is_used_and_an_inferred_one_is_told():
    model, (x, y) = small_net(batch_norm=False), draw()
    given = Objective(model, (x, y), CE)
    with pytest.warns(UserWarning, match="No loss was given"):
        inferred = Objective(model, (x, y))
        one = inferred.gradient(inferred.weights)["fc2/kernel"]
    np.testing.assert_array_equal(
        one, given.gradient(given.weights)["fc2/kernel"]
    )
    model.compile("sgd", CE)
    compiled = Objective(model, (x, y))
    np.testing.assert_array_equal(
        one, compiled.gradient(compiled.weights)["fc2/kernel"]
    )


@pytest.mark.parametrize(
    "activation, units, labels, expected, from_logits",
    [
        (None, 3, [0, 1, 2, 0], "SparseCategoricalCrossentropy", True),
        ("softmax", 3, [0, 1, 2, 0], "SparseCategoricalCrossentropy", False),
        (
            "softmax",
            2,
            np.eye(2)[[0, 1, 1, 0]],
            "CategoricalCrossentropy",
            False,
        ),
        ("sigmoid", 1, [[0.0], [1], [1], [0]], "BinaryCrossentropy", False),
        (None, 1, [[0.0], [1], [1], [0]], "BinaryCrossentropy", True),
    ],
)
def test_the_loss_is_inferred_from_outputs_and_labels(
    activation, units, labels, expected, from_logits
):
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(units, activation=activation)]
    )
    with pytest.warns(UserWarning, match="No loss was given"):
        loss = Objective(model, (draw(4)[0], np.array(labels))).loss
    assert type(loss).__name__ == expected
    assert loss.get_config()["from_logits"] is from_logits


def test_several_outputs_and_inputs():
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    h = keras.layers.Concatenate()([a, b])
    one = keras.layers.Dense(1, use_bias=False, name="one")(h)
    two = keras.layers.Dense(1, use_bias=False, name="two")(h)
    model = keras.Model({"a": a, "b": b}, {"one": one, "two": two})
    x = {"a": np.ones((4, 2)), "b": np.ones((4, 2))}
    y = {"one": np.zeros((4, 1)), "two": np.zeros((4, 1))}
    model.compile(
        "sgd", {"one": MSE, "two": MSE}, loss_weights={"one": 1.0, "two": 3.0}
    )
    for layer in ("one", "two"):
        model.get_layer(layer).set_weights([np.full((4, 1), 0.5)])

    objective = Objective(model, (x, y))
    gradient = objective.gradient(objective.weights)
    # w.x = 2, so dL/dw = 2 * 2 * x, times 3 for the second.
    np.testing.assert_allclose(np.ravel(gradient["one/kernel"]), [4] * 4)
    np.testing.assert_allclose(np.ravel(gradient["two/kernel"]), [12] * 4)


@pytest.mark.parametrize(
    "policy, tolerance",
    [("mixed_float16", 5e-3), ("mixed_bfloat16", 4e-2), ("float64", 1e-6)],
)
def test_other_precisions_score_in_float32_or_wider(policy, tolerance):
    keras.utils.set_random_seed(1)

    def build(policy):
        return keras.Sequential(
            [
                keras.Input((6,)),
                keras.layers.Dense(8, activation="tanh", dtype=policy),
                keras.layers.Dense(3, dtype=policy),
            ]
        )

    reference, model, (x, y) = build("float32"), build(policy), draw()
    model.set_weights(reference.get_weights())
    # Tiny inputs: without loss scaling float16 would flush their gradients.
    exact = Objective(reference, (x * 1e-4, y), CE)
    objective = Objective(model, (x * 1e-4, y), CE)
    for function in ("gradient", "hvp"):
        one = getattr(objective, function)(objective.weights, temperature=50.0)
        two = getattr(exact, function)(exact.weights, temperature=50.0)
        for a, b in zip(one.values(), two.values(), strict=True):
            assert a.dtype in (tf.float32, tf.float64)
            scale = np.abs(b).max()
            assert scale > 0
            assert (
                np.abs(np.asarray(a) - np.asarray(b)).max() < tolerance * scale
            )


def test_synthetic_batch_fits_the_model_and_warns():
    inputs = keras.Input((5,), dtype="int32")
    h = keras.layers.Embedding(7, 4)(inputs)
    h = keras.layers.GlobalAveragePooling1D()(h)
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(h))
    with pytest.warns(UserWarning, match="No data was given"):
        objective = Objective(model, loss="categorical_crossentropy", seed=1)
        x, y = objective.batches[0]
    assert x.shape == (128, 5) and x.min() >= 0 and x.max() == 6
    assert y.shape == (128, 3) and (y.sum(1) == 1).all()
    assert (y.sum(0) > 20).all()  # Uniform over the classes: 43 +- 5.


def test_a_synthetic_batch_leaves_a_stateful_layer_as_it_was():
    model = keras.Sequential(
        [
            keras.Input((5, 2), batch_size=2),
            keras.layers.LSTM(3, stateful=True),
            keras.layers.Dense(3),
        ]
    )
    states = model.layers[0].states  # Not among `model.variables`.
    before = [np.array(state) for state in states]
    with pytest.warns(UserWarning, match="No data was given"):
        objective = Objective(
            model, loss=CE, scoring=ScoringConfig(batch_size=2)
        )
        objective.gradient(objective.weights)
    assert len(before) == 2
    for was, state in zip(before, states, strict=True):
        np.testing.assert_array_equal(was, state)
