"""Criteria: numbers worked out by hand, and the contract of all of them."""

import functools
import itertools
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from networks import CE, dense_net, examples, sequential

import kprune
from kprune.pruning import criteria
from kprune.scoring.config import ScoringConfig
from kprune.scoring.objective import Objective

DATA = examples(8, 8)


def score(name, **options):
    """Returns the scores of a small network."""
    return kprune.score(dense_net(), name, data=DATA, loss=CE, **options)


def one_weight(value):
    layer = keras.layers.Dense(1, use_bias=False, name="w")
    return sequential((1,), layer, values=[[[value]]])


def quadratic(start, matrix):
    """The objective L(w) = w' A w / 2 at `start`, as a real network's.

    With n examples x and labels 0, the mean of (x' w)^2 is w' A w / 2 if
    A = 2 X' X / n, which a Cholesky factor of n A / 2 gives.
    """
    matrix = np.array(matrix)
    x = np.linalg.cholesky(len(matrix) * matrix / 2).T
    layer = keras.layers.Dense(1, use_bias=False, name="w", dtype="float64")
    model = sequential((len(matrix),), layer, values=[np.c_[start]])
    return Objective(model, (x, np.zeros((len(x), 1))), "mse")


def scores_at(criterion, objective, masks=None):
    masks = objective.masks if masks is None else masks
    return np.ravel(criterion(objective, objective.weights, masks)["w/kernel"])


A = [[2.0, 1.0], [1.0, 3.0]]  # At w = [1, -2] the gradient A w is [0, -5].


@functools.cache
def quadratic_of_a():
    return quadratic([1.0, -2.0], A)


def test_the_quadratic_has_the_derivatives_it_should():
    objective = quadratic_of_a()
    w = objective.weights
    np.testing.assert_allclose(objective.value(w), 5)
    gradient = np.ravel(objective.gradient(w)["w/kernel"])
    np.testing.assert_allclose(gradient, [0, -5], atol=1e-12)
    product = np.ravel(objective.hvp(w)["w/kernel"])
    np.testing.assert_allclose(product, [-5, -15])  # H g = A [0, -5].
    np.testing.assert_allclose(objective.hessian(w), A)


def quadratic_scores(name, options, masks=None):
    criterion = criteria.get(name, **options)
    return scores_at(criterion, quadratic_of_a(), masks)


ONE = {"temperature": 1.0}


@pytest.mark.parametrize(
    "name, options, expected",
    [
        ("magnitude", {}, [1, 2]),
        ("snip", {}, [0, 10]),  # |w g|
        ("skeletonization", {}, [0, -10]),  # -w g
        ("taylor", {}, [0, 100]),  # (w g)^2
        ("grasp_it", {}, [0, 25]),  # g^2
        ("grasp", ONE, [-5, 30]),  # w (H g) = [1 * -5, -2 * -15]
        ("grasp", {**ONE, "absolute": True}, [5, 30]),  # Another method.
        ("crop", {}, [5, 30]),  # |w (H g)|
        # The inverse of A is [[3, -1], [-1, 2]] / 5: w^2 / (2 [3, 2] / 5).
        ("obs", {"damping": 1e-12}, [1 / 1.2, 4 / 0.8]),
    ],
)
def test_scores_of_a_quadratic(name, options, expected):
    scores = quadratic_scores(name, options)
    np.testing.assert_allclose(scores, expected, atol=1e-9)


@pytest.mark.parametrize(
    "name, options, expected",
    [
        # At [1, 0] the gradient is [2, 1]; the dense weights multiply it.
        ("snip", {}, [2, 2]),
        ("skeletonization", {}, [-2, 2]),
        ("taylor", {}, [4, 4]),
        ("grasp_it", {}, [4, 1]),
        ("grasp", ONE, [5, -10]),  # H g = A [2, 1] = [5, 5].
        ("crop", {}, [5, 10]),
    ],
)
def test_scores_are_taken_at_the_masked_weights(name, options, expected):
    masks = {"w/kernel": np.array([[True], [False]])}
    scores = quadratic_scores(name, options, masks)
    np.testing.assert_allclose(scores, expected, atol=1e-9)


def test_grasp_takes_the_temperature_of_the_config_unless_it_has_its_own():
    def scores(scoring=None, **options):
        return score("grasp", scoring=scoring, **options)["a/kernel"]

    default, three = scores(), scores({"temperature": 3.0})
    np.testing.assert_array_equal(default, scores({"temperature": 200.0}))
    own = scores({"temperature": 7.0}, temperature=3.0)
    np.testing.assert_array_equal(three, own)
    assert (default != three).any()


def test_obd_of_a_diagonal_quadratic_needs_one_sample():
    # v (A v) = diag(A) for any signs v if A is diagonal: a w^2 / 2.
    objective = quadratic([1.0, -2.0], [[4.0, 0.0], [0.0, 1.0]])
    scores = scores_at(criteria.get("obd", samples=1), objective)
    np.testing.assert_allclose(scores, [2, 2])


def test_obd_by_hutchinson_converges_to_the_diagonal():
    scores = quadratic_scores("obd", {"samples": 400})
    # v (A v) = diag(A) +- 1, so that 400 samples are off by 0.05 or so, times
    # w^2 / 2; the exact scores are 2 * 1 / 2 and 3 * 4 / 2.
    np.testing.assert_allclose(scores, [1, 6], atol=4 * 0.05 * 2)
    assert (scores != [1, 6]).all()


def test_obd_by_fisher_averages_the_squares_of_each_example():
    # At w = 2, loss (w x - y)^2: gradients 2 (2 - 1) 1 = 2 and 2 (6 - 9) 3 =
    # -18, whose squares average to (4 + 324) / 2 = 164; times w^2 / 2 = 2.
    data = (np.array([[1.0], [3.0]]), np.array([[1.0], [9.0]]))
    given = {"data": data, "loss": "mse", "curvature": "fisher"}
    scores = kprune.score(one_weight(2.0), "obd", **given)
    np.testing.assert_allclose(np.ravel(scores["w/kernel"]), [328])


def test_fisher_needs_statistics_that_one_example_has():
    with pytest.raises(ValueError, match='"batch_norm": "eval"'):
        score("obd", curvature="fisher")
    moving = {"batch_norm": "eval"}
    scores = score("obd", curvature="fisher", scoring=moving)
    assert all((s >= 0).all() and s.max() > 0 for s in scores.values())


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("obd", {"samples": 0}, "samples"),
        ("obd", {"curvature": "hutchison"}, "Did you mean 'hutchinson'"),
        ("obs", {"damping": 0.0}, "damping"),
        ("grasp", {"temperature": 0}, "temperature"),
        ("prospr", {"inner_steps": -1}, "inner_steps"),
        ("prospr", {"inner_learning_rate": 0.0}, "inner_learning_rate"),
        ("prospr", {"inner_momentum": 1.0}, "inner_momentum"),
    ],
)
def test_bad_options(name, options, message):
    with pytest.raises(ValueError, match=message):
        score(name, **options)


def test_obs_is_for_small_networks():
    model = kprune.models.lenet_300_100()
    data = (np.zeros((2, 28, 28, 1), "float32"), np.array([0, 1]))
    with pytest.raises(ValueError, match="266200"):
        kprune.score(model, "obs", data=data, loss=CE)


def test_the_mean_of_what_batches_give_is_not_that_of_their_mean():
    # Two batches of one example, x = 1 and x = 2 with y = 3 and y = 1, at
    # w = 1: gradients 2 (1 - 3) 1 = -4 and 2 (2 - 1) 2 = 4, whose mean is 0.
    data = (np.array([[1.0], [2.0]]), np.array([[3.0], [1.0]]))
    for reduce, factor in {"abs_of_mean": 0, "mean_of_abs": 1}.items():
        scoring = ScoringConfig(batch_size=1, reduce=reduce)
        objective = Objective(one_weight(1.0), data, "mse", scoring)
        # |w g|, (w g)^2 and g^2.
        for name, mean in {"snip": 4, "taylor": 16, "grasp_it": 16}.items():
            found = scores_at(criteria.get(name), objective)
            np.testing.assert_array_equal(found, [factor * mean])


def two_layers(activation, values):
    """Returns a layer of ReLU and one of an activation, of these kernels."""
    layers = [
        keras.layers.Dense(len(value[0]), kind, use_bias=False, name=name)
        for value, kind, name in zip(
            values, ("relu", activation), "ab", strict=True
        )
    ]
    return sequential((2,), *layers, values=values)


def test_synflow_by_hand_and_its_conservation():
    values = [[[1.0, -2.0], [3.0, 4.0]], [[5.0], [-6.0]]]
    scores = kprune.score(two_layers("softmax", values), "synflow")
    # |a|' 1 = [4, 6], so R = 4 * 5 + 6 * 6 = 56.
    np.testing.assert_allclose(scores["b/kernel"], [[20], [36]])
    np.testing.assert_allclose(scores["a/kernel"], [[5, 12], [15, 24]])
    assert scores["a/kernel"].sum() == scores["b/kernel"].sum() == 56
    assert scores["a/kernel"].dtype == np.float64


def test_synflow_is_conserved_over_convolutions_and_after_pruning():
    layers = keras.layers
    model = sequential(
        (6, 6, 2),
        layers.Conv2D(4, 3, padding="same", use_bias=False),
        layers.BatchNormalization(epsilon=0.0),
        layers.ReLU(),
        layers.AveragePooling2D(2),
        layers.Conv2D(3, 3, padding="same", use_bias=False),
        layers.GlobalAveragePooling2D(),
        layers.Dense(5, use_bias=False),
    )
    for current in (model, kprune.prune(model, "random", 0.5)):
        sums = [s.sum() for s in kprune.score(current, "synflow").values()]
        np.testing.assert_allclose(sums, sums[0], rtol=1e-12)
        assert sums[0] > 0


def linear_stack(kernels):
    layers = [keras.layers.Dense(8, use_bias=False) for _ in kernels]
    return sequential((8,), *layers, values=kernels)


def test_synflow_holds_what_float32_cannot():
    # Each of 25 layers of 8 units with weights of 10 multiplies by 80, so the
    # 8 outputs sum to 8 * 80^25, far past 3e38.
    model = linear_stack(25 * [np.full((8, 8), 10.0)])
    total = [s.sum() for s in kprune.score(model, "synflow").values()]
    np.testing.assert_allclose(total, 8.0 * 80.0**25, rtol=1e-9)


def test_synflow_of_a_weight_is_the_sum_over_the_paths_through_it():
    draws = np.random.default_rng(3).normal(size=(10, 8, 8))
    sizes = list(np.abs(draws.astype("float32")).astype("float64"))
    ones = np.ones(8)
    ahead = itertools.accumulate(sizes, np.matmul, initial=ones)
    transposed = [size.T for size in reversed(sizes)]
    behind = list(itertools.accumulate(transposed, np.matmul, initial=ones))
    found = kprune.score(linear_stack(draws), "synflow").values()
    pairs = zip(ahead, sizes, reversed(behind[:-1]), strict=False)
    for (a, size, b), scores in zip(pairs, found, strict=True):
        expected = a[:, np.newaxis] * size * b
        np.testing.assert_allclose(scores, expected, rtol=1e-9)


def test_synflow_in_a_hundred_rounds_empties_no_layer():
    model = kprune.models.fc((20, 20, 20), input_shape=(5, 5, 1), seed=0)
    total = 25 * 20 + 2 * 20 * 20 + 20 * 10
    for left in (400, 40):  # A path takes 4.
        sparsity = 1 - left / total
        pruned = kprune.prune(model, "synflow", sparsity, verbose=0)
        kept = {n: int(m.sum()) for n, m in kprune.get_masks(pruned).items()}
        assert sum(kept.values()) == left and min(kept.values()) >= 1


def test_weights_into_and_out_of_a_dead_unit_score_zero():
    model = two_layers(None, [np.ones((2, 3)), np.arange(1.0, 7).reshape(3, 2)])
    masks = {
        # Nothing comes into unit 0, nothing goes out of unit 1.
        "a/kernel": np.array(2 * [[False, True, True]]),
        "b/kernel": np.array([2 * [True], 2 * [False], 2 * [True]]),
    }
    objective = Objective(model, (np.ones((4, 2)), np.zeros(4, int)), CE)
    for name in ("snip", "synflow", "taylor", "skeletonization"):
        scores = criteria.get(name)(objective, objective.weights, masks)
        a, b = np.array(scores["a/kernel"]), np.array(scores["b/kernel"])
        assert not b[0].any() and not a[:, 1].any(), name
        assert a[:, 2].all() and b[2].all(), name


def test_synflow_says_that_it_needs_logits():
    softmax = keras.layers.Lambda(keras.ops.softmax)
    model = sequential((4,), keras.layers.Dense(3), softmax)
    with pytest.raises(ValueError, match="Expected logits"):
        kprune.score(model, "synflow")


def test_random_scores_depend_on_seed_and_name_alone():
    model = kprune.models.fc((64,), input_shape=(8, 8, 1), seed=0)
    one, again, other = (
        kprune.score(model, "random", seed=seed) for seed in (1, 1, 2)
    )
    for name in one:
        np.testing.assert_array_equal(one[name], again[name])
        assert (one[name] != other[name]).any()
        assert 0.45 < one[name].mean() < 0.55


def test_get_answers_typos():
    with pytest.raises(ValueError, match="Did you mean 'synflow'"):
        criteria.get("sinflow")
    with pytest.raises(ValueError, match="Did you mean 'temperature'"):
        criteria.get("grasp", temprature=1.0)
    with pytest.raises(ValueError, match="no options of 'snip'"):
        criteria.get("snip", rounds=3)


# The contract of every criterion is `kprune.testing.check_criterion`.


@pytest.mark.parametrize("name", [n for n in criteria.names() if n != "obs"])
def test_the_contract_of_all_criteria(name):
    # ProsPr's inner steps take a batch each; on all of them, the whole
    # contract holds (below).
    kprune.testing.check_criterion(name, microbatches=name != "prospr")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, options",
    [
        ("obs", {}),
        ("prospr", {"fresh_batches": False, "inner_momentum": 0.9}),
    ],
)
def test_slow_criteria_keep_the_contract_too(name, options):
    kprune.testing.check_criterion(criteria.get(name, **options))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_masks_in_another_process():
    code = """
import numpy as np, kprune, zlib
model = kprune.models.fc((32,), input_shape=(8, 8, 1), seed=3)
masks = kprune.get_masks(kprune.prune(model, "random", 0.9, seed=5))
print(zlib.crc32(b"".join(np.packbits(m).tobytes() for m in masks.values())))
"""

    def printed(salt):
        environment = {**os.environ, "PYTHONHASHSEED": salt}
        command = [sys.executable, "-c", code]
        return subprocess.check_output(command, env=environment).split()[-1]

    assert printed("1") == printed("2")
