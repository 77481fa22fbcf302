"""Criteria by what weights read, and comparison within outputs."""

import functools

import keras
import numpy as np
import pytest
from keras import layers
from networks import CE, MSE, conv_net, dense_net, examples, sequential

import kprune
from kprune.pruning.allocation.within_outputs import evenly, kept

W = [[1.0, -4.0, 3.0], [2.0, 2.0, -0.5]]
# What the two inputs read has the norms 5 and 1: in turn (3, 4), (0, 1).
DATA = np.array([[3.0, 0.0], [4.0, 1.0]]), np.zeros((2, 3))


def unit():
    layer = layers.Dense(3, use_bias=False, name="w")
    return sequential((2,), layer, values=[W])


def of_unit(name, **options):
    scores = kprune.score(unit(), name, data=DATA, loss=MSE, **options)
    return scores["w/kernel"]


def mask_of_unit(name, sparsity=0.5, **options):
    options = {"data": DATA, "loss": MSE, **options}
    pruned = kprune.prune(unit(), name, sparsity, **options)
    return kprune.get_masks(pruned)["w/kernel"].astype(int).tolist()


def test_wanda_by_hand():
    np.testing.assert_allclose(of_unit("wanda"), [[5, 20, 15], [2, 2, 0.5]])
    # Of each output the first input is kept; of the whole, 20, 15 and 5 too.
    assert mask_of_unit("wanda") == [[1, 1, 1], [0, 0, 0]]
    # By size alone the first output keeps its second.
    rows = mask_of_unit("magnitude", allocation="per_output")
    assert rows in ([[0, 1, 1], [1, 0, 0]],)
    assert mask_of_unit("magnitude", 1 / 3) != rows


def test_wanda_looks_at_the_masked_network():
    model = sequential(
        (2,),
        layers.Dense(2, use_bias=False, name="a"),
        layers.Dense(1, use_bias=False, name="b"),
        values=[[[1.0, 2.0], [1.0, 0.0]], [[1.0], [1.0]]],
    )
    pruned = kprune.wrap(model)
    masks = kprune.get_masks(pruned)
    masks["a/kernel"][1] = False
    kprune.set_masks(pruned, masks)
    data = DATA[0], np.zeros((2, 1))
    scores = kprune.score(pruned, "wanda", data=data, loss=MSE)
    # The second layer reads x1 and 2 x1, of norms 5 and 10.
    np.testing.assert_allclose(scores["b/kernel"], [[5], [10]])


def test_with_alpha_each_output_loses_the_same_share():
    # Of the scores [5, 2], [20, 2] and [15, 0.5] cumulated shares are [1,
    # 2/7], [1, 1/11] and [1, 1/31].
    expected = [[1, 1, 1], [2 / 7, 1 / 11, 1 / 31]]
    np.testing.assert_allclose(of_unit("wanda", cumulative=True), expected)
    found = mask_of_unit("wanda", 1 / 3, layer_alpha=True)
    assert found == [[1, 1, 1], [1, 0, 0]]
    pruner = kprune.recipes.get("wanda", layer_alpha=True)
    assert pruner.allocation_used == "uniform"


def test_ria_by_hand():
    # Sums of inputs 8 and 4.5, of outputs 3, 6 and 3.5.
    relative = [
        [1 / 8 + 1 / 3, 4 / 8 + 4 / 6, 3 / 8 + 3 / 3.5],
        [2 / 4.5 + 2 / 3, 2 / 4.5 + 2 / 6, 0.5 / 4.5 + 0.5 / 3.5],
    ]
    np.testing.assert_allclose(of_unit("ria", power=0.0), relative, rtol=1e-6)
    norms = np.array([[5], [1]])
    expected = relative * norms**0.5
    np.testing.assert_allclose(of_unit("ria"), expected, rtol=1e-6)
    with pytest.raises(ValueError, match=r"power.*-1"):
        of_unit("ria", power=-1)


def test_an_input_without_weights_has_no_scores():
    layer = layers.Dense(2, use_bias=False, name="w")
    model = sequential((2,), layer, values=[[[0.0, 0.0], [1.0, 2.0]]])
    data = DATA[0], np.zeros((2, 2))
    scores = kprune.score(model, "ria", data=data, loss=MSE)["w/kernel"]
    np.testing.assert_allclose(scores, [[0, 0], [1 / 3 + 1, 2 / 3 + 1]])


def columns(mask, layout):
    return kprune.granularity.base.as_matrix(mask, layout).sum(axis=0)


def layouts(model):
    return {w.name: w.layout for w in kprune.masking.weights.find(model)}


@pytest.mark.parametrize("criterion", ["wanda", "magnitude", "snip"])
@pytest.mark.parametrize(
    "sparsity, grain", [(0.5, "weight"), (0.7, "weight"), (None, "2:4")]
)
def test_each_output_keeps_as_many(criterion, sparsity, grain):
    model = conv_net((6, 6, 4), filters=4, units=8)
    options = {"allocation": "per_output", "granularity": grain}
    options |= {"data": examples(8, 6, 6, 4), "loss": CE}
    pruned = kprune.prune(model, criterion, sparsity, **options)
    masks, kept_in_all = kprune.get_masks(pruned), 0
    for name, layout in layouts(model).items():
        found = columns(masks[name], layout)
        assert found.max() - found.min() <= (grain == "weight")
        kept_in_all += found.sum()
    share = 0.5 if sparsity is None else sparsity
    total = sum(mask.size for mask in masks.values())
    assert kept_in_all == kprune.masks.count_kept(total, share)


def test_4_of_8_by_wanda_keeps_the_best_of_each_run():
    model = sequential((16,), layers.Dense(3, name="w"), seed=0)
    x = examples(8, 16)[0] * np.linspace(0.1, 3, 16)
    options = {"data": (x, np.zeros((8, 3))), "loss": MSE}
    pruned = kprune.prune(model, "wanda", granularity="4:8", **options)
    norms = np.linalg.norm(x, axis=0)[:, None]
    scores = np.abs(model.layers[0].kernel.numpy()) * norms
    for start in (0, 8):
        ranks = np.argsort(np.argsort(-scores[start : start + 8], axis=0), 0)
        mask = kprune.get_masks(pruned)["w/kernel"][start : start + 8]
        np.testing.assert_array_equal(mask, ranks < 4)


def test_gates_and_heads_are_outputs_of_their_own():
    given = keras.Input((5, 4))
    x = layers.MultiHeadAttention(2, 3, name="attend")(given, given)
    model = keras.Model(given, layers.LSTM(2, name="lstm")(x))
    options = {"allocation": "per_output"}
    pruned = kprune.prune(model, "magnitude", 0.5, **options)
    for name, layout in layouts(model).items():
        found = columns(kprune.get_masks(pruned)[name], layout)
        outputs = {"lstm": 8}.get(name.partition("/")[0])
        assert outputs in (None, found.size)
        assert found.max() - found.min() <= 1


def test_blocks_are_compared_within_their_outputs():
    model = sequential((8,), layers.Dense(4, name="w"), seed=0)
    grain = kprune.Block((2, 2))
    options = {"granularity": grain, "allocation": "per_output"}
    mask = kprune.get_masks(kprune.prune(model, sparsity=0.5, **options))
    np.testing.assert_array_equal(mask["w/kernel"].sum(axis=0), [4] * 4)


def test_what_is_pruned_makes_room():
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(
        evenly(9, np.array([1, 9, 9]), rng), [1, 4, 4]
    )
    drawn = [evenly(4, np.array([3, 3, 3]), rng) for _ in range(20)]
    assert {tuple(sorted(one)) for one in drawn} == {(1, 1, 2)}
    assert len({tuple(one) for one in drawn}) == 3
    outputs, scores = np.array([0, 0, 1, 1, 1]), np.array([9.0, 8, 1, 2, 3])
    found = kept(scores, 3, outputs, rng)
    assert found.sum() == 3 and found[4] and found[:2].any()


def test_another_allocation_says_how_many_a_tensor_keeps():
    model = dense_net(inputs=8, units=16)
    rows = kprune.allocation.per_outputs("erk")
    found = [
        kprune.get_masks(kprune.prune(model, sparsity=0.7, allocation=one))
        for one in (rows, "erk")
    ]
    for name, mask in found[0].items():
        assert mask.sum() == found[1][name].sum()
        assert np.ptp(mask.sum(axis=0)) <= 1


def positions_net():
    """Returns a network with weights that read what is not known, and data."""
    lstm = layers.LSTM(3, name="lstm")
    model = sequential((5, 4), lstm, layers.Dense(4, name="out"), seed=0)
    return model, (examples(4, 5, 4)[0], np.zeros((4, 4)))


@pytest.mark.parametrize("name", ["wanda", "ria", "sparsegpt"])
def test_what_is_not_measured_stays_dense_and_is_told(name):
    model, data = positions_net()
    options = {"data": data, "loss": MSE}
    with pytest.warns(UserWarning, match=r"stay dense.*LSTM.*exclude="):
        pruned = kprune.prune(model, name, 0.5, **options)
    masks = kprune.get_masks(pruned)
    assert masks["lstm/cell/kernel"].all()
    assert masks["out/kernel"].sum() == 6
    reasons = [row.skipped for row in kprune.report(pruned).rows]
    assert reasons == 2 * ["what it reads is not known"] + [None]
    with pytest.warns(UserWarning, match="stay dense"):
        assert list(kprune.score(model, name, **options)) == ["out/kernel"]
    kprune.prune(model, name, 0.5, **options, exclude="lstm")  # No warning.
    alone = sequential((5, 4), layers.LSTM(3, name="lstm"))
    nothing = pytest.raises(ValueError, match="Nothing is left to prune")
    with nothing, pytest.warns(UserWarning, match="stay dense"):
        kprune.prune(alone, name, 0.5, **options)


def test_reconstruction_leaves_what_is_not_measured():
    model, data = positions_net()
    rule = kprune.kept_weights.reconstruct
    pruner = kprune.Pruner("magnitude", after_pruning=rule)
    options = {"data": data, "loss": MSE, "allocation": "uniform"}
    with pytest.warns(UserWarning, match=r"stay as they are.*LSTM"):
        pruned = kprune.prune(model, pruner, 0.5, **options)
    plain = kprune.prune(model, "magnitude", 0.5, allocation="uniform")
    found = [kprune.strip(one).get_weights() for one in (pruned, plain)]
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert (found[0][3] != found[1][3]).any()


def test_what_does_not_go_together_is_refused():
    model = dense_net()
    prune = functools.partial(kprune.prune, model, sparsity=0.5)
    with pytest.raises(ValueError, match=r"per_output.*Block"):
        prune(granularity="channel", allocation="per_output")
    for name in ("wanda", "ria"):
        with pytest.raises(ValueError, match=r"calibration data.*None"):
            prune(name, loss=CE)
    for option in ("cumulative", "layer_alpha"):
        with pytest.raises(ValueError, match=f"{option}.*'no'"):
            prune("wanda", data=examples(8, 8), loss=CE, **{option: "no"})
    with pytest.raises(ValueError, match="allocation"):
        kprune.allocation.per_outputs("nothing")
