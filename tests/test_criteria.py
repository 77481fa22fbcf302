"""Criteria: numbers worked out by hand, and the contract of all of them."""

import os
import random
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import kprune
from kprune import criteria, granularity
from kprune.objective import Objective

CE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


class Quadratic:
    """An objective L(w) = w' A w / 2, whose derivatives are known."""

    def __init__(self, matrix):
        self.matrix = tf.constant(matrix)

    def _times(self, weights):
        return {"w": tf.linalg.matvec(self.matrix, weights["w"])}

    def gradient(self, weights, temperature=1.0):
        return self._times(weights)

    def hvp(self, weights, vector=None, temperature=1.0):
        return self._times(self._times(weights) if vector is None else vector)


def all_ones(weights):
    return {name: np.ones(w.shape, bool) for name, w in weights.items()}


def test_snip_of_a_quadratic():
    weights = {"w": tf.constant([1.0, -2.0])}
    scores = criteria.get("snip")(
        Quadratic([[2.0, 1.0], [1.0, 3.0]]), weights, all_ones(weights)
    )
    # g = A w = [0, -5], so |w g| = [0, 10].
    np.testing.assert_allclose(scores["w"], [0, 10])


def test_snip_is_taken_at_the_masked_weights():
    weights = {"w": tf.constant([1.0, -2.0])}
    scores = criteria.get("snip")(
        Quadratic([[2.0, 1.0], [1.0, 3.0]]),
        weights,
        {"w": np.array([True, False])},
    )
    # At [1, 0] the gradient is [2, 1]; the dense weights multiply it.
    np.testing.assert_allclose(scores["w"], [2, 2])


def test_grasp_of_a_quadratic_is_signed():
    weights = {"w": tf.constant([1.0, -2.0])}
    scores = criteria.get("grasp", temperature=1.0)(
        Quadratic([[2.0, 1.0], [1.0, 3.0]]), weights, all_ones(weights)
    )
    # H g = A [0, -5] = [-5, -15], so w (H g) = [-5, 30].
    np.testing.assert_allclose(scores["w"], [-5, 30])


def test_magnitude_is_the_absolute_value():
    weights = {"w": tf.constant([1.0, -2.0])}
    scores = criteria.get("magnitude")(None, weights, all_ones(weights))
    np.testing.assert_array_equal(scores["w"], [1, 2])


def net(*layers, inputs=2):
    return keras.Sequential([keras.Input((inputs,)), *layers])


def test_synflow_by_hand_and_its_conservation():
    model = net(
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
    scores = kprune.score(net(*layers, inputs=8), "synflow")
    total = [s.sum() for s in scores.values()]
    np.testing.assert_allclose(total, 8.0 * 80.0**50, rtol=1e-9)


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


def test_grasp_temperature_must_be_positive():
    with pytest.raises(ValueError, match="temperature"):
        kprune.score(
            tiny_model(), "grasp", data=batches(), loss=CE, temperature=0
        )


def test_get_answers_typos():
    with pytest.raises(ValueError, match="Did you mean 'synflow'"):
        criteria.get("sinflow")
    with pytest.raises(ValueError, match="Did you mean 'temperature'"):
        criteria.get("grasp", temprature=1.0)
    with pytest.raises(ValueError, match="takes no option 'rounds'"):
        criteria.get("snip", rounds=3)


# The contract of every criterion.


def tiny_model(batch_norm=True):
    keras.utils.set_random_seed(7)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(4, 3, use_bias=False, name="conv"),
            *([layers.BatchNormalization()] if batch_norm else []),
            layers.ReLU(),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(8, activation="relu", name="fc1"),
            layers.Dense(3, name="fc2"),
        ]
    )


def batches(count=8):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 6, 6, 2)).astype("float32")
    return x, rng.integers(0, 3, count)


every_criterion = pytest.mark.parametrize("name", criteria.names())


@every_criterion
def test_criterion_leaves_the_model_as_it_was(name):
    model = tiny_model()
    model.compile("adam", CE)
    model.train_on_batch(*batches())
    before = [np.array(v) for v in model.variables]
    python, numpy = random.getstate(), np.random.get_state()[1].copy()

    kprune.score(model, name, data=batches(), loss=CE)

    for v, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(np.array(v), value, err_msg=v.path)
    assert random.getstate() == python
    np.testing.assert_array_equal(np.random.get_state()[1], numpy)


@every_criterion
def test_criterion_gives_finite_scores_of_the_shapes_of_the_weights(name):
    model = tiny_model()
    scores = kprune.score(model, name, data=batches(), loss=CE)
    assert {n: s.shape for n, s in scores.items()} == {
        "conv/kernel": (3, 3, 2, 4),
        "fc1/kernel": (64, 8),
        "fc2/kernel": (8, 3),
    }
    for array in scores.values():
        assert array.dtype in (np.float32, np.float64)
        assert np.isfinite(array).all() and np.ptp(array) > 0


@every_criterion
def test_criterion_is_deterministic_and_scores_the_weights_it_is_given(name):
    model, other = tiny_model(), tiny_model()
    other.layers[-1].kernel.assign(2 * other.layers[-1].kernel)
    one = kprune.score(model, name, data=batches(), loss=CE)
    again = kprune.score(model, name, data=batches(), loss=CE)
    changed = kprune.score(other, name, data=batches(), loss=CE)
    for n in one:
        np.testing.assert_array_equal(one[n], again[n])
    if name != "random":
        assert (one["fc2/kernel"] != changed["fc2/kernel"]).any()


@every_criterion
@pytest.mark.parametrize(
    "grain, sparsity",
    [
        ("weight", 0.9),
        ("channel", 0.5),
        (granularity.NM(1, 2), None),
        (granularity.Block((4, 1)), 0.75),
    ],
    ids=str,
)
def test_criterion_keeps_exactly_what_is_asked_at_every_grain(
    name, grain, sparsity
):
    model = kprune.prune(
        tiny_model(),
        name,
        sparsity,
        data=batches(),
        loss=CE,
        granularity=grain,
        rounds=4,
        schedule="exponential",
        on_collapse="ignore",
        verbose=0,
    )
    masks = kprune.get_masks(model)
    kept = sum(int(m.sum()) for m in masks.values())
    sizes = {"conv/kernel": 72, "fc1/kernel": 512, "fc2/kernel": 24}
    if grain == "weight":
        assert kept == 61  # 10 % of 608.
    elif grain == "channel":
        units = [
            masks["conv/kernel"].any(axis=(0, 1, 2)).sum(),
            masks["fc1/kernel"].any(axis=0).sum(),
        ]
        assert sum(units) == 6  # Half of 4 + 8.
        assert masks["fc2/kernel"].all()
    elif isinstance(grain, granularity.NM):
        assert kept == 304
    else:
        # Blocks: 18 rows in 5 by 4, 16 by 8, 2 by 3: 20 + 128 + 6 = 154, of
        # which a quarter, 38.5, rounds to the even 38.
        blocks = sum(
            int(
                np.pad(m.reshape(-1, m.shape[-1]), ((0, -s % 4), (0, 0)))
                .reshape(-1, 4, m.shape[-1])
                .any(axis=1)
                .sum()
            )
            for m, s in ((m, m.size // m.shape[-1]) for m in masks.values())
        )
        assert blocks == 38
    assert {n: m.size for n, m in masks.items()} == sizes


@every_criterion
@pytest.mark.parametrize("values", ["equal", "zero", "half zero"])
@pytest.mark.parametrize("allocation", ["global", "uniform", "erk", "er"])
def test_criterion_is_exact_on_ties(name, values, allocation):
    model = tiny_model()
    for layer in ("conv", "fc1", "fc2"):
        kernel = model.get_layer(layer).kernel
        new = {
            "equal": np.full(kernel.shape, 0.5),
            "zero": np.zeros(kernel.shape),
            "half zero": np.where(np.array(kernel) > 0, kernel, 0),
        }[values]
        kernel.assign(new)
    pruned = kprune.prune(
        model,
        name,
        0.875,
        data=batches(),
        loss=CE,
        allocation=allocation,
        rounds=2,
        on_collapse="ignore",
        verbose=0,
    )
    kept = sum(int(m.sum()) for m in kprune.get_masks(pruned).values())
    assert kept == 76  # 608 / 8.


@every_criterion
def test_criterion_on_microbatches_is_that_on_the_whole_batch(name):
    model = tiny_model(batch_norm=False)
    whole = Objective(model, batches(), CE, batch_size=8)
    parts = Objective(model, batches(), CE, batch_size=2)
    criterion = criteria.get(name)
    one = criterion(whole, whole.weights, whole.masks)
    two = criterion(parts, parts.weights, parts.masks)
    for n in one:
        scale = np.abs(one[n]).max()
        assert np.abs(np.asarray(one[n] - two[n])).max() <= 1e-5 * scale


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
