"""The loss as a pure function of the weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from lifecycle import assert_same, unchanged
from networks import CE, MSE, examples, sequential

import kprune
from kprune.scoring.config import ScoringConfig
from kprune.scoring.objective import Objective


def linear(values):
    """y = w . x, of the given weights."""
    layer = keras.layers.Dense(1, use_bias=False, name="out")
    return sequential((len(values),), layer, values=[np.c_[values]])


def small_net(batch_norm=True, dropout=0.5, seed=0):
    return sequential(
        (6,),
        keras.layers.Dense(8, name="fc1"),
        *([keras.layers.BatchNormalization()] if batch_norm else []),
        keras.layers.ReLU(),
        keras.layers.Dropout(dropout),
        keras.layers.Dense(3, name="fc2", kernel_regularizer="l2"),
        seed=seed,
    )


def draw(count=12):
    return examples(count, 6)


def gradient_of(objective, name="out/kernel", at=None):
    """Returns the gradient of one weight, flat."""
    at = objective.weights if at is None else at
    return np.ravel(objective.gradient(at)[name])


def assert_close(one, other, rtol=1e-5, atol=1e-7):
    """Asserts that two dicts of gradients are nearly equal."""
    assert one.keys() == other.keys()
    for name, gradient in other.items():
        np.testing.assert_allclose(one[name], gradient, rtol=rtol, atol=atol)


def test_derivatives_of_a_linear_unit():
    model = linear([1.0, -2.0, 0.5])
    objective = Objective(model, ([[3.0, 1.0, 0.0]], [[0.0]]), MSE)
    # w.x = 1, so dL/dw = 2 (w.x - y) x = [6, 2, 0].
    np.testing.assert_allclose(gradient_of(objective), [6, 2, 0])
    vector = {"out/kernel": tf.constant([[1.0], [0.0], [5.0]])}
    product = objective.hvp(objective.weights, vector)
    # H = 2 x x', so H v = 2 (x.v) x = 6 [3, 1, 0].
    np.testing.assert_allclose(np.ravel(product["out/kernel"]), [18, 6, 0])


def test_hvp_without_a_direction_goes_along_the_gradient():
    model, (x, y) = small_net(), draw()
    for batch_size in (12, 4):
        scoring = ScoringConfig(batch_size=batch_size)
        objective = Objective(model, (x, y), CE, scoring)
        w = objective.weights
        one = objective.hvp(w, temperature=2.0)
        two = objective.hvp(w, objective.gradient(w, 2.0), temperature=2.0)
        assert_close(one, two, rtol=2e-4)


def test_the_gradient_is_taken_at_the_weights_given():
    objective = Objective(linear([1.0, 1.0]), ([[1.0, 2.0]], [[0.0]]), MSE)
    at = {"out/kernel": tf.constant([[0.0], [3.0]])}
    # w.x = 6, so dL/dw = 12 [1, 2], dense where the weight is zero too.
    np.testing.assert_allclose(gradient_of(objective, at=at), [12, 24])


def test_masks_of_a_wrapped_model_do_not_enter():
    model = kprune.wrap(linear([1.0, 1.0]))
    kprune.set_masks(model, {"out/kernel": np.array([[False], [True]])})
    objective = Objective(model, ([[1.0, 2.0]], [[0.0]]), MSE)
    at = {"out/kernel": tf.constant([[5.0], [3.0]])}
    # w.x = 11: the pruned entry counts with the value it is given.
    np.testing.assert_allclose(gradient_of(objective, at=at), [22, 44])
    assert np.ravel(objective.masks["out/kernel"]).tolist() == [False, True]


def test_batches_are_weighted_by_their_size():
    model, (x, y) = small_net(batch_norm=False), draw(10)
    whole = Objective(model, (x, y), CE, ScoringConfig(batch_size=10))
    parts = Objective(model, (x, y), CE, ScoringConfig(batch_size=4))
    assert len(parts.batches) == 3  # 4, 4 and 2.
    gradients = (one.gradient(whole.weights) for one in (parts, whole))
    assert_close(*gradients)


def test_sample_weights_count():
    data = (np.array([[1.0], [1.0]]), np.zeros((2, 1)), np.array([3.0, 1.0]))
    # dL/dw = mean of 3 * 2 and 1 * 2.
    gradient = gradient_of(Objective(linear([1.0]), data, MSE))
    np.testing.assert_allclose(gradient, [4])


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


def test_every_form_of_data_gives_the_same_gradient():
    model, (x, y) = small_net(batch_norm=False), draw()
    whole = Objective(model, (x, y), CE, ScoringConfig(batch_size=12))
    expected = whole.gradient(whole.weights)
    for data in forms(x, y).values():
        objective = Objective(model, data, CE)
        assert_close(objective.gradient(whole.weights), expected)


def test_a_shuffling_data_set_is_read_once():
    model, (x, y) = small_net(batch_norm=False), draw()
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(12).batch(2)
    objective = Objective(model, dataset, CE, ScoringConfig(batches=2))
    first, again = (objective.gradient(objective.weights) for _ in range(2))
    assert_same(first, again)


def test_batches_and_batch_size_bound_what_is_read():
    model, (x, y) = small_net(), draw()
    scoring = ScoringConfig(batches=2, batch_size=3)
    objective = Objective(model, (x, y), CE, scoring)
    assert [len(batch[0]) for batch in objective.batches] == [3, 3]
    endless = tf.data.Dataset.from_tensors((x, y)).repeat()
    objective = Objective(model, endless, CE, ScoringConfig(batches=2))
    assert len(objective.batches) == 2


def test_batch_norm_mode_and_dropout():
    model, (x, y) = small_net(), draw()

    def kernel(**options):
        objective = Objective(model, (x, y), CE, ScoringConfig(**options))
        return gradient_of(objective, "fc1/kernel")

    with tf.GradientTape() as tape:
        loss = CE(y, model(x, training=False))
    inference = tape.gradient(loss, model.layers[0].kernel.value)

    evaluated, usual = kernel(batch_norm="eval"), kernel()
    np.testing.assert_allclose(evaluated, np.ravel(inference), rtol=1e-5)
    np.testing.assert_array_equal(usual, kernel())  # Dropout is off.
    assert np.abs(usual - evaluated).max() > 1e-4
    assert np.abs(usual - kernel(dropout=True)).max() > 1e-4
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
    gradient = gradient_of(Objective(model, (x, y), CE), "fc2/kernel")
    np.testing.assert_allclose(gradient, np.ravel(expected), rtol=1e-5)


def test_temperature_divides_logits_and_softens_probabilities_alike():
    logits, (x, y) = small_net(batch_norm=False, seed=4), draw()
    softmax = keras.Sequential([logits, keras.layers.Softmax()])
    probabilities = "sparse_categorical_crossentropy"

    def gradient(model, loss, temperature):
        objective = Objective(model, (x, y), loss)
        result = objective.gradient(objective.weights, temperature)
        return dict(enumerate(result.values()))

    for temperature in (1.0, 5.0):
        one = gradient(logits, CE, temperature)
        two = gradient(softmax, probabilities, temperature)
        assert_close(one, two, rtol=1e-3, atol=1e-6)
    assert np.abs(one[0]).max() > 0
    # A loss without logits has no temperature.
    model = linear([1.0, 2.0])
    objective = Objective(model, ([[1.0, 1.0]], [[0.0]]), MSE)
    one = objective.gradient(objective.weights, 5.0)["out/kernel"]
    np.testing.assert_allclose(np.ravel(one), [6, 6])


def test_nothing_of_the_model_changes():
    model, (x, y) = small_net(), draw()
    model.compile("adam", CE, metrics=["accuracy"], run_eagerly=True)
    model.fit(x, y, verbose=0)
    with unchanged(model):
        scoring = ScoringConfig(dropout=True)
        objective = Objective(model, (x, y), scoring=scoring)
        objective.hvp(objective.weights, objective.gradient(objective.weights))
        objective.flow_scores(objective.weights, objective.masks)
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
    given = gradient_of(Objective(model, (x, y), CE), "fc2/kernel")
    with pytest.warns(UserWarning, match="No loss was given"):
        inferred = gradient_of(Objective(model, (x, y)), "fc2/kernel")
    np.testing.assert_array_equal(inferred, given)
    model.compile("sgd", CE)
    compiled = gradient_of(Objective(model, (x, y)), "fc2/kernel")
    np.testing.assert_array_equal(compiled, given)


@pytest.mark.parametrize(
    "activation, units, labels, expected",
    [
        (None, 3, [0, 1, 2, 0], "SparseCategorical"),
        ("softmax", 3, [0, 1, 2, 0], "SparseCategorical"),
        ("softmax", 2, np.eye(2)[[0, 1, 1, 0]], "Categorical"),
        ("sigmoid", 1, [[0.0], [1], [1], [0]], "Binary"),
        (None, 1, [[0.0], [1], [1], [0]], "Binary"),
    ],
)
def test_the_loss_is_inferred_from_outputs_and_labels(
    activation, units, labels, expected
):
    model = sequential((6,), keras.layers.Dense(units, activation=activation))
    with pytest.warns(UserWarning, match="No loss was given"):
        loss = Objective(model, (draw(4)[0], np.array(labels))).loss
    assert type(loss).__name__ == f"{expected}Crossentropy"
    assert loss.get_config()["from_logits"] is (activation is None)


def test_several_outputs_and_inputs():
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    h = keras.layers.Concatenate()([a, b])
    one = keras.layers.Dense(1, use_bias=False, name="one")(h)
    two = keras.layers.Dense(1, use_bias=False, name="two")(h)
    model = keras.Model({"a": a, "b": b}, {"one": one, "two": two})
    x = {"a": np.ones((4, 2)), "b": np.ones((4, 2))}
    y = {"one": np.zeros((4, 1)), "two": np.zeros((4, 1))}
    shares = {"one": 1.0, "two": 3.0}
    model.compile("sgd", {"one": MSE, "two": MSE}, loss_weights=shares)
    model.set_weights([np.full((4, 1), 0.5)] * 2)

    objective = Objective(model, (x, y))
    # w.x = 2, so dL/dw = 2 * 2 * x, times 3 for the second.
    for name, share in shares.items():
        gradient = gradient_of(objective, f"{name}/kernel")
        np.testing.assert_allclose(gradient, [4 * share] * 4)


@pytest.mark.parametrize(
    "policy, tolerance",
    [("mixed_float16", 5e-3), ("mixed_bfloat16", 4e-2), ("float64", 1e-6)],
)
def test_other_precisions_score_in_float32_or_wider(policy, tolerance):
    def build(policy):
        hidden = keras.layers.Dense(8, activation="tanh", dtype=policy)
        head = keras.layers.Dense(3, dtype=policy)
        return sequential((6,), hidden, head, seed=1)

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
            a, b = np.asarray(a), np.asarray(b)
            assert np.abs(a - b).max() < tolerance * np.abs(b).max()


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
    layer = keras.layers.LSTM(3, stateful=True)
    inputs = keras.Input((5, 2), batch_size=2)
    model = keras.Model(inputs, keras.layers.Dense(3)(layer(inputs)))
    states = layer.states  # Not among `model.variables`.
    before = [np.array(state) for state in states]
    scoring = ScoringConfig(batch_size=2)
    with pytest.warns(UserWarning, match="No data was given"):
        objective = Objective(model, loss=CE, scoring=scoring)
        objective.gradient(objective.weights)
    assert len(before) == 2
    assert_same(list(states), before)
