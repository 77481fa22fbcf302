"""Criteria that look at paths and outputs, not at a loss, by hand."""

import itertools

import keras
import numpy as np
import pytest
from networks import sequential

import kprune
from kprune.scoring.objective import Objective


def dense(*kernels, activation=None):
    layers = [
        keras.layers.Dense(len(k[0]), activation, use_bias=False, name=name)
        for name, k in zip("abcd", kernels, strict=False)
    ]
    return sequential((len(kernels[0]),), *layers, values=kernels)


def objective(model):
    x = np.zeros((2, *model.input_shape[1:]), "float32")
    return Objective(model, (x, np.zeros((2, model.output_shape[1]))), "mse")


def test_synflow_l2_is_a_sum_over_paths():
    draws = np.random.default_rng(0).normal(size=(3, 3, 3))
    kernels = list(draws.astype("float32"))
    found = kprune.score(dense(*kernels, activation="relu"), "synflow_l2")
    # Each path adds its squared product, without the weight's own square,
    # times the weight's size.
    expected = np.zeros((3, 3, 3))
    for path in itertools.product(range(3), repeat=4):
        steps = [(m, path[m], path[m + 1]) for m in range(3)]
        squares = [float(kernels[m][i, j]) ** 2 for m, i, j in steps]
        for (m, i, j), own in zip(steps, squares, strict=True):
            size = abs(kernels[m][i, j])
            expected[m, i, j] += np.prod(squares) / own * size
    for name, scores in zip("abc", expected, strict=True):
        np.testing.assert_allclose(found[f"{name}/kernel"], scores, rtol=1e-6)


def test_synflow_and_its_square_keep_a_flow_each():
    model = dense([[2.0, 3.0]], [[4.0], [5.0]])
    one = objective(model)
    for power, first in {1: [8, 15], 2: [2 * 16, 3 * 25], 3: None}.items():
        scores = one.flow_scores(one.weights, one.masks, power)["a/kernel"]
        if first is not None:
            np.testing.assert_allclose(np.ravel(scores), first)
    one.hand_on()  # The next objective takes both up.
    again = objective(model)
    scores = again.flow_scores(again.weights, again.masks, 2)["a/kernel"]
    np.testing.assert_allclose(np.ravel(scores), [32, 75])


def test_ntk_sap_of_a_linear_network():
    one = objective(dense([[1.0], [1.0]]))
    w = np.array([[2.0], [3.0]])
    move = np.array([[0.5], [-1.0]])
    masks = {"a/kernel": np.array([[True], [True]])}
    rng = np.random.default_rng(4)
    found = one.shared.output_change.by_gates(
        {"a/kernel": w}, {"a/kernel": move}, masks, rng, 7
    )
    # f(w m) - f((w + v) m) = -x' (v m), whose square is (sum x_i v_i m_i)^2;
    # by m_i that is 2 (x' v) x_i v_i, summed over the examples.
    x = np.random.default_rng(4).normal(size=(7, 2))
    expected = 2 * (x @ move * x).sum(0) * move[:, 0]
    np.testing.assert_allclose(np.ravel(found["a/kernel"]), expected, rtol=1e-5)


def test_ntk_sap_is_a_finite_difference_by_a_gate():
    model = sequential(
        (3,),
        keras.layers.Dense(4, name="a"),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
        keras.layers.Dense(2, name="b"),
        seed=2,
    )
    keras.utils.set_random_seed(0)
    double = keras.models.clone_model(
        model,
        clone_function=lambda x: type(x).from_config(
            x.get_config() | {"dtype": "float64"}
        ),
    )
    one = objective(double)
    rng = np.random.default_rng(1)
    weights = {n: rng.normal(size=np.shape(w)) for n, w in one.weights.items()}
    moves = {n: 0.1 * rng.normal(size=w.shape) for n, w in weights.items()}
    ones = {n: np.ones(w.shape) for n, w in weights.items()}

    def found(gates):
        draws = np.random.default_rng(3)
        return one.shared.output_change.by_gates(
            weights, moves, gates, draws, 6
        )

    def total(gates):
        # The sum itself, of the network as Keras computes it.
        x = np.random.default_rng(3).normal(size=(6, 3))
        outputs = []
        for shift in (0.0, 1.0):
            for name, w in weights.items():
                layer = double.get_layer(name.partition("/")[0])
                layer.kernel.assign((w + shift * moves[name]) * gates[name])
            outputs.append(np.array(double(x, training=True)))
        return np.square(outputs[0] - outputs[1]).sum()

    slopes = found(ones)
    for name, place in [("a/kernel", (1, 2)), ("b/kernel", (3, 1))]:
        sums = []
        for step in (1e-5, -1e-5):
            gates = {n: g.copy() for n, g in ones.items()}
            gates[name][place] += step
            sums.append(total(gates))
        difference = (sums[0] - sums[1]) / 2e-5
        np.testing.assert_allclose(slopes[name][place], difference, rtol=1e-5)


def test_ntk_sap_scores_the_mask_and_not_the_weights():
    one, other = dense([[1.0, 2.0]]), dense([[-3.0, 0.5]])
    scores = [kprune.score(m, "ntk_sap", seed=3) for m in (one, other)]
    np.testing.assert_array_equal(*(s["a/kernel"] for s in scores))
    fresh = kprune.score(one, "ntk_sap", seed=4)["a/kernel"]
    assert (fresh != scores[0]["a/kernel"]).all()


def test_each_round_of_ntk_sap_has_draws_of_its_own(monkeypatch):
    seen = []

    one = objective(dense(np.ones((6, 6)).tolist()))
    change = one.shared.output_change
    by_gates = change.by_gates

    def watched(weights, *given):
        seen.append(np.array(weights["a/kernel"]))
        return by_gates(weights, *given)

    monkeypatch.setattr(change, "by_gates", watched)
    kprune.recipes.ntk_sap(draws=1, rounds=3).masks(one, 0.5)
    assert len(seen) == 3
    assert len({a.tobytes() for a in seen}) == 3


@pytest.mark.parametrize("bad", ["epsilon", "draws", "examples"])
def test_ntk_sap_refuses_what_it_cannot_draw(bad):
    with pytest.raises(ValueError, match=bad):
        kprune.score(dense([[1.0]]), "ntk_sap", **{bad: 0})


def test_path_exclusion_is_a_sum_over_active_paths():
    rng = np.random.default_rng(5)
    kernels = [rng.normal(size=s).astype("float32") for s in [(3, 4), (4, 2)]]
    model = sequential(
        (3,),
        keras.layers.Dense(4, "relu", use_bias=False, name="a"),
        keras.layers.Dense(2, use_bias=False, name="b"),
        values=kernels,
    )
    x = rng.normal(size=(5, 3)).astype("float32")
    data = (x, np.zeros((5, 2), "float32"))
    found = kprune.score(model, "path_exclusion", data=data, loss="mse")
    # Of each output how often its paths are active, by their inputs squared.
    active = (x @ kernels[0] > 0).astype(float)
    counts = [(x.astype(float) ** 2).sum(1) @ active.sum(1)] * 2
    first, second = (k.astype(float) ** 2 for k in kernels)
    # R = sum over outputs k of counts_k, and the squared products of the paths
    # to k.
    through = counts[0] * second.sum(1)
    a = np.abs(kernels[0]) * through
    b = np.abs(kernels[1]) * (first.sum(0)[:, None] * np.array(counts))
    np.testing.assert_allclose(found["a/kernel"], a, rtol=1e-6)
    np.testing.assert_allclose(found["b/kernel"], b, rtol=1e-6)


def test_path_exclusion_counts_each_output_by_its_own_active_paths():
    # Output 0 reads unit 0, which is active on x = 2; output 1 reads unit 1,
    # which is active on x = -1 and -3.
    kernels = [[[1.0, -1.0]], [[5.0, 0.0], [0.0, 7.0]]]
    norm = [np.ones(2), np.zeros(2), np.zeros(2), np.ones(2)]
    model = sequential(
        (1,),
        keras.layers.Rescaling(2.0),
        keras.layers.Dense(2, use_bias=False, name="a"),
        keras.layers.BatchNormalization(epsilon=0.0),
        keras.layers.ReLU(),
        keras.layers.Dense(2, use_bias=False, name="b"),
        values=[kernels[0], *norm, kernels[1]],
    )
    model = kprune.wrap(model)
    masks = np.array([[True, False], [False, True]])
    kprune.set_masks(model, {"b/kernel": masks})
    x = np.array([[2.0], [-1.0], [-3.0]], "float32")
    one = Objective(model, (x, np.zeros((3, 2), "float32")), "mse")
    counts = one.shared.path_activations.totals(
        one.weights, one.masks, one.batches
    )
    np.testing.assert_allclose(counts[0], [4, 1 + 9])
    scores = kprune.criteria.get("path_exclusion")
    found = scores(one, one.weights, one.masks)
    # The input of ones comes as 2 through the rescaling.
    scores = [2 * 4 * 25, 2 * 10 * 49]
    np.testing.assert_allclose(np.ravel(found["a/kernel"]), scores)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Dense(3, "tanh"),
        keras.layers.ReLU(max_value=6),
        keras.layers.Lambda(lambda x: x),
    ],
    ids=["tanh", "relu6", "lambda"],
)
def test_path_exclusion_says_where_paths_are_not_known(layer):
    model = sequential((2,), layer, keras.layers.Dense(1))
    data = np.ones((2, 2), "float32"), np.ones((2, 1), "float32")
    with pytest.raises(ValueError, match="when a path is active"):
        kprune.score(model, "path_exclusion", data=data, loss="mse")
