"""Criteria: numbers worked out by hand, and the contract of all of them."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from networks import CE, conv_net, examples, sequential

import kprune
from kprune.pruning import criteria
from kprune.scoring.objective import Objective

DATA = examples(8, 6, 6, 2)


def score(name, model=None, **options):
    """Returns the scores of a small convolutional network."""
    model = model or conv_net()
    return kprune.score(model, name, data=DATA, loss=CE, **options)


def one_weight(value):
    model = sequential((1,), keras.layers.Dense(1, use_bias=False, name="w"))
    model.layers[0].set_weights([np.array([[value]])])
    return model


def quadratic(start, matrix, scoring=None):
    """The objective L(w) = w' A w / 2 at `start`, as a real network's.

    With n examples x and labels 0, the mean of (x' w)^2 is w' A w / 2 if
    A = 2 X' X / n, which a Cholesky factor of n A / 2 gives.
    """
    matrix = np.array(matrix)
    x = np.linalg.cholesky(len(matrix) * matrix / 2).T
    model = sequential(
        (len(matrix),),
        keras.layers.Dense(1, use_bias=False, name="w", dtype="float64"),
    )
    model.layers[0].set_weights([np.reshape(start, (-1, 1))])
    y = np.zeros((len(x), 1))
    return Objective(model, (x, y), "mean_squared_error", scoring)


def scores_at(criterion, objective, masks=None):
    masks = objective.masks if masks is None else masks
    return np.ravel(criterion(objective, objective.weights, masks)["w/kernel"])


A = [[2.0, 1.0], [1.0, 3.0]]  # At w = [1, -2] the gradient A w is [0, -5].


def test_the_quadratic_has_the_derivatives_it_should():
    objective = quadratic([1.0, -2.0], A)
    w = objective.weights
    np.testing.assert_allclose(objective.value(w), 5)
    np.testing.assert_allclose(
        np.ravel(objective.gradient(w)["w/kernel"]), [0, -5], atol=1e-12
    )
    # H g = A [0, -5].
    np.testing.assert_allclose(
        np.ravel(objective.hvp(w)["w/kernel"]), [-5, -15]
    )
    np.testing.assert_allclose(objective.hessian(w), A)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("snip", [0, 10]),  # |w g|
        ("skeletonization", [0, -10]),  # -w g
        ("taylor", [0, 100]),  # (w g)^2
        ("grasp_it", [0, 25]),  # g^2
        ("grasp", [-5, 30]),  # w (H g) = [1 * -5, -2 * -15]
        # The inverse of A is [[3, -1], [-1, 2]] / 5: w^2 / (2 [3, 2] / 5).
        ("obs", [1 / 1.2, 4 / 0.8]),
    ],
)
def test_scores_of_a_quadratic(name, expected):
    options = {"grasp": {"temperature": 1.0}, "obs": {"damping": 1e-12}}
    criterion = criteria.get(name, **options.get(name, {}))
    scores = scores_at(criterion, quadratic([1.0, -2.0], A))
    np.testing.assert_allclose(scores, expected, atol=1e-9)


@pytest.mark.parametrize(
    "name, expected",
    [
        # At [1, 0] the gradient is [2, 1]; the dense weights multiply it.
        ("snip", [2, 2]),
        ("skeletonization", [-2, 2]),
        ("taylor", [4, 4]),
        ("grasp_it", [4, 1]),
        # H g = A [2, 1] = [5, 5].
        ("grasp", [5, -10]),
    ],
)
def test_scores_are_taken_at_the_masked_weights(name, expected):
    options = {"temperature": 1.0} if name == "grasp" else {}
    scores = scores_at(
        criteria.get(name, **options),
        quadratic([1.0, -2.0], A),
        {"w/kernel": np.array([[True], [False]])},
    )
    np.testing.assert_allclose(scores, expected, atol=1e-9)


def test_grasp_by_absolute_value_is_another_method():
    criterion = criteria.get("grasp", temperature=1.0, absolute=True)
    scores = scores_at(criterion, quadratic([1.0, -2.0], A))
    np.testing.assert_allclose(scores, [5, 30])


def test_grasp_takes_the_temperature_of_the_config_unless_it_has_its_own():
    def scores(scoring=None, **options):
        return score("grasp", scoring=scoring, **options)["fc1/kernel"]

    three = {"temperature": 3.0}
    np.testing.assert_array_equal(scores(), scores({"temperature": 200.0}))
    own = scores({"temperature": 7.0}, temperature=3.0)
    np.testing.assert_array_equal(scores(three), own)
    assert (scores() != scores(three)).any()


def test_obd_of_a_diagonal_quadratic_needs_one_sample():
    # v (A v) = diag(A) for any signs v if A is diagonal: a w^2 / 2.
    objective = quadratic([1.0, -2.0], [[4.0, 0.0], [0.0, 1.0]])
    scores = scores_at(criteria.get("obd", samples=1), objective)
    np.testing.assert_allclose(scores, [2, 2])


def test_obd_by_hutchinson_converges_to_the_diagonal():
    objective = quadratic([1.0, -2.0], A)
    scores = scores_at(criteria.get("obd", samples=400), objective)
    # v (A v) = diag(A) +- 1, so that 400 samples are off by 0.05 or so, times
    # w^2 / 2; the exact scores are 2 * 1 / 2 and 3 * 4 / 2.
    np.testing.assert_allclose(scores, [1, 6], atol=4 * 0.05 * 2)
    assert (scores != [1, 6]).all()


def test_obd_by_fisher_averages_the_squares_of_each_example():
    # At w = 2, loss (w x - y)^2: gradients 2 (2 - 1) 1 = 2 and 2 (6 - 9) 3 =
    # -18, whose squares average to (4 + 324) / 2 = 164; times w^2 / 2 = 2.
    data = (np.array([[1.0], [3.0]]), np.array([[1.0], [9.0]]))
    scores = kprune.score(
        one_weight(2.0), "obd", data=data, loss="mse", curvature="fisher"
    )
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


@pytest.mark.parametrize(
    "name, function",
    [
        ("snip", lambda w, g: np.abs(w * g)),
        ("taylor", lambda w, g: np.square(w * g)),
        ("grasp_it", lambda w, g: np.square(g)),
    ],
)
def test_the_mean_of_what_batches_give_is_not_that_of_their_mean(
    name, function
):
    # Two batches of one example, x = 1 and x = 2 with y = 3 and y = 1, at
    # w = 1: gradients 2 (1 - 3) 1 = -4 and 2 (2 - 1) 2 = 4, whose mean is 0.
    data = (np.array([[1.0], [2.0]]), np.array([[3.0], [1.0]]))

    def reduced(reduce):
        scoring = {"batch_size": 1, "reduce": reduce}
        found = kprune.score(
            one_weight(1.0), name, data=data, loss="mse", scoring=scoring
        )
        return float(found["w/kernel"][0, 0])

    assert reduced("abs_of_mean") == 0
    assert reduced("mean_of_abs") == (function(1, -4) + function(1, 4)) / 2


def test_magnitude_is_the_absolute_value():
    scores = scores_at(criteria.get("magnitude"), quadratic([1.0, -2.0], A))
    np.testing.assert_array_equal(scores, [1, 2])


def test_synflow_by_hand_and_its_conservation():
    model = sequential(
        (2,),
        keras.layers.Dense(2, use_bias=False, activation="relu", name="a"),
        keras.layers.Dense(1, use_bias=False, activation="softmax", name="b"),
    )
    model.set_weights([np.array([[1.0, -2], [3, 4]]), np.array([[5.0], [-6]])])
    scores = kprune.score(model, "synflow")
    # |a|' 1 = [4, 6], so R = 4 * 5 + 6 * 6 = 56.
    np.testing.assert_allclose(scores["b/kernel"], [[20], [36]])
    np.testing.assert_allclose(scores["a/kernel"], [[5, 12], [15, 24]])
    assert scores["a/kernel"].sum() == scores["b/kernel"].sum() == 56
    assert scores["a/kernel"].dtype == np.float64


def test_synflow_is_conserved_over_convolutions_and_after_pruning():
    keras.utils.set_random_seed(0)
    layers = keras.layers
    inputs = keras.Input((6, 6, 2))
    h = layers.Conv2D(4, 3, padding="same", use_bias=False)(inputs)
    h = layers.BatchNormalization(epsilon=0.0)(h)
    h = layers.ReLU()(h)
    h = layers.AveragePooling2D(2)(h)
    h = layers.Conv2D(3, 3, padding="same", use_bias=False)(h)
    h = layers.GlobalAveragePooling2D()(h)
    model = keras.Model(inputs, layers.Dense(5, use_bias=False)(h))
    for current in (model, kprune.prune(model, "random", 0.5)):
        sums = [s.sum() for s in kprune.score(current, "synflow").values()]
        np.testing.assert_allclose(sums, sums[0], rtol=1e-12)
        assert sums[0] > 0


def test_synflow_holds_what_float32_cannot():
    # Each of 50 layers of 8 units with weights of 10 multiplies by 80, so the
    # 8 outputs sum to 8 * 80^50, far past 3e38.
    layers = [
        keras.layers.Dense(
            8,
            use_bias=False,
            kernel_initializer=keras.initializers.Constant(10),
        )
        for _ in range(50)
    ]
    scores = kprune.score(sequential((8,), *layers), "synflow")
    total = [s.sum() for s in scores.values()]
    np.testing.assert_allclose(total, 8.0 * 80.0**50, rtol=1e-9)


def test_synflow_ranks_as_in_float32_with_each_layer_rescaled():
    """One constant per layer multiplies all scores alike."""
    rng = np.random.default_rng(3)
    kernels = [rng.normal(size=(8, 8)).astype("float32") for _ in range(30)]
    layers = [keras.layers.Dense(8, use_bias=False) for _ in kernels]
    model = sequential((8,), *layers)
    model.set_weights(kernels)
    scores = list(kprune.score(model, "synflow").values())

    sizes = [np.abs(k) for k in kernels]
    ahead, behind = [np.ones(8, "float32")], [np.ones(8, "float32")]
    for size, back in zip(sizes, reversed(sizes), strict=True):
        ahead.append(ahead[-1] @ size)
        ahead[-1] /= ahead[-1].max()
        behind.append(back @ behind[-1])
        behind[-1] /= behind[-1].max()
    expected = [
        a[:, None] * size * b[None, :]
        for a, size, b in zip(ahead, sizes, reversed(behind[:-1]), strict=False)
    ]
    for ours, theirs in zip(scores, expected, strict=True):
        order = np.argsort(theirs, axis=None)
        assert (np.diff(ours.ravel()[order]) > -1e-5 * ours.max()).all()


def test_synflow_in_a_hundred_rounds_empties_no_layer():
    model = kprune.models.fc((40, 40, 40), input_shape=(5, 5, 1), seed=0)
    scores = kprune.score(model, "synflow")
    # 25 * 40 + 2 * 40 * 40 + 40 * 10 weights; a path takes 4.
    total = sum(s.size for s in scores.values())
    for left in (400, 40):
        sparsity = 1 - left / total
        pruned = kprune.prune(model, "synflow", sparsity, verbose=0)
        kept = {n: int(m.sum()) for n, m in kprune.get_masks(pruned).items()}
        assert sum(kept.values()) == left and min(kept.values()) >= 1


def test_weights_into_and_out_of_a_dead_unit_score_zero():
    model = sequential(
        (2,),
        keras.layers.Dense(3, use_bias=False, activation="relu", name="a"),
        keras.layers.Dense(2, use_bias=False, name="b"),
    )
    model.set_weights([np.ones((2, 3)), np.arange(1.0, 7).reshape(3, 2)])
    masks = {
        "a/kernel": np.ones((2, 3), bool),
        "b/kernel": np.ones((3, 2), bool),
    }
    masks["a/kernel"][:, 0] = False  # Nothing comes into unit 0,
    masks["b/kernel"][1] = False  # nothing goes out of unit 1.
    objective = Objective(model, (np.ones((4, 2)), np.zeros(4, int)), CE)
    for name in ("snip", "synflow", "taylor", "skeletonization"):
        scores = criteria.get(name)(objective, objective.weights, masks)
        a, b = np.array(scores["a/kernel"]), np.array(scores["b/kernel"])
        assert not b[0].any() and not a[:, 1].any(), name
        assert a[:, 2].all() and b[2].all(), name


def test_a_residual_network_trains_with_an_emptied_layer_and_says_so():
    pruned = kprune.wrap(kprune.models.get("resnet20", classes=3, seed=0))
    masks = kprune.get_masks(pruned)
    emptied = next(n for n in masks if n.endswith("block2_conv1/kernel"))
    masks[emptied][:] = False
    kprune.set_masks(pruned, masks)
    pruned.compile("sgd", CE)
    x = np.random.default_rng(0).normal(size=(4, 32, 32, 3))
    y = np.array([0, 1, 2, 0])
    losses = [pruned.train_on_batch(x, y) for _ in range(3)]
    assert np.isfinite(losses).all() and losses[2] != losses[0]
    (row,) = [r for r in kprune.report(pruned).rows if r.kept == 0]
    assert row.name == emptied and row.dead_outputs == row.output_units


def test_the_order_of_batches_does_not_matter():
    x, y = DATA
    order = np.random.default_rng(1).permutation(8)
    model, two = conv_net(norm=False), {"batch_size": 2}
    for name in ("snip", "grasp", "obd"):
        a = score(name, model, scoring=two)
        b = kprune.score(
            model, name, data=(x[order], y[order]), loss=CE, scoring=two
        )
        largest = max(np.abs(s).max() for s in a.values())
        for n in a:
            assert np.abs(a[n] - b[n]).max() < 1e-5 * largest


def test_synflow_says_that_it_needs_logits():
    class Normalized(keras.Model):
        def __init__(self):
            super().__init__()
            self.fc = keras.layers.Dense(3)

        def call(self, x):
            return keras.ops.softmax(self.fc(x))

    model = Normalized()
    model(np.ones((1, 4), "float32"))
    with pytest.raises(ValueError, match="Expected logits"):
        kprune.score(model, "synflow")


def test_random_scores_depend_on_seed_and_name_alone():
    model = kprune.models.lenet_300_100(seed=0)
    one = kprune.score(model, "random", seed=1)
    again = kprune.score(model, "random", seed=1)
    other = kprune.score(model, "random", seed=2)
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


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name == "obs" else name
        for name in criteria.names()
    ],
)
def test_the_contract_of_all_criteria(name):
    # ProsPr's inner steps take a batch each; on all of them, the whole
    # contract holds (below).
    kprune.testing.check_criterion(name, microbatches=name != "prospr")


@pytest.mark.slow
def test_prospr_on_all_batches_keeps_the_contract_too():
    kprune.testing.check_criterion(
        criteria.get("prospr", fresh_batches=False, inner_momentum=0.9)
    )


def test_scores_are_of_the_weights_that_are_given():
    model, other = conv_net(), conv_net()
    other.layers[-1].kernel.assign(other.layers[-1].kernel ** 2)
    for name in set(criteria.names()) - {"random", "bn_gamma"}:
        one, two = score(name, model), score(name, other)
        assert (one["fc2/kernel"] != two["fc2/kernel"]).any(), name


@pytest.mark.slow
def test_the_same_seed_gives_the_same_masks_in_another_process():
    code = """
import numpy as np, kprune, zlib
model = kprune.models.fc((32,), input_shape=(8, 8, 1), seed=3)
masks = kprune.get_masks(kprune.prune(model, "random", 0.9, seed=5))
print(zlib.crc32(b"".join(np.packbits(m).tobytes() for m in masks.values())))
"""
    prints = []
    for salt in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        )
        prints.append(done.stdout.split()[-1])
    assert prints[0] == prints[1]
