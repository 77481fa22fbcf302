"""Units of recurrent layers: scores, costs, masks, counts."""

import keras
import numpy as np
import pytest
from building import pooled, randomize
from networks import CE
from recurrent import FEATURES, STEPS, WHOLE, classifier, inputs

import kprune
from kprune.masking import weights

layers = keras.layers
CHANNELS = {"granularity": "channel", "verbose": 0, "on_collapse": "ignore"}


def lstm(units=2):
    return classifier(layers.LSTM(units, name="rnn"), shape=(STEPS, 1))


# Two units: i i f f c c o o.
SCORES = {
    "rnn/cell/kernel": np.array([[1.0, -2, 3, -4, 5, -6, 7, -8]]),
    "rnn/cell/recurrent_kernel": np.array(
        [[1.0, 0, 1, 0, 1, 0, 1, 0], [2, 3, 2, 3, 2, 3, 2, 3]]
    ),
    "out/kernel": np.array([[1.0, 10.0], [100.0, 1000.0]]),
}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # 1 + 3 + 5 + 7 and 4 * (1 + 2); -2 - 4 - 6 - 8 and 4 * (0 + 3).
        ({}, [16 + 12, -20 + 12]),
        # What reads unit 0: its row, 4 * (1 + 0), and the layer behind.
        ({"side": "outgoing"}, [4 + 11, 20 + 1100]),
        # 4 of the kernel, 8 + 8 - 4 of the recurrent one, 2 of the last layer.
        ({"per": "parameters"}, [28 / 18, -8 / 18]),
        ({"per": "flops"}, [28 / (STEPS * 16 + 2), -8 / (STEPS * 16 + 2)]),
    ],
)
def test_scores_by_hand(options, expected):
    found = pooled(lstm(), SCORES, reduce="sum", **options)
    assert set(found) == {"rnn/cell/kernel"}
    np.testing.assert_allclose(found["rnn/cell/kernel"], expected)


def test_what_goes_is_neither_made_nor_read():
    model = randomize(classifier(layers.GRU(6, name="rnn")))
    pruned = kprune.prune(model, "random", 0.5, **CHANNELS)
    masks = kprune.get_masks(pruned)
    units = masks["out/kernel"].all(1)
    assert units.sum() == 3
    columns = np.tile(units, 3)
    expected = {
        "rnn/cell/kernel": np.broadcast_to(columns, (FEATURES, 18)),
        "rnn/cell/recurrent_kernel": np.outer(units, columns),
        "out/kernel": np.broadcast_to(units[:, np.newaxis], (6, 2)),
    }
    assert set(masks) == set(expected)
    for name, mask in expected.items():
        np.testing.assert_array_equal(masks[name], mask)
    kept = {row.name: row.kept for row in kprune.report(pruned).rows}
    assert kept == {
        "rnn/cell/kernel": FEATURES * 9,
        "rnn/cell/recurrent_kernel": 3 * 9,
        "out/kernel": 3 * 2,
    }
    # Whatever a bias makes of a unit that is gone, nothing reads it.
    x = inputs(model)
    before = np.array(pruned(x))
    cell = pruned.get_layer("rnn").layer.cell
    cell.bias.assign(np.where(columns, np.array(cell.bias), 7))
    np.testing.assert_array_equal(pruned(x), before)


def data(model, examples=8):
    x = inputs(model, examples)
    return x, np.random.default_rng(0).integers(0, 2, examples)


@pytest.mark.parametrize(
    ("method", "layer"),
    [
        ("snip", layers.LSTM),
        ("synflow", layers.GRU),
        ("grasp", layers.SimpleRNN),
        ("3sp", layers.SimpleRNN),
    ],
)
def test_methods_score_units(method, layer):
    rnn = layer(6, unroll=True, name="rnn")
    model = randomize(classifier(rnn, shape=(2, FEATURES)))
    labels = np.random.default_rng(0).integers(0, 2, 8)
    data = inputs(model, examples=8), labels
    scores = kprune.score(model, method, data=data, loss=CE)
    assert set(scores) == set(weights.prunable(model))
    pruned = kprune.prune(model, method, 0.5, data=data, loss=CE, **CHANNELS)
    masks = kprune.get_masks(pruned)
    units = masks["rnn/cell/recurrent_kernel"].any(1)
    assert units.sum() == 3
    np.testing.assert_array_equal(masks["out/kernel"].all(1), units)
    assert kprune.shrink(pruned, verbose=0).get_layer("rnn").units == 3


def test_untied_units_are_those_of_each_weight():
    model = randomize(classifier(layers.LSTM(6, name="rnn")))
    grain = kprune.Channel("l2", tied=False)
    pruned = kprune.prune(
        model, "magnitude", 0.5, granularity=grain, allocation="uniform"
    )
    masks = kprune.get_masks(pruned)
    assert masks["out/kernel"].all()
    for name in ("kernel", "recurrent_kernel"):
        mask = masks[f"rnn/cell/{name}"].reshape(-1, 4, 6)
        kept = mask.any((0, 1))
        assert kept.sum() == 3
        np.testing.assert_array_equal(mask, np.broadcast_to(kept, mask.shape))


@pytest.mark.parametrize("kind", ["parameters", "flops"])
def test_targets_count_what_goes_with_a_unit(kind):
    model = randomize(classifier(layers.GRU(16, name="rnn")))
    pruned = kprune.prune(model, "random", target={kind: 0.5}, **CHANNELS)
    units = int(kprune.get_masks(pruned)["out/kernel"].all(1).sum())

    def cost(n):
        if kind == "flops":
            return STEPS * 3 * n * (FEATURES + n) + 2 * n
        return 3 * n * (FEATURES + n + 2) + 2 * n + 2

    # As many as fit; what a removed unit has of the two biases counts too.
    assert cost(units) <= cost(16) / 2 < cost(units + 1)


def test_what_cannot_go_is_told():
    reason = "its layer is left whole: no rule for its cell"
    model = WHOLE["no rule for its cell (Own)"]()
    with pytest.raises(ValueError, match=reason):
        kprune.prune(model, "random", 0.5, **CHANNELS)
    rnn = layers.LSTM(5, activation="softmax", name="rnn")
    model = classifier(layers.Dense(4, name="a"), rnn)
    rows = kprune.report(kprune.prune(model, "random", 0.5, **CHANNELS)).rows
    skipped = {row.name: row.skipped for row in rows}
    assert skipped["a/kernel"] is None
    assert skipped["rnn/cell/kernel"] is None  # It reads a.
    assert skipped["rnn/cell/recurrent_kernel"] == (
        "its channels have to stay: an activation of 'rnn' may mix channels"
    )
