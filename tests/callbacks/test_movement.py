"""Movement pruning: scores by hand, masks by rank and by threshold."""

import keras
import numpy as np
import pytest
from keras import layers
from networks import MSE, examples, sequential

import kprune
from kprune.callbacks import MovementPruning

RATE = 0.1
X = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 1.0], [2.0, 2.0]], "float32")
Y = np.array([[1.0], [0.0], [2.0], [-1.0]], "float32")


def unit():
    """A wrapped linear unit that SGD trains, one example a step."""
    layer = layers.Dense(1, use_bias=False, name="w")
    model = kprune.wrap(sequential((2,), layer, values=[[[0.5], [-0.2]]]))
    model.compile(keras.optimizers.SGD(RATE), MSE)
    return model


def fit(model, movement, epochs=2, **options):
    options = {"batch_size": 1, "shuffle": False, "verbose": 0, **options}
    model.fit(X, Y, epochs=epochs, callbacks=[movement], **options)


def by_hand(steps, mask=lambda step, scores: [1, 1], penalty=0.0, rate=1.0):
    """Returns scores and weights after some steps of SGD on (w x - y)^2."""
    w, scores, masks = np.array([0.5, -0.2]), np.zeros(2), np.ones(2)
    for step in range(steps):
        x, y = X[step % 4].astype(float), Y[step % 4, 0]
        gradient = 2 * (x @ (w * masks) - y) * x
        slope = 1 / (2 + np.exp(scores) + np.exp(-scores))
        scores = scores - rate * (w * gradient + penalty * slope)
        w = w - RATE * gradient * masks
        masks = np.array(mask(step + 1, scores))
    return scores, w


@pytest.mark.parametrize("execution", [1, 3])
def test_scores_are_the_sum_over_the_steps(execution):
    model = unit()
    model.compile(
        keras.optimizers.SGD(RATE), MSE, steps_per_execution=execution
    )
    movement = MovementPruning(0.0, every=100, end="100%")
    fit(model, movement)
    scores, w = by_hand(8)
    found = movement.scores["w/kernel"][:, 0]
    np.testing.assert_allclose(found, scores, rtol=1e-5)
    kernel = kprune.strip(model).layers[0].kernel.numpy()[:, 0]
    np.testing.assert_allclose(kernel, w, rtol=1e-5)


def best_from(first):
    """Returns the mask of the higher score, from a step on."""
    return lambda step, scores: (step < first) | (scores == scores.max())


def test_pruned_weights_are_scored_on_and_do_not_train():
    # Of two weights one is kept from the fourth step on.
    model = unit()

    def jump(progress, final):
        return final if progress >= 0.5 else 0.0

    movement = MovementPruning(0.5, every=1, end=8, schedule=jump)
    fit(model, movement)
    scores, w = by_hand(8, best_from(4))
    found = movement.scores["w/kernel"][:, 0]
    np.testing.assert_allclose(found, scores, rtol=1e-4)
    mask = kprune.get_masks(model)["w/kernel"][:, 0]
    np.testing.assert_array_equal(mask, scores == scores.max())
    kernel = kprune.strip(model).layers[0].kernel.numpy()[:, 0]
    np.testing.assert_allclose(kernel, np.where(mask, w, 0), rtol=1e-4)


def test_soft_pruning_keeps_what_passes_the_threshold():
    model, options = unit(), {"penalty": 0.2, "rate": 0.2}
    movement = MovementPruning(
        threshold=0.2,
        penalty=0.2,
        learning_rate=0.2,
        every=1,
        end=8,
        schedule=lambda progress, final: final * progress,
    )
    fit(model, movement)

    def mask(step, scores):
        return 1 / (1 + np.exp(-scores)) > 0.2 * step / 8

    scores, _ = by_hand(8, mask, **options)
    found = movement.scores["w/kernel"][:, 0]
    np.testing.assert_allclose(found, scores, rtol=1e-4)
    kept = kprune.get_masks(model)["w/kernel"][:, 0]
    np.testing.assert_array_equal(kept, mask(8, scores))
    # The first goes after five steps, and comes back at the end.
    assert kept.tolist() == [True, False]


def test_blocks_and_heads_have_sums_of_scores():
    given = keras.Input((5, 8))
    x = layers.MultiHeadAttention(4, 2, name="attend")(given, given)
    x = layers.Dense(16, activation="relu", name="up")(x)
    model = keras.Model(given, layers.Dense(8, name="down")(x))
    x = examples(16, 5, 8)[0]
    options = {"every": 1, "end": 3}
    for grain in (kprune.Block((4, 4)), "channel"):
        wrapped = kprune.wrap(model)
        wrapped.compile("sgd", MSE)
        movement = MovementPruning(0.5, granularity=grain, **options)
        wrapped.fit(x, x, batch_size=4, callbacks=[movement], verbose=0)
        masks = kprune.get_masks(wrapped)
        scores = movement.scores["up/kernel"]
        if grain == "channel":
            heads = masks["attend/query_dense/kernel"]
            assert heads.any(axis=(0, 2)).sum() == 2
            assert (heads.all(axis=(0, 2)) == heads.any(axis=(0, 2))).all()
            small = kprune.shrink(kprune.strip(wrapped))
            assert small.count_params() < model.count_params()
            continue
        sums = scores.reshape(2, 4, 4, 4).sum(axis=(1, 3))
        kept = masks["up/kernel"].reshape(2, 4, 4, 4).all(axis=(1, 3))
        assert kept.sum() == 4
        assert sums[kept].min() >= sums[~kept].max()


def test_one_of_sparsity_and_threshold_is_asked_for():
    for options in ({}, {"sparsity": 0.5, "threshold": 0.1}):
        with pytest.raises(ValueError, match="one of `sparsity` and"):
            MovementPruning(**options)
    for options, match in (
        ({"threshold": 0.5}, "threshold"),
        ({"threshold": 0.1, "allocation": "global"}, "allocation"),
        ({"sparsity": 0.5, "penalty": 1.0}, "penalty"),
        ({"sparsity": 0.5, "learning_rate": 0}, "learning_rate"),
        ({"sparsity": 1.0}, "sparsity"),
    ):
        with pytest.raises(ValueError, match=match):
            MovementPruning(**options)


@pytest.mark.parametrize(
    "callback",
    [
        MovementPruning(0.5, every=1, exclude=".*"),
        kprune.callbacks.GradualPruning(
            kprune.Pruner("magnitude", exclude=".*"), 0.5, every=1
        ),
    ],
)
def test_where_nothing_is_left_training_does_not_begin(callback):
    model = unit()
    before = [np.array(v) for v in model.variables]
    with pytest.raises(ValueError, match="is left to prune"):
        fit(model, callback)
    for value, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(value, variable)
    assert type(model.train_function).__name__ == "function"


def test_an_allocation_is_looked_at_before_it_is_used():
    with pytest.raises(ValueError, match="allocation"):
        MovementPruning(0.5, allocation=keras.Variable([0.5]))
