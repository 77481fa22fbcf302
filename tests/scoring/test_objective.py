"""The loss as a pure function of the weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from lifecycle import assert_same, unchanged
from networks import CE, MSE, batched, examples, sequential

import kprune
from kprune.scoring.config import ScoringConfig
from kprune.scoring.objective import Objective


def linear(values):
    """y = w . x, of the given weights."""
    layer = keras.layers.Dense(1, use_bias=False, name="out")
    return sequential((len(values),), layer, values=[np.c_[values]])


def small_net(batch_norm=False):
    return sequential(
        (6,),
        keras.layers.Dense(8, name="fc1"),
        *([keras.layers.BatchNormalization()] if batch_norm else []),
        keras.layers.ReLU(),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(3, name="fc2", kernel_regularizer="l2"),
        seed=0,
    )


DATA = X, Y = examples(12, 6)


def on(model, data=DATA, loss=CE, **scoring):
    return Objective(model, data, loss, ScoringConfig(**scoring))


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
    objective = on(model, ([[3.0, 1.0, 0.0]], [[0.0]]), MSE)
    # w.x = 1, so dL/dw = 2 (w.x - y) x = [6, 2, 0].
    np.testing.assert_allclose(gradient_of(objective), [6, 2, 0])
    vector = {"out/kernel": tf.constant([[1.0], [0.0], [5.0]])}
    product = objective.hvp(objective.weights, vector)
    # H = 2 x x', so H v = 2 (x.v) x = 6 [3, 1, 0].
    np.testing.assert_allclose(np.ravel(product["out/kernel"]), [18, 6, 0])


def test_hvp_without_a_direction_goes_along_the_gradient():
    for batch_size in (12, 4):
        objective = on(small_net(batch_norm=True), batch_size=batch_size)
        w = objective.weights
        one = objective.hvp(w, temperature=2.0)
        two = objective.hvp(w, objective.gradient(w, 2.0), temperature=2.0)
        assert_close(one, two, rtol=2e-4)


def test_the_gradient_is_taken_at_the_weights_given_whatever_the_masks():
    model = kprune.wrap(linear([1.0, 1.0]))
    kprune.set_masks(model, {"out/kernel": np.array([[False], [True]])})
    objective = on(model, ([[1.0, 2.0]], [[0.0]]), MSE)
    at = {"out/kernel": tf.constant([[5.0], [3.0]])}
    # w.x = 11: the pruned entry counts with the value it is given.
    np.testing.assert_allclose(gradient_of(objective, at=at), [22, 44])
    assert np.ravel(objective.masks["out/kernel"]).tolist() == [False, True]


def test_batches_are_weighted_by_their_size():
    model, data = small_net(), (X[:10], Y[:10])
    whole, parts = (on(model, data, batch_size=size) for size in (10, 4))
    assert len(parts.batches) == 3  # 4, 4 and 2.
    assert_close(parts.gradient(whole.weights), whole.gradient(whole.weights))


def test_sample_weights_count():
    data = (np.array([[1.0], [1.0]]), np.zeros((2, 1)), np.array([3.0, 1.0]))
    # dL/dw = mean of 3 * 2 and 1 * 2.
    gradient = gradient_of(on(linear([1.0]), data, MSE))
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


def test_every_form_of_data_is_read_as_the_same_examples():
    model = small_net()
    for data in forms(X, Y).values():
        batches = on(model, data).batches
        for place, whole in enumerate(DATA):
            read = np.concatenate([batch[place] for batch in batches])
            np.testing.assert_array_equal(read, whole)


def test_a_shuffling_data_set_is_read_once():
    objective = on(small_net(), batched(*DATA, 2, shuffle=0), batches=2)
    first, again = (objective.gradient(objective.weights) for _ in range(2))
    assert_same(first, again)


def test_batches_and_batch_size_bound_what_is_read():
    model, endless = small_net(), tf.data.Dataset.from_tensors(DATA).repeat()
    objective = on(model, batches=2, batch_size=3)
    assert [len(batch[0]) for batch in objective.batches] == [3, 3]
    assert len(on(model, endless, batches=2).batches) == 2


def inference_gradient(model, layer):
    """Returns the gradient of a kernel, of the loss as in inference."""
    with tf.GradientTape() as tape:
        loss = CE(Y, model(X, training=False))  # Without the l2 penalty.
    return np.ravel(tape.gradient(loss, model.get_layer(layer).kernel.value))


def test_batch_norm_mode_and_dropout():
    model = small_net(batch_norm=True)

    def kernel(**options):
        return gradient_of(on(model, **options), "fc1/kernel")

    evaluated, usual = kernel(batch_norm="eval"), kernel()
    inference = inference_gradient(model, "fc1")
    np.testing.assert_allclose(evaluated, inference, rtol=1e-5)
    np.testing.assert_array_equal(usual, kernel())  # Dropout is off.
    assert np.abs(usual - evaluated).max() > 1e-4
    assert np.abs(usual - kernel(dropout=True)).max() > 1e-4
    with pytest.raises(ValueError, match=r"batch_norm.*'test'"):
        kernel(batch_norm="test")


def test_regularization_is_no_part_of_the_loss():
    model = small_net()
    expected = inference_gradient(model, "fc2")
    gradient = gradient_of(on(model), "fc2/kernel")
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)


def test_temperature_divides_logits_and_softens_probabilities_alike():
    logits = small_net()
    softmax = keras.Sequential([logits, keras.layers.Softmax()])
    pair = on(logits), on(softmax, loss="sparse_categorical_crossentropy")
    for temperature in (1.0, 5.0):
        one, two = (
            dict(enumerate(each.gradient(each.weights, temperature).values()))
            for each in pair
        )
        assert_close(one, two, rtol=1e-3, atol=1e-6)
    assert np.abs(one[0]).max() > 0
    # A loss without logits has no temperature.
    objective = on(linear([1.0, 2.0]), ([[1.0, 1.0]], [[0.0]]), MSE)
    one = objective.gradient(objective.weights, 5.0)["out/kernel"]
    np.testing.assert_allclose(np.ravel(one), [6, 6])


def test_nothing_of_the_model_changes():
    model = small_net(batch_norm=True)
    model.compile("adam", CE, metrics=["accuracy"], run_eagerly=True)
    model.fit(X, Y, verbose=0)
    with unchanged(model):
        objective = on(model, loss=None, dropout=True)
        objective.hvp(objective.weights, objective.gradient(objective.weights))
        objective.flow_scores(objective.weights, objective.masks)
    assert keras.config.dtype_policy().name == "float32"


def test_nothing_is_traced_after_the_first_round():
    model, traces = small_net(batch_norm=True), []
    call = model.call
    model.call = lambda *a, **k: (traces.append(1), call(*a, **k))[1]
    objective = on(model, (X[:11], Y[:11]), batch_size=4)
    criterion = kprune.criteria.get("grasp")
    criterion(objective, objective.weights, objective.masks)
    first = len(traces)
    for _ in range(3):
        criterion(objective, objective.weights, objective.masks)
    assert first > 0 and len(traces) == first


def test_the_compiled_loss_is_used_and_an_inferred_one_is_told():
    model = small_net()
    given = gradient_of(on(model), "fc2/kernel")
    with pytest.warns(UserWarning, match="No loss was given"):
        inferred = gradient_of(on(model, loss=None), "fc2/kernel")
    np.testing.assert_array_equal(inferred, given)
    model.compile("sgd", CE)
    compiled = gradient_of(on(model, loss=None), "fc2/kernel")
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
        loss = on(model, (X[:4], np.array(labels)), loss=None).loss
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
    model.compile("sgd", dict.fromkeys(shares, MSE), loss_weights=shares)
    model.set_weights([np.full((4, 1), 0.5)] * 2)

    objective = Objective(model, (x, y))
    # w.x = 2, so dL/dw = 2 * 2 * x, times 3 for the second.
    for name, share in shares.items():
        gradient = gradient_of(objective, f"{name}/kernel")
        np.testing.assert_allclose(gradient, [4 * share] * 4)


def test_other_precisions_score_in_float32_or_wider():
    def scores(policy, values=None):
        hidden = keras.layers.Dense(8, activation="tanh", dtype=policy)
        head = keras.layers.Dense(3, dtype=policy)
        model = sequential((6,), hidden, head, seed=1, values=values)
        # Tiny inputs: without loss scaling float16 would flush their gradients.
        one = on(model, (X * 1e-4, Y))
        parts = (one.gradient, one.hvp)
        found = [part(one.weights, temperature=50.0).values() for part in parts]
        return model.get_weights(), [v for part in found for v in part]

    values, exact = scores("float32")
    policies = {"mixed_float16": 5e-3, "mixed_bfloat16": 4e-2, "float64": 1e-6}
    for policy, tolerance in policies.items():
        for a, b in zip(scores(policy, values)[1], exact, strict=True):
            assert a.dtype in (tf.float32, tf.float64)
            gap = np.abs(np.asarray(a) - np.asarray(b)).max()
            assert gap < tolerance * np.abs(b).max()


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
    with pytest.warns(UserWarning, match="No data was given"):
        objective = on(model, None, batch_size=2)
        objective.gradient(objective.weights)
    assert len(before) == 2
    assert_same(list(states), before)
