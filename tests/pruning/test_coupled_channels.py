"""Channels that go together: scores, masks, what stays, what can go."""

import keras
import numpy as np
import pytest
from building import pooled
from lifecycle import assert_same
from networks import CE, examples, sequential

import kprune
from kprune.masking import weights
from kprune.runtime.keras_internals import all_layers

layers = keras.layers


def chain():
    """2 -> 3 -> 2."""
    hidden = layers.Dense(3, "relu", name="a")
    return sequential((2,), hidden, layers.Dense(2, name="b"))


SCORES = {
    "a/kernel": np.array([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]]),
    "b/kernel": np.array([[1.0, -1.0], [2.0, 3.0], [-4.0, -5.0]]),
}
INCOMING = {
    "sum": [5, 3, -3],
    "mean": [2.5, 1.5, -1.5],
    "max": [4, 5, 3],
    "l2": [17**0.5, 29**0.5, 45**0.5],
    "abs_sum": [5, 3, 3],
    "first": [1, -2, 3],
}
OUTGOING = {
    "sum": [0, 5, -9],
    "mean": [0, 2.5, -4.5],
    "l2": [2**0.5, 13**0.5, 41**0.5],
    "abs_sum": [0, 5, 9],
}


@pytest.mark.parametrize(
    "side, per, expected",
    [
        ("incoming", None, INCOMING),
        ("outgoing", None, OUTGOING),
        # A unit of a takes 2 weights in and 2 out, each used once.
        ("incoming", "parameters", {"sum": [5 / 4, 3 / 4, -3 / 4]}),
        ("outgoing", "flops", {"sum": [0, 5 / 4, -9 / 4]}),
    ],
)
def test_scores_of_a_chain_by_hand(side, per, expected):
    for reduce, values in expected.items():
        options = {"reduce": reduce, "side": side, "per": per}
        found = pooled(chain(), SCORES, **options)
        assert set(found) == {"a/kernel"}
        np.testing.assert_allclose(found["a/kernel"], values)


def test_flops_count_positions():
    model = sequential(
        (4, 4, 2),
        layers.Conv2D(3, 3, name="a"),
        layers.Conv2D(1, 2, name="b"),
        layers.Flatten(name="flatten"),
    )
    found = pooled(model, ones(model), reduce="first", per="flops")
    # 3 x 3 x 2 weights at 4 places each, and 2 x 2 at one.
    np.testing.assert_allclose(found["a/kernel"], 3 * [1 / (18 * 4 + 4)])


def scores_of(model, draw):
    """Returns scores of all weights, by a function of the shape."""
    return {
        name: draw(weight.layout.shape)
        for name, weight in weights.prunable(model).items()
    }


def ones(model):
    return scores_of(model, np.ones)


def block():
    """A residual block with a projection, batch normalization, biases."""
    x = keras.Input((6, 6, 3))
    h = layers.Conv2D(4, 3, padding="same", name="stem")(x)
    h = layers.BatchNormalization(name="bn0")(h)
    h = layers.ReLU(name="relu0")(h)
    b = layers.Conv2D(6, 3, padding="same", name="inner")(h)
    b = layers.BatchNormalization(name="bn1")(b)
    b = layers.ReLU(name="relu1")(b)
    b = layers.Conv2D(4, 3, padding="same", name="outer")(b)
    h = layers.Add(name="add")([h, b])
    h = layers.GlobalAveragePooling2D(name="pool")(h)
    return keras.Model(x, layers.Dense(3, name="fc")(h))


CHANNELS = {"granularity": "channel", "verbose": 0, "on_collapse": "ignore"}


def masks_of(model, method="random", sparsity=0.5, **options):
    """Returns the masks of channels of a method."""
    pruned = kprune.prune(model, method, sparsity, **{**CHANNELS, **options})
    return kprune.get_masks(pruned)


def kept(masks):
    """Returns how many channels of the stage and inside of it are kept."""
    return [
        masks[f"{name}/kernel"].any((0, 1, 2)).sum()
        for name in ("stem", "inner")
    ]


def test_tied_scores_are_of_all_that_makes_a_channel():
    model = block()
    scores = scores_of(model, lambda s: np.random.default_rng(0).normal(size=s))
    found = pooled(model, scores, reduce="sum")
    both = sum(scores[f"{n}/kernel"].sum((0, 1, 2)) for n in ("stem", "outer"))
    np.testing.assert_allclose(found["stem/kernel"], both)
    assert set(found) == {"stem/kernel", "inner/kernel"}
    mean = pooled(model, scores, reduce="mean")["stem/kernel"]
    np.testing.assert_allclose(mean, both / (27 + 54))
    read = pooled(model, scores, reduce="sum", side="outgoing")["stem/kernel"]
    readers = scores["inner/kernel"].sum((0, 1, 3)), scores["fc/kernel"].sum(1)
    np.testing.assert_allclose(read, sum(readers))


def randomized(model, seed=0):
    """Batch normalization and biases as after training."""
    rng = np.random.default_rng(seed)
    for layer in all_layers(model):
        for v in getattr(layer, "_trainable_variables", []):
            if v.name in ("bias", "beta", "gamma"):
                v.assign(rng.uniform(0.5, 1.5, v.shape))
    return model


def test_what_goes_is_neither_made_nor_read():
    model = randomized(block())
    uniform = {**CHANNELS, "allocation": "uniform"}
    pruned = kprune.prune(model, "random", 0.5, **uniform)
    masks = kprune.get_masks(pruned)
    stage = masks["stem/kernel"].any((0, 1, 2))
    inner = masks["inner/kernel"].any((0, 1, 2))
    assert stage.sum() == 2 and inner.sum() == 3
    expected = {
        "stem/kernel": np.broadcast_to(stage, (3, 3, 3, 4)),
        "inner/kernel": np.broadcast_to(np.outer(stage, inner), (3, 3, 4, 6)),
        "outer/kernel": np.broadcast_to(np.outer(inner, stage), (3, 3, 6, 4)),
        "fc/kernel": np.broadcast_to(stage[:, np.newaxis], (4, 3)),
    }
    assert set(masks) == set(expected)
    for name, mask in expected.items():
        np.testing.assert_array_equal(masks[name], mask)
    # Batch normalization and biases make something of a channel that is gone;
    # as nobody reads it, it can be taken out.
    small = kprune.shrink(pruned, verbose=0)
    assert small.get_layer("stem").filters == 2
    assert small.get_layer("inner").filters == 3


def test_removing_a_channel_is_leaving_it_out_of_the_network():
    """The pruned model computes what one built without the channel does."""
    model, (x, _) = chain(), examples(5, 2)
    grain = kprune.Channel("sum")
    pruned = kprune.prune(model, lambda *_: SCORES, 1 / 3, granularity=grain)
    a, b = (np.array(model.get_layer(n).kernel) for n in "ab")
    bias = np.array([0.3, 0.2, 0.1], np.float32)
    pruned.get_layer("a").layer.bias.assign(bias)
    expected = np.maximum(x @ a[:, :2] + bias[:2], 0) @ b[:2]
    np.testing.assert_allclose(pruned(x), expected, rtol=1e-5, atol=1e-6)


def test_what_cannot_go_is_left_out_with_the_reason():
    x = keras.Input((5, 4))
    h = layers.Dense(6, name="a")(x)
    h = layers.EinsumDense("abc,bcd->abd", (5, 3), name="x")(h)
    h = layers.Dense(4, name="b")(h)
    model = keras.Model(x, layers.Dense(2, name="c")(h))
    pruned = kprune.prune(model, "magnitude", 0.5, granularity="channel")
    rows = {row.name: row for row in kprune.report(pruned).rows}
    why = "its equation is not that of a dense layer"
    reason = f"its channels have to stay: 'x' (EinsumDense): {why}"
    assert rows["a/kernel"].skipped == reason
    assert rows["x/kernel"].skipped == f"its layer is left whole: {why}"
    assert rows["b/kernel"].kept == 3 * 2
    assert rows["c/kernel"].kept == 2 * 2  # Reads what is left of b.
    # Each weight by itself, as in models that are no graph.
    free = kprune.Channel("l2", tied=False)
    masks = masks_of(model, "magnitude", granularity=free, allocation="uniform")
    assert masks["a/kernel"].any(0).sum() == 3
    assert masks["c/kernel"].all()


def transformer():
    x = keras.Input((5, 8))
    attention = layers.MultiHeadAttention(4, 3, name="mha")
    h = layers.Add(name="add1")([x, attention(x, x)])
    h = layers.LayerNormalization(name="ln")(h)
    m = layers.Dense(16, "gelu", name="up")(h)
    h = layers.Add(name="add2")([h, layers.Dense(8, name="down")(m)])
    h = layers.GlobalAveragePooling1D(name="pool")(h)
    return keras.Model(x, layers.Dense(3, name="head")(h))


def test_heads_of_attention_go_whole():
    model = randomized(transformer())
    scores = ones(model)
    found = pooled(model, scores, reduce="sum")
    assert set(found) == {"mha/query_dense/kernel", "up/kernel"}
    # Query, key and value of a head: 3 x 8 x 3 weights.
    np.testing.assert_array_equal(found["mha/query_dense/kernel"], 4 * [72])
    read = pooled(model, scores, reduce="sum", side="outgoing")
    np.testing.assert_array_equal(read["mha/query_dense/kernel"], 4 * [24])
    uniform = {**CHANNELS, "allocation": "uniform"}
    pruned = kprune.prune(model, "random", 0.5, **uniform)
    masks = kprune.get_masks(pruned)
    kept = masks["mha/query_dense/kernel"].any((0, 2))
    assert kept.sum() == 2
    for name, axes in ("key", (0, 2)), ("value", (0, 2)), ("output", (1, 2)):
        mask = masks[f"mha/{name}_dense/kernel"]
        np.testing.assert_array_equal(mask.all(axes), kept)
        np.testing.assert_array_equal(mask.any(axes), kept)
    # What down makes is added to the model's input, and stays.
    assert masks["down/kernel"].any(0).all()
    assert masks["down/kernel"].any(1).sum() == 8
    small = kprune.shrink(pruned, verbose=0)
    assert small.get_layer("mha").num_heads == 2
    assert small.get_layer("up").units == 8


def test_channels_of_an_excluded_weight_stay():
    pruned = kprune.prune(block(), "random", 0.5, exclude="outer", **CHANNELS)
    masks = kprune.get_masks(pruned)
    assert masks["stem/kernel"].all()  # Added to what outer makes.
    assert masks["outer/kernel"].all()  # Dense, as was asked for.
    assert masks["inner/kernel"].any((0, 1, 2)).sum() == 3
    reasons = {r.name: r.skipped for r in kprune.report(pruned).rows}
    reason = "its channels are also made by weights that are left dense"
    assert reasons["stem/kernel"] == reason
    # Those that are frozen hold their channels too.
    frozen = block()
    frozen.get_layer("stem").trainable = False
    assert masks_of(frozen)["outer/kernel"].any((0, 1, 2)).all()


@pytest.mark.parametrize(
    "allocation, rounds, recover",
    [("global", 1, False), ("uniform", 4, True), ("erk", 4, False)],
)
def test_counts_are_exact(allocation, rounds, recover):
    options = {"schedule": "linear", "rounds": rounds, "recover": recover}
    masks = masks_of(block(), "random", 0.3, allocation=allocation, **options)
    assert sum(kept(masks)) == 7  # Of 4 + 6 groups.


def test_pruning_goes_on_from_the_masks_that_are_there():
    once = kprune.prune(block(), "random", 0.3, **CHANNELS)
    before, after = kprune.get_masks(once), masks_of(once, "random", 0.6)
    for name, mask in after.items():
        assert not (mask & ~before[name]).any()
    assert sum(kept(after)) == 4


def faint(model=None):
    """A block whose inner channels have small weights."""
    model = model or block()
    inner = model.get_layer("inner").kernel
    inner.assign(1e-3 * inner)
    return model


def by_size(objective, weights, masks):
    del objective, masks
    return {name: abs(w) for name, w in weights.items()}


@pytest.mark.parametrize(
    ("method", "allocation"), [("magnitude", "lamp"), (by_size, "normalized")]
)
def test_no_layer_is_emptied_for_its_scale(method, allocation):
    assert kept(
        masks_of(faint(), method, 0.6, allocation="global", min_kept=0)
    ) == [4, 0]
    model = block()
    expected = masks_of(model, method, 0.6, allocation=allocation)
    found = masks_of(faint(model), method, 0.6)
    assert_same(found, expected)
    assert sum(kept(found)) == 4 and min(kept(found)) >= 1


def test_minimum_per_family():
    # One by default, as far as so many are kept.
    for sparsity, counts in ((0.6, [3, 1]), (0.8, [1, 1]), (0.9, [1, 0])):
        masks = masks_of(faint(), "magnitude", sparsity, allocation="global")
        assert kept(masks) == counts
    with pytest.raises(ValueError, match="min_kept=1"):
        masks_of(faint(), "magnitude", 0.9, min_kept=1)
    # Changes of the loss are ranked over all layers.
    assert (
        kprune.recipes.get("snip")
        .with_axes(granularity="channel")
        .allocation_used
        == "global"
    )


def test_the_outgoing_side_is_a_gate_behind_normalization_and_activation(
    float64,
):
    """Signed scores are the derivative of the loss by the gate, where on the
    incoming side, in front of batch normalization, they cancel."""
    model = randomized(block(), 3)
    x, y = examples(8, 6, 6, 3)
    loss = type(CE)(from_logits=True)  # Of the float type of now.
    scores = kprune.score(model, "skeletonization", data=(x, y), loss=loss)
    found = pooled(model, scores, reduce="sum", side="outgoing")
    layer = {one.name: one for one in model.layers}

    def at(gates):
        h = layer["relu0"](layer["bn0"](layer["stem"](x), training=True))
        b = layer["relu1"](layer["bn1"](layer["inner"](h), training=True))
        h = layer["pool"](h + layer["outer"](b * gates))
        return float(loss(y, layer["fc"](h)))

    steps = 1e-5 * np.eye(6)
    slopes = np.array([at(1 - step) - at(1 + step) for step in steps]) / 2e-5
    gates = found["inner/kernel"]
    np.testing.assert_allclose(gates, slopes, rtol=1e-4, atol=1e-8)
    cancelled = pooled(model, scores, reduce="sum")["inner/kernel"]
    sizes = {n: abs(s) for n, s in scores.items()}
    sizes = pooled(model, sizes, reduce="sum")["inner/kernel"]
    assert (np.abs(cancelled) < 1e-2 * sizes).all()
    assert (np.abs(gates) > 1e-2 * sizes).any()


@pytest.mark.parametrize(
    "options, told",
    [
        ({"side": "both"}, "`side`"),
        ({"per": "seconds"}, "`per`"),
        ({"tied": False, "side": "outgoing"}, "tied=True"),
        ({"tied": False, "per": "flops"}, "tied=True"),
    ],
)
def test_bad_options(options, told):
    with pytest.raises(ValueError, match=told):
        kprune.Channel(**options)


class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.a = layers.Dense(6, name="a")
        self.b = layers.Dense(2, name="b")

    def call(self, x):
        return self.b(self.a(x))


def test_models_that_are_no_graph():
    model = Own()
    model(np.zeros((1, 4)))
    masks = masks_of(model, "magnitude")
    assert masks["a/kernel"].any(0).sum() == 3
    assert masks["b/kernel"].all()
    with pytest.raises(ValueError, match="graph of layers"):
        kprune.prune(model, "3sp", 0.5)
