"""Whole blocks go by how little they change, and `shrink` takes them out."""

import keras
import numpy as np
import pytest
from composite_layers import FeedForward, serializable
from lifecycle import assert_same, normal, saved_and_loaded, unchanged
from networks import CE, dense_net, examples

import kprune
from kprune.deploy.shrink import plan

WHOLE = {"granularity": "residual_block", "verbose": 0}


@serializable
class Adding(keras.layers.Layer):
    """A dense layer, and what it reads."""

    def __init__(self, normalize=False, **kwargs):
        super().__init__(**kwargs)
        self.normalize = normalize
        self.supports_masking = True

    def build(self, shape):
        self.dense = keras.layers.Dense(shape[-1], name="dense")
        self.dense.build(shape)
        self.norm = keras.layers.LayerNormalization(name="norm")
        self.norm.build(shape)

    def call(self, x):
        x = x + self.dense(x)
        return self.norm(x) if self.normalize else x

    def get_config(self):
        return {**super().get_config(), "normalize": self.normalize}


def labelled(x):
    return x, np.zeros((*x.shape[:-1], 3))


def stacked(*blocks, shape=(1, 2), first=()):
    given = keras.Input(shape)
    x = given
    for layer in [*first, *blocks, keras.layers.Dense(3, name="head")]:
        x = layer(x)
    return keras.Model(given, x)


def by_hand(first=()):
    """(1, 0) becomes (1, 1), and that (1, 2)."""
    blocks = [Adding(name=name) for name in "ab"]
    model = stacked(*blocks, shape=(None, 2), first=first)
    for block, kernel in zip(blocks, ([0, 1, 0, 0], [0, 0, 0, 1]), strict=True):
        block.dense.kernel.assign(np.reshape(kernel, (2, 2)))
    return model


@pytest.mark.parametrize("padded", [False, True])
def test_influence_by_hand(padded):
    model, x = by_hand(), np.array([[[1.0, 0.0]]], "f4")
    if padded:
        model = by_hand([keras.layers.Masking(-1.0)])
        x = np.array([[[1, 0], [-1, -1]]], "f4")
    with unchanged(model):
        scores = kprune.score(
            model, "block_influence", data=labelled(x), loss="mse"
        )
    # The angle of (1, 0) to (1, 1), and of that to (1, 2).
    wanted = {"a": 1 - 1 / np.sqrt(2), "b": 1 - 3 / np.sqrt(10)}
    assert sorted(scores) == ["a/dense/kernel", "b/dense/kernel"]
    for name, score in wanted.items():
        found = scores[f"{name}/dense/kernel"]
        np.testing.assert_allclose(found, np.full((2, 2), score), rtol=1e-6)
    pruned = kprune.prune(
        model, "block_influence", 0.5, data=labelled(x), loss="mse", verbose=0
    )
    masks = kprune.get_masks(pruned)
    assert masks["a/dense/kernel"].all() and masks["head/kernel"].all()
    assert not masks["b/dense/kernel"].any()


def deep(blocks=4):
    """Blocks with biases, of which the third changes little."""
    made = [FeedForward(6, name=f"block{i}") for i in range(blocks)]
    model = stacked(*made, shape=(3, 4))
    rng = np.random.default_rng(0)
    for variable in model.variables:
        if variable.name == "bias":
            variable.assign(rng.normal(0, 0.1, variable.shape))
    for variable in (made[2].down.kernel, made[2].down.bias):
        variable.assign(variable / 100)
    return model


def test_the_least_goes_and_shrink_takes_it_out(tmp_path):
    model, x = deep(), normal(5, 3, 4)
    with unchanged(model):
        pruned = kprune.prune(
            model,
            "block_influence",
            0.25,
            data=labelled(x),
            loss="mse",
            verbose=0,
        )
    gone = [n for n, m in kprune.get_masks(pruned).items() if not m.any()]
    assert gone == ["block2/up/kernel", "block2/down/kernel"]
    told = plan(pruned)
    small = kprune.shrink(pruned, verbose=0)
    names = [layer.name for layer in small.layers]
    assert "block2" not in names and {"block1", "block3"} < set(names)
    assert_same(small(x), pruned(x), 1e-6)
    assert small.count_params() == told.parameters[1]
    block = model.get_layer("block2").count_params()
    assert model.count_params() - small.count_params() == block
    rows = {row.layer: (row.after, row.why) for row in told.rows}
    assert rows["block2/up"] == (0, "its block hands on what it reads")
    assert_same(saved_and_loaded(small, tmp_path)(x), small(x))
    # Masked, it is what the others give without it.
    kept = [layer for layer in model.layers[1:] if layer.name != "block2"]
    expected = x
    for layer in kept:
        expected = layer(expected)
    assert_same(pruned(x), expected, 1e-6)


def test_a_target_in_parameters_counts_all_of_a_block():
    model = deep()
    # One block of four, biases included; without them, it would take two.
    block, whole = model.layers[1].count_params(), model.count_params()
    target = {"parameters": (whole - block) / whole}
    pruned = kprune.prune(model, "magnitude", target=target, **WHOLE)
    gone = [n for n, m in kprune.get_masks(pruned).items() if not m.any()]
    assert len(gone) == 2  # `up` and `down` of one block.
    small = kprune.shrink(pruned, verbose=0)
    assert small.count_params() == whole - block


def test_any_criterion_ranks_blocks_and_chains_shrink():
    chain = keras.Sequential([keras.Input((3, 4)), *deep().layers[1:]])
    pruned = kprune.prune(chain, "magnitude", 0.5, **WHOLE)
    masks = kprune.get_masks(pruned)
    gone = {n.split("/")[0] for n, mask in masks.items() if not mask.any()}
    sizes = {
        layer.name: np.concatenate(
            [
                np.abs(w.numpy().ravel())
                for w in (layer.up.kernel, layer.down.kernel)
            ]
        ).mean()
        for layer in chain.layers[:-1]
    }
    assert gone == set(sorted(sizes, key=sizes.get)[:2])
    small, x = kprune.shrink(pruned, verbose=0), normal(5, 3, 4)
    assert_same(small(x), pruned(x), 1e-6)
    assert len(small.layers) == 4  # The input's, two blocks and the head.


def test_a_block_with_a_weight_left_out_stays():
    options = {**WHOLE, "exclude": "block0/up"}
    with pytest.warns(UserWarning, match="stay.*block0"):
        pruned = kprune.prune(deep(), "magnitude", 0.6, **options)
    masks = kprune.get_masks(pruned)
    assert all(m.all() for n, m in masks.items() if n.startswith("block0"))
    assert sum(not m.any() for m in masks.values()) == 4  # Two of three.


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        (dense_net, {}, "has no blocks. Expected layers of one class"),
        (deep, {"sparsity": 0.9}, "All 4 removable blocks would"),
        (deep, {"allocation": "per_output"}, "whose groups are of one"),
        (
            lambda: stacked(Adding(True), Adding(True)),
            {},
            "No block of model .* none returns its input",
        ),
    ],
    ids=["no blocks", "all blocks", "per output", "normalized behind"],
)
def test_bad_input_is_answered(make, options, words):
    options = {"sparsity": 0.5, **WHOLE, **options}
    model = make()
    with unchanged(model), pytest.raises(ValueError, match=words):
        kprune.prune(model, "magnitude", **options)


def test_influence_needs_data():
    told = pytest.warns(UserWarning, match="No data was given")
    with told, pytest.raises(ValueError, match="calibration data"):
        kprune.prune(deep(), "block_influence", 0.5, loss="mse", verbose=0)


def test_a_network_trains_on_without_its_blocks():
    x, y = examples(8, 3, 4)
    small = kprune.shrink(
        kprune.prune(
            deep(),
            "block_influence",
            0.5,
            data=labelled(x),
            loss="mse",
            verbose=0,
        ),
        verbose=0,
    )
    small.compile("adam", CE)
    small.fit(x, np.stack([y] * 3, 1), verbose=0)
    assert np.isfinite(small(x)).all()
