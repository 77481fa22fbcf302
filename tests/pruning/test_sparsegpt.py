"""SparseGPT: masks by optimal brain surgeon, and kept weights that make up."""

import functools

import keras
import numpy as np
import pytest
from keras import layers
from networks import CE, MSE, conv_net, dense_net, examples, sequential

import kprune
from kprune.pruning import obs_columns

RNG = np.random.default_rng(0)
# Inputs that depend on each other, and six of them.
X = RNG.normal(size=(40, 6)) @ (np.eye(6) + 0.4 * RNG.normal(size=(6, 6)))
X = X.astype("float32").astype("float64")  # As a model's inputs are cast.
W = RNG.normal(size=(6, 1))


def fitted(x, target, free):
    """Returns the weights of the free inputs that fit a target best."""
    w = np.zeros(x.shape[1])
    if free:
        w[free] = np.linalg.lstsq(x[:, free], target, rcond=None)[0]
    return w


def greedy(x, w, keep):
    """Goes through the inputs, decides by `keep` of (input, cost), and solves
    for those behind by least squares, at what those before have become."""
    w, total, kept = np.array(w, np.float64), x @ w, []
    for j in range(w.size):
        behind = list(range(j + 1, w.size))
        rest = total - x[:, :j] @ w[:j]
        without = fitted(x, rest, behind)
        cost = np.sum((rest - x @ without) ** 2)
        # What is lost so far is lost either way.
        best = fitted(x, rest, [j, *behind])
        cost -= np.sum((rest - x @ best) ** 2)
        kept.append(keep(j, cost))
        w[j:] = best[j:] if kept[-1] else without[j:]
    return w, kept


def one_at_a_time(gram, decide, w=W):
    upper = obs_columns.factor(gram, 0.0, "w")
    return obs_columns.swept(w, upper, decide, width=1)


@pytest.mark.parametrize("least", [1e-3, 20.0, 95.8, 1e9])
def test_one_output_is_pruned_as_by_greedy_obs(least):
    costs, expected = [], []

    def decide(start, found):
        costs.append(found[0, 0])
        return found > least

    def keep(j, cost):
        expected.append(cost)
        return cost > least

    new, mask = one_at_a_time(X.T @ X, decide)
    w, kept = greedy(X, W[:, 0], keep)
    np.testing.assert_allclose(costs, expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_array_equal(mask[:, 0], kept)
    np.testing.assert_allclose(new[:, 0], w, rtol=1e-8, atol=1e-10)
    removed = {1e-3: {0}, 20.0: {0, 4, 5}, 1e9: set(range(6))}
    if least in removed:
        assert set(np.flatnonzero(~mask[:, 0])) == removed[least]


def test_the_scores_are_the_costs_of_each_first_removal():
    # Of the inputs from j on, the others behind make up for j.
    layer = layers.Dense(1, use_bias=False, name="w", dtype="float64")
    model = sequential((6,), layer, values=[W])
    options = {"data": (X, X @ W), "loss": MSE, "damping": 0.0}
    scores = kprune.score(model, "sparsegpt", **options)["w/kernel"]
    for j in range(6):
        part = X[:, j:]
        target = part @ W[j:, 0]
        without = fitted(part, target, list(range(1, 6 - j)))
        cost = np.sum((target - part @ without) ** 2)
        np.testing.assert_allclose(scores[j, 0], cost, rtol=1e-8)


@pytest.mark.parametrize("block", [1, 2, 3, 5, 128])
def test_for_fixed_masks_all_blocks_give_the_same(block):
    gram = X.T @ X
    upper = obs_columns.factor(gram, 0.01, "w")
    w = RNG.normal(size=(6, 4))
    mask = np.random.default_rng(1).random((6, 4)) > 0.5
    decide = obs_columns.by_masks(mask)
    found, kept = obs_columns.swept(w, upper, decide, 1, block)
    whole, _ = obs_columns.swept(w, upper, decide, 6, 6)
    np.testing.assert_allclose(found, whole, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(kept, mask)
    assert not found[~mask].any()


def correlated(count, size, seed=0):
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(count, size)) @ draw.normal(size=(size, size))
    return x.astype("float32")


def dense(size=12, units=8):
    return sequential((size,), layers.Dense(units, name="w"), seed=0)


def off(model, pruned, x):
    """Returns |X W - X W'|^2 of each output."""
    return np.sum(np.square(model(x) - pruned(x)), axis=0)


@pytest.mark.parametrize("sparsity", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("criterion", ["magnitude", "wanda", "random"])
def test_reconstruction_never_raises_the_error(criterion, sparsity):
    model, x = dense(), correlated(50, 12)
    data = x, np.zeros((50, 8))
    options = {"data": data, "loss": MSE, "allocation": "per_output"}
    pruned = kprune.prune(model, criterion, sparsity, **options)
    masks, before = kprune.get_masks(pruned), off(model, pruned, x)
    objective = kprune.Objective(model, data, MSE)
    reports = kprune.kept_weights.reconstruct(pruned, objective=objective)
    after = off(model, pruned, x)
    assert (after <= before * (1 + 1e-5)).all()
    assert after.sum() < before.sum()
    told = [float(before.sum()), float(after.sum())]
    np.testing.assert_allclose(reports["w/kernel"], told, rtol=1e-3)
    kernel = kprune.strip(pruned).layers[0].kernel.numpy()
    assert not kernel[~masks["w/kernel"]].any()


def test_an_output_that_would_be_further_off_stays():
    # Inputs that were moved first hold still as later ones go: over many
    # draws that is worse than masking for some.
    draw, worse = np.random.default_rng(0), 0
    for _ in range(200):
        x = draw.normal(size=(8, 6)) @ draw.normal(size=(6, 6))
        w, mask = draw.normal(size=(6, 8)), draw.random((6, 8)) > 0.5
        gram = x.T @ x
        upper = obs_columns.factor(gram, 0.01, "w")
        decide = obs_columns.by_masks(mask)
        new, _ = obs_columns.swept(w, upper, decide, 6)
        masked = obs_columns.errors(gram, w, w * mask)
        worse += np.count_nonzero(obs_columns.errors(gram, w, new) > masked)
    assert worse


def test_a_rule_of_a_pruner_is_given_what_was_pruned_by():
    model, x = dense(), correlated(50, 12)
    data = x, np.zeros((50, 8))
    rule = kprune.kept_weights.reconstruct
    plain = kprune.prune(model, "magnitude", 0.5, data=data, loss=MSE)
    pruner = kprune.Pruner("magnitude", after_pruning=rule)
    pruned = kprune.prune(model, pruner, 0.5, data=data, loss=MSE)
    assert off(model, pruned, x).sum() < off(model, plain, x).sum()
    by_hand = kprune.Objective(model, data, MSE)
    rule(plain, objective=by_hand)
    np.testing.assert_array_equal(pruned(x), plain(x))


@pytest.mark.parametrize(
    "sparsity, grain", [(0.5, "weight"), (0.75, "weight"), (None, "2:4")]
)
def test_sparsegpt_is_nearer_than_wanda_and_magnitude(sparsity, grain):
    model, x = dense(32, 16), correlated(200, 32)
    options = {"data": (x, np.zeros((200, 16))), "loss": MSE}
    options["granularity"] = grain
    found = {}
    for name in ("sparsegpt", "wanda", "magnitude"):
        pruned = kprune.prune(model, name, sparsity, **options)
        (mask,) = kprune.get_masks(pruned).values()
        assert mask.sum() == round((1 - (sparsity or 0.5)) * mask.size)
        if grain == "2:4":
            assert (mask.reshape(8, 4, 16).sum(axis=1) == 2).all()
        found[name] = off(model, pruned, x).sum()
    assert found["sparsegpt"] < found["wanda"] < found["magnitude"]


def test_masks_follow_from_the_weights_of_then():
    # With one block for all inputs the scores decide; with small ones, the
    # weights that have made up for others.
    model, x = dense(32, 16), correlated(200, 32)
    options = {"data": (x, np.zeros((200, 16))), "loss": MSE}
    masks = [
        kprune.get_masks(
            kprune.prune(model, "sparsegpt", 0.5, **options, block=block)
        )["w/kernel"]
        for block in (32, 4)
    ]
    scores = kprune.score(model, "sparsegpt", **options)["w/kernel"]
    assert scores[masks[0]].min() >= scores[~masks[0]].max()
    assert (masks[0] != masks[1]).any()


def test_masks_given_beforehand_are_respected():
    model, x = dense(), correlated(50, 12)
    options = {"data": (x, np.zeros((50, 8))), "loss": MSE}
    first = kprune.prune(model, "random", 0.3, **options)
    second = kprune.prune(first, "sparsegpt", 0.6, **options)
    before, after = (
        kprune.get_masks(one)["w/kernel"] for one in (first, second)
    )
    assert not after[~before].any()
    assert after.sum() == kprune.masks.count_kept(96, 0.6)


def test_inputs_that_read_nothing_go_first():
    model, x = dense(), correlated(50, 12)
    x[:, [0, 5, 7]] = 0
    options = {"data": (x, np.zeros((50, 8))), "loss": MSE}
    for sparsity, none_left in ((0.25, True), (0.1, False)):
        pruned = kprune.prune(model, "sparsegpt", sparsity, **options)
        mask = kprune.get_masks(pruned)["w/kernel"]
        assert mask[[1, 2, 3, 4, 6, 8, 9, 10, 11]].all()
        assert mask[[0, 5, 7]].any() != none_left


def test_convolutions_embeddings_and_attention():
    ids = keras.Input((5,), dtype="int32")
    x = layers.Embedding(7, 8, name="embed")(ids)
    x = layers.MultiHeadAttention(2, 4, name="attend")(x, x)
    text = keras.Model(ids, layers.Dense(3, name="out")(x))
    tokens = np.random.default_rng(0).integers(1, 7, (6, 5))
    cases = [
        (text, (tokens, np.zeros((6, 5, 3))), MSE),
        (conv_net(), examples(16, 6, 6, 2), CE),
    ]
    for model, data, loss in cases:
        pruned = kprune.prune(model, "sparsegpt", 0.5, data=data, loss=loss)
        masks = kprune.get_masks(pruned)
        for name, mask in masks.items():
            assert mask.sum() == kprune.masks.count_kept(mask.size, 0.5), name
        if model is text:  # The token that is never read.
            assert not masks["embed/embeddings"][0].any()
        assert np.isfinite(pruned(data[0])).all()


def test_what_cannot_be_done_is_refused_and_changes_nothing():
    model, x = dense(), correlated(8, 12)
    data = x, np.zeros((8, 8))
    prune = functools.partial(kprune.prune, model, loss=MSE)
    with pytest.raises(ValueError, match="calibration data"):
        prune("sparsegpt", 0.5)
    with pytest.raises(ValueError, match=r"cannot be inverted.*damping"):
        prune("sparsegpt", 0.5, data=data, damping=0.0)
    with pytest.raises(ValueError, match=r"damping.*-1"):
        kprune.score(model, "sparsegpt", data=data, loss=MSE, damping=-1)
    with pytest.raises(ValueError, match="SparseGPT removes"):
        prune("sparsegpt", 0.5, data=data, granularity="channel")
    with pytest.raises(ValueError, match="prunes to a sparsity"):
        prune("sparsegpt", target={"flops": 0.5}, data=data)
    pruned = prune("magnitude", 0.5)
    before = pruned.get_weights()
    reconstruct = kprune.kept_weights.reconstruct
    for objective, match in {
        None: "before pruning",
        kprune.Objective(dense_net(), examples(8, 8), CE): "masks of the",
        kprune.Objective(model, None, MSE): "calibration data",
    }.items():
        with pytest.raises(ValueError, match=match):
            reconstruct(pruned, objective=objective)
    objective = kprune.Objective(model, data, MSE)
    with pytest.raises(ValueError, match="masks"):
        reconstruct(model, objective=objective)
    for one, other in zip(before, pruned.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
