"""Agreement with what the methods' authors' own code gives.

Weights, data, scores and masks of the authors' public PyTorch code, run in
float64, lie beside a checkout of the developers; elsewhere this is skipped.
"""

import functools
import pathlib

import keras
import numpy as np
import pytest

import kprune
from kprune import masks as kmasks
from kprune.objective import Objective
from kprune.pruner import Pruner

FOLDER = pathlib.Path(__file__).parents[2] / "shared" / "reference"
# Of the largest score. The MLP's are stored in float32, which rounds by 6e-8.
TOLERANCE = {"mlp_relu": 1e-7, "resnet": 1e-11}
MODES = [("mlp_relu", "eval"), ("resnet", "eval"), ("resnet", "train")]

pytestmark = [
    pytest.mark.usefixtures("float64"),
    pytest.mark.skipif(
        not FOLDER.exists(), reason="the reference scores are not here"
    ),
]


def cross_entropy():
    # Made where it is used: a Keras loss computes in the float type of then.
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@functools.cache
def arrays(case, kind):
    with np.load(FOLDER / f"{case}.{kind}.npz") as file:
        return dict(file)


def mlp():
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Flatten(),
            layers.Dense(300, activation="relu", name="fc1"),
            layers.Dense(100, activation="relu", name="fc2"),
            layers.Dense(10, name="fc3"),
        ]
    )


def resnet():
    layers = keras.layers

    def conv(h, filters, size, stride, name):
        if size == 3:  # The authors pad both sides by one, stride or not.
            h = layers.ZeroPadding2D(1)(h)
        return layers.Conv2D(
            filters, size, strides=stride, use_bias=False, name=name
        )(h)

    def norm(h, name):
        return layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=name)(
            h
        )

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


def error(scores, reference):
    assert set(scores) == set(reference)
    largest = max(np.abs(r).max() for r in reference.values())
    return (
        max(np.abs(scores[n] - r).max() for n, r in reference.items()) / largest
    )


def batch(case, key):
    base = arrays(case, "base")
    return base[f"x{key}"].astype("float64"), base[f"y{key}"]


@pytest.mark.parametrize("case, mode", MODES)
def test_snip_scores(case, mode):
    scores = kprune.score(
        load(case),
        "snip",
        data=batch(case, "0"),
        loss=cross_entropy(),
        batch_norm=mode,
    )
    reference = stored(case, "scores", "s", f"snip_milad.{mode}")
    assert error(scores, reference) < TOLERANCE[case]


@pytest.mark.parametrize("case, mode", MODES)
def test_grasp_scores(case, mode):
    """The authors cut the batch in halves and *sum* what each gives: twice the
    mean gradient, and twice the mean product with that, so 4 times ours. They
    score what to remove, hence the sign."""
    scores = kprune.score(
        load(case),
        "grasp",
        data=batch(case, "_grasp"),
        batch_size=50,
        loss=cross_entropy(),
        batch_norm=mode,
    )
    reference = stored(case, "scores", "s", f"grasp_alec.{mode}")
    ours = {name: -4 * s for name, s in scores.items()}
    assert error(ours, reference) < TOLERANCE[case]


@pytest.mark.parametrize("case", ["mlp_relu", "resnet"])
def test_synflow_scores(case):
    scores = kprune.score(load(case), "synflow")
    reference = stored(case, "scores", "s", "synflow.eval")
    assert error(scores, reference) < TOLERANCE[case]


def pruned(case, method, count, **options):
    """Masks of a method that keeps `count`, the number the authors' rule
    gives (they truncate, or are off by one; kprune rounds)."""
    model = load(case)
    objective = Objective(
        model,
        options.pop("data", None),
        cross_entropy(),
        batch_norm=options.pop("batch_norm", "train"),
        batch_size=options.pop("batch_size", None),
    )
    total = sum(w.size for w in objective.layouts.values())
    sparsity = 1 - count / total
    assert kmasks.count_kept(total, sparsity) == count
    return Pruner(method, **options).masks(objective, sparsity)


def same(ours, reference):
    return sum(int((ours[n] != m).sum()) for n, m in reference.items())


@pytest.mark.parametrize("share", ["d10", "d01"])
@pytest.mark.parametrize("case, mode", MODES)
@pytest.mark.parametrize("method", ["snip", "grasp"])
def test_masks_of_one_round(case, mode, share, method):
    key, data = {
        "snip": ("snip_milad", "0"),
        "grasp": ("grasp_alec", "_grasp"),
    }[method]
    reference = stored(case, "masks", "m", f"{key}.{mode}.{share}")
    count = sum(int(m.sum()) for m in reference.values())
    ours = pruned(
        case,
        method,
        count,
        data=batch(case, data),
        batch_size=50 if method == "grasp" else 64,
        batch_norm=mode,
    )
    assert same(ours, reference) == 0


@pytest.mark.parametrize("share", ["d10", "d01"])
@pytest.mark.parametrize("rounds", [1, 100])
@pytest.mark.parametrize("case", ["mlp_relu", "resnet"])
def test_synflow_masks(case, rounds, share):
    reference = stored(case, "masks", "m", f"synflow_T{rounds}.eval.{share}")
    count = sum(int(m.sum()) for m in reference.values())
    total = sum(m.size for m in reference.values())
    # The authors remove int((1 - share^(t/T)) N) up to round t; kprune rounds.
    # One more or less in an early round changes what later rounds see.
    removed = [total - count]
    if rounds > 1:
        key = f"a.synflow_T{rounds}.eval.{share}.k"
        removed = arrays(case, "scores")[key]

    def theirs(progress, final):
        return removed[round(progress * rounds) - 1] / total

    ours = pruned(case, "synflow", count, rounds=rounds, schedule=theirs)
    assert same(ours, reference) == 0


@pytest.mark.parametrize("removed", ["0.2", "0.9", "0.99"])
@pytest.mark.parametrize("case", ["mlp_relu", "resnet"])
def test_magnitude_masks(case, removed):
    reference = stored(case, "masks", "m", f"mag_openlth.prune{removed}")
    count = sum(int(m.sum()) for m in reference.values())
    ours = pruned(case, "magnitude", count)
    assert same(ours, reference) == 0
