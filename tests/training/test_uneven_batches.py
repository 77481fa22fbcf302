"""Two replicas train on batches that do not divide as one device does."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kprune
from kprune import experiment
from kprune.runtime import distribution

LAYERS, SLOW = keras.layers, pytest.mark.slow
# Batches of 7, 7 and 5: shares of 3 and 4, and of 2 and 3.
X = np.random.default_rng(0).normal(size=(19, 5)).astype("float32")
Y = np.random.default_rng(1).integers(0, 3, 19)
WEIGHTS = np.random.default_rng(2).uniform(0, 3, 19).astype("float32")


def classifier():
    dense = LAYERS.Dense(
        8, "relu", kernel_regularizer="l2", activity_regularizer="l1", name="a"
    )
    last = LAYERS.Dense(3, name="b")  # Masks are drawn by the names.
    return keras.Sequential([keras.Input((5,)), dense, last])


def tagger():
    """Its losses are masked where a token is 0."""
    return keras.Sequential(
        [
            keras.Input((5,), dtype="int32"),
            LAYERS.Embedding(9, 4, mask_zero=True),
            LAYERS.Dense(3, activity_regularizer="l2"),
        ]
    )


def two_outputs():
    inputs = keras.Input((5,))
    outputs = [LAYERS.Dense(3, name=name)(inputs) for name in "ab"]
    return keras.Model(inputs, outputs)


def both(build, data, validation=None, *, compiled, fit):
    """Returns (weights, history, test results) on one device and on two."""
    found = []
    for name in ("none", "mirrored"):
        strategy = kprune.training.strategy(name)
        with strategy.scope():
            keras.utils.set_random_seed(0)
            model = build()
            model.compile(keras.optimizers.SGD(0.05), **compiled())
        history = fit(model, data, epochs=2, verbose=0).history
        tested = model.evaluate(validation or data, verbose=0)
        found.append((model.get_weights(), history, tested))
    return found


def assert_alike(found):
    (weights, history, tested), (others, other_history, other_tested) = found
    for one, other in zip(weights, others, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-6)
    assert set(history) == set(other_history)
    for name, values in history.items():
        np.testing.assert_allclose(other_history[name], values, rtol=1e-5)
    np.testing.assert_allclose(other_tested, tested, rtol=1e-5)


def batches(*arrays, size=7):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(size)


def crossentropy(reduction="sum_over_batch_size"):
    kind = keras.losses.SparseCategoricalCrossentropy
    return kind(from_logits=True, reduction=reduction)


@pytest.mark.parametrize(
    "reduction",
    [
        "sum_over_batch_size",
        pytest.param("sum", marks=SLOW),
        pytest.param("mean_with_sample_weight", marks=SLOW),
    ],
)
def test_losses_of_every_reduction(reduction):
    found = both(
        classifier,
        batches(X, Y, WEIGHTS),
        batches(X, Y, WEIGHTS, size=9),  # The last of 1: one replica has none.
        compiled=lambda: {
            "loss": crossentropy(reduction),
            "metrics": ["accuracy"],
            "weighted_metrics": ["accuracy"],
        },
        fit=kprune.training.fit,
    )
    assert_alike(found)


@pytest.mark.parametrize("eagerly", [False, pytest.param(True, marks=SLOW)])
def test_losses_that_are_masked(eagerly):
    tokens = np.random.default_rng(3).integers(0, 9, (19, 5))
    tokens[:4] = 0  # All of a replica's first share.
    labels = np.random.default_rng(4).integers(0, 3, (19, 5))
    found = both(
        tagger,
        batches(tokens, labels),
        compiled=lambda: {"loss": crossentropy(), "run_eagerly": eagerly},
        fit=kprune.training.fit,
    )
    assert_alike(found)


@SLOW
def test_losses_of_two_outputs_and_functions():
    def distance(y_true, y_pred):  # A mean that it takes by itself.
        return keras.ops.mean(keras.ops.square(y_pred - y_true))

    y = {"a": X[:, :3], "b": X[:, 1:4]}
    found = both(
        two_outputs,
        batches(X, y),
        compiled=lambda: {"loss": {"a": distance, "b": "mae"}},
        fit=kprune.training.fit,
    )
    assert_alike(found)


@SLOW
def test_class_weights_and_keras_own_fit():
    def fit(model, data, **arguments):
        weights = {0: 0.5, 1: 2.0, 2: 1.0}
        return model.fit(data, class_weight=weights, **arguments)

    found = both(
        classifier,
        batches(X, Y),
        compiled=lambda: {"loss": crossentropy(), "steps_per_execution": 3},
        fit=fit,
    )
    assert_alike(found)


@SLOW
def test_a_student_learns_as_on_one_device():
    def fit(model, data, **arguments):
        keras.utils.set_random_seed(5)
        with model.distribute_strategy.scope():
            teacher = classifier()
        student = kprune.training.Distiller(model, teacher, alpha=0.5)
        return kprune.training.fit(student, data, **arguments)

    found = both(
        classifier,
        batches(X, Y),
        compiled=lambda: {"loss": crossentropy()},
        fit=fit,
    )
    assert_alike(found)


@SLOW
def test_rigl_ends_with_the_same_masks():
    masks = []
    for name in ("none", "mirrored"):
        strategy = kprune.training.strategy(name)
        with strategy.scope():
            keras.utils.set_random_seed(0)
            model = kprune.prune(classifier(), "random", 0.6)
        with strategy.scope():
            model.compile(keras.optimizers.SGD(0.05), crossentropy())
        rigl = kprune.callbacks.DynamicSparseTraining("rigl", every=2, end=8)
        data = batches(X, Y).repeat(3)
        kprune.training.fit(model, data, callbacks=[rigl], verbose=0)
        masks.append(kprune.get_masks(model))
    for name, mask in masks[0].items():
        np.testing.assert_array_equal(masks[1][name], mask)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_shares_differ_by_one_example(count):
    numbers = tf.data.Dataset.range(16).batch(9)
    found = []
    for batch in numbers:
        cut = distribution._shares((batch,), count).as_numpy_iterator()
        found.append([share.tolist() for share in cut])
    for shares, batch in zip(found, (range(9), range(9, 16)), strict=True):
        assert [n for share in shares for n in share] == list(batch)
        sizes = {len(share) for share in shares}
        assert max(sizes) - min(sizes) <= 1


def test_a_batch_smaller_than_the_replicas_is_refused():
    with kprune.training.strategy("mirrored").scope():
        model = classifier()
        model.compile("sgd", crossentropy())
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="fewer examples than there are"
    ):
        model.fit(batches(X, Y, size=6), verbose=0)


def config(**dataset):
    return {
        "dataset": {"name": "digits", **dataset},
        "model": {"name": "fc", "widths": (8,)},
        "pruner": {"method": "snip", "sparsity": 0.5},
        "training": {
            "optimizer": "sgd",
            "learning_rate": 0.1,
            "epochs": 1,
        },
        "artifacts": False,
    }


@SLOW
def test_a_run_on_two_replicas_takes_the_last_batch_too(tmp_path):
    found = []
    for name in ("none", "mirrored"):
        one = config(batch_size=100) | {"distribute": name}
        found.append(experiment.run(one, tmp_path / name, verbose=0))
        masks = kprune.masks.load(tmp_path / name / "masks.npz")
        found[-1]["masks"] = masks
    one, two = found
    assert two["test_loss"] == pytest.approx(one["test_loss"], rel=1e-5)
    assert two["test_accuracy"] == one["test_accuracy"]
    for name, mask in one["masks"].items():
        np.testing.assert_array_equal(two["masks"][name], mask)


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        ({"batch_size": 1}, r"batch_size`. Expected 2 or more, an image"),
        ({"batch_size": 4}, r"last batch, of 1 images, cannot be shared by 2"),
    ],
)
def test_a_run_with_a_replica_without_an_image_is_refused(dataset, words):
    with pytest.raises(ValueError, match=words):
        experiment.build(config(**dataset) | {"distribute": "mirrored"})
