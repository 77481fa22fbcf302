"""The reference cases: networks, data, scores and masks of the authors' code.

Their public PyTorch code was run in float64 on fixed weights. What it gave
lies beside a checkout of the developers, with a README that says of each array
how it came about; elsewhere the tests of it are skipped.
"""

import functools
import json
import pathlib

import keras
import numpy as np
import pytest
from networks import sequential

from kprune.pruning import criteria
from kprune.pruning.pruner import Pruner
from kprune.scoring.config import ScoringConfig
from kprune.scoring.objective import Objective

FOLDER = pathlib.Path(__file__).parents[3] / "shared" / "reference"
# Of the largest score. The MLP's are stored in float32, which rounds by 6e-8;
# the README finds plain gradient tapes within 2e-12 on the other.
TOLERANCE = {"mlp_relu": 1e-7, "resnet": 1e-11}
MODES = [("mlp_relu", "eval"), ("resnet", "eval"), ("resnet", "train")]
SPARSITY = {"d10": 0.9, "d01": 0.99}  # The keys name what is kept.

# The tests share traces that take seconds, whichever of them runs.
MARKS = [
    pytest.mark.skipif(
        not FOLDER.exists(), reason="the reference scores are not here"
    ),
    pytest.mark.thorough,
]
in_float64 = pytest.mark.usefixtures("float64")


def cross_entropy():
    # Made where it is used: a Keras loss computes in the float type of then.
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@functools.cache
def arrays(case, kind):
    with np.load(FOLDER / f"{case}.{kind}.npz") as file:
        return dict(file)


@functools.cache
def report(case):
    return json.loads((FOLDER / f"{case}.report.json").read_text())


def mlp():
    return sequential(
        (28, 28, 1),
        keras.layers.Flatten(),
        keras.layers.Dense(300, activation="relu", name="fc1"),
        keras.layers.Dense(100, activation="relu", name="fc2"),
        keras.layers.Dense(10, name="fc3"),
    )


def resnet():
    layers = keras.layers

    def conv(h, filters, size, stride, name):
        if size == 3:  # The authors pad both sides by one, stride or not.
            h = layers.ZeroPadding2D(1)(h)
        options = {"strides": stride, "use_bias": False, "name": name}
        return layers.Conv2D(filters, size, **options)(h)

    def norm(h, name):
        constants = {"epsilon": 1e-5, "momentum": 0.9, "name": name}
        return layers.BatchNormalization(**constants)(h)

    inputs = keras.Input((32, 32, 3))
    h = layers.ReLU()(norm(conv(inputs, 16, 3, 1, "conv0"), "bn0"))
    for block, filters in enumerate((16, 32, 48)):
        stride, b = (1, 2)[block > 0], f"b{block}"
        out = conv(h, filters, 3, stride, f"{b}_conv1")
        out = layers.ReLU()(norm(out, f"{b}_bn1"))
        out = norm(conv(out, filters, 3, 1, f"{b}_conv2"), f"{b}_bn2")
        if block:
            h = norm(conv(h, filters, 1, stride, f"{b}_convs"), f"{b}_bns")
        h = layers.ReLU()(layers.Add()([out, h]))
    h = layers.GlobalAveragePooling2D()(h)
    return keras.Model(inputs, layers.Dense(10, name="fc")(h))


def load(case):
    """Rebuilds the network of a case with its stored weights."""
    model = {"mlp_relu": mlp, "resnet": resnet}[case]()
    attribute = {"mean": "moving_mean", "var": "moving_variance"}
    for key, value in arrays(case, "base").items():
        kind, *rest = key.split(".")
        if kind == "w" and rest[-1] != "eps":
            layer = model.get_layer(rest[1])
            getattr(layer, attribute.get(rest[2], rest[2])).assign(value)
    return model


def stored(case, kind, prefix, key):
    """Returns the stored arrays of a key, by kprune's names."""
    start = f"{prefix}.{key}."
    found = {
        f"{name.split('.')[-1]}/kernel": value
        for name, value in arrays(case, kind).items()
        if name.startswith(start)
        and name.removeprefix(start).count(".") == 1
        and name.removeprefix(start)[:2].isdigit()
    }
    assert found, f"{key} is not in the reference"
    return found


def stored_scores(case, key):
    return {
        name: score.astype("float64")
        for name, score in stored(case, "scores", "s", key).items()
    }


def stored_masks(case, key):
    return stored(case, "masks", "m", key)


def batch(case, key):
    base = arrays(case, "base")
    return base[f"x{key}"].astype(keras.config.floatx()), base[f"y{key}"]


def batches(case):
    """Returns x0 to x3, the halves of GraSP's batch, and 8 examples of x0."""
    x, y = batch(case, "_grasp")
    halves = [(x[:50], y[:50]), (x[50:], y[50:])]
    x, y = batch(case, "0")
    return [*(batch(case, key) for key in "0123"), *halves, (x[:8], y[:8])]


# Which of these batches a test takes.
PLACES = {"0": [0], "0123": [0, 1, 2, 3], "_grasp": [4, 5], "0[:8]": [6]}


def objective(case, batch_norm="eval", keys="0", **scoring):
    """Returns the objective on some batches, which tests share: it changes
    nothing, and takes seconds to trace."""
    scoring = tuple({"batch_norm": batch_norm, **scoring}.items())
    return _objective(case, keys, keras.config.floatx(), scoring)


@functools.cache
def _objective(case, keys, floatx, scoring):
    return _on_all(case, floatx, scoring).on(*PLACES[keys])


@functools.cache
def _on_all(case, floatx, scoring):
    assert floatx == keras.config.floatx()
    options = ScoringConfig(**dict(scoring))
    return Objective(load(case), batches(case), cross_entropy(), options)


def score(objective, criterion, masks=None, **options):
    """Returns the scores of a criterion at the masks, or the dense weights."""
    criterion = criteria.get(criterion, **options)
    masks = masks or objective.masks
    scores = criterion(objective, objective.weights, masks)
    return {name: np.asarray(s, "float64") for name, s in scores.items()}


@functools.cache
def dense_scores(objective, criterion, **options):
    """Returns the scores at the dense weights, which tests share."""
    return score(objective, criterion, **options)


def masks_of(scores, objective, sparsity, **axes):
    """Returns the masks that a pruner makes of given scores."""
    pruner = Pruner(lambda objective, weights, masks: scores, **axes)
    return pruner.masks(objective, sparsity)


def total(scores):
    return sum(s.sum() for s in scores.values())


def error(scores, reference):
    """Returns the largest difference, as a share of the largest score."""
    assert set(scores) == set(reference)
    errors = [np.abs(scores[n] - r).max() for n, r in reference.items()]
    return max(errors) / max(np.abs(r).max() for r in reference.values())


def scaled(scores, factor):
    return {name: factor * s for name, s in scores.items()}


def size(masks):
    return sum(m.size for m in masks.values())


def kept(masks):
    return sum(int(np.count_nonzero(m)) for m in masks.values())


def flips(ours, reference):
    """Returns how many weights one mask keeps and the other does not."""
    assert set(ours) == set(reference)
    return sum(int((ours[n] != m).sum()) for n, m in reference.items())
