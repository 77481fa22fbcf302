"""Weights frozen, topology learned: what the three methods compute."""

import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from lifecycle import assert_same, normal, two_layers
from networks import sequential

import kprune
from kprune import learned
from kprune.learned.exact_top_k import exact_top_k


def one_unit(kernel, bias=0.0):
    values = [np.reshape(kernel, (-1, 1)), [bias]]
    return sequential((len(kernel),), layers.Dense(1, name="fc"), values=values)


def choice(model):
    """Returns the only part of a model of one layer, and its layer."""
    return model.layers[0].parts["kernel"], model.layers[0].layer


def supermask(logits, **options):
    part = learned.Supermask(round_mask=True, **options)
    part.build((len(logits),))
    part.logits.assign(logits)
    return part


def edge_popup(model=None, sparsity=0.5, **options):
    return kprune.select(
        model or two_layers(), "edge_popup", sparsity, **options
    )


def moved(model):
    """Draws scores or logits anew, so that about half of the logits are < 0."""
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    return model


# The k highest.


@pytest.mark.parametrize("k", [0, 1, 3, 499, 500])
def test_top_k_marks_exactly_k_and_those(k):
    scores = np.random.default_rng(0).random(500).astype("float32")
    kept = exact_top_k(tf.constant(scores), tf.constant(k)).numpy()
    assert kept.sum() == k
    assert set(np.flatnonzero(kept)) == set(np.argsort(scores)[500 - k :])


def test_top_k_of_equal_scores_is_exact():
    scores = tf.constant([[0.0, 2.0, 0.0], [0.0, 0.0, 2.0]])
    kept = exact_top_k(scores, 3).numpy()
    np.testing.assert_array_equal(kept, [[1, 1, 0], [0, 0, 1]])
    in_double = tf.cast(scores, "float64")
    np.testing.assert_array_equal(exact_top_k(in_double, 3), kept)


# Gradients by hand.


def gradients(net, x):
    part, layer = choice(net)
    watched = [*part.trainable_variables, layer.kernel, layer.bias]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(net(np.array([x], "float32")))
    return tape.gradient(loss, [v.value for v in watched])


@pytest.mark.parametrize(
    ("method", "output"),
    [
        # The highest |s| are the second and the third: -3 * 10 + 4 * 100.
        ("edge_popup", 370.0),
        # a = (3 + 4) / 2 = 3.5: -3.5 * 10 + 3.5 * 100.
        ("biprop", 315.0),
    ],
)
def test_edge_popup_and_biprop_by_hand(method, output):
    net = kprune.select(one_unit([2.0, -3.0, 4.0, 5.0]), method, 0.5)
    part, _ = choice(net)
    part.scores.assign([[0.1], [-0.9], [-0.2], [0.15]])
    x = [1.0, 10.0, 100.0, 1000.0]
    np.testing.assert_array_equal(net(np.array([x])), [[output]])
    by_scores, by_kernel, by_bias = gradients(net, x)
    # dL/dw_eff = x, so dL/ds = x * w * sign(s), of all four.
    np.testing.assert_array_equal(np.ravel(by_scores), [2, 30, -400, 5000])
    assert by_kernel is by_bias is None


def test_supermask_and_its_rescaling_by_hand():
    options = {"round_mask": True, "weights": "keep"}
    net = kprune.select(one_unit([2.0, -3.0, 4.0]), "supermask", **options)
    part, _ = choice(net)
    part.logits.assign([[0.0], [-np.log(3)], [np.log(3)]])

    # sigmoid is [1/2, 1/4, 3/4]: the first and the third, times 3/2.
    x = [1.0, 10.0, 100.0]
    np.testing.assert_allclose(net(np.array([x])), [[603.0]])
    by_logits, by_kernel, _ = gradients(net, x)
    # With y = sum(x w m) 3/M and M = sum(m) = 2, dy/dm = 3/2 (x w - 402 / 2),
    # and dm/da = sigmoid (1 - sigmoid) = [1/4, 3/16, 3/16].
    slopes = np.array([2 - 201, -30 - 201, 400 - 201])
    expected = 1.5 * slopes * [1 / 4, 3 / 16, 3 / 16]
    np.testing.assert_allclose(np.ravel(by_logits), expected, rtol=1e-6)
    assert by_kernel is None


def test_a_part_of_no_layer():
    part = supermask([1.0, -1.0], rescale=False)
    np.testing.assert_array_equal(part(tf.constant([2.0, 3.0])), [2, 0])
    nothing = learned.Biprop(kept=0, fan_in=1)
    nothing.build((3,))
    np.testing.assert_array_equal(nothing(tf.ones(3)), [0, 0, 0])


def test_an_empty_supermask_is_zero_and_finite():
    part = supermask([-1.0, -1.0])
    with tf.GradientTape() as tape:
        out = part(tf.constant([2.0, 3.0]))
    np.testing.assert_array_equal(out, [0, 0])
    slope = tape.gradient(out, part.logits.value)
    # 2 / 1 * w * sigmoid'(-1)
    np.testing.assert_allclose(slope, [4 * 0.196612, 6 * 0.196612], rtol=1e-5)


def test_a_supermask_is_drawn_by_its_chances_anew_at_each_call():
    logits = np.repeat([0.0, np.log(3), -np.log(3)], 2000)
    part = learned.Supermask(rescale=False, seed=3)
    part.build(logits.shape)
    part.logits.assign(logits)
    one, other = (part(tf.ones(6000)).numpy() for _ in range(2))
    # Three standard deviations of a mean of 2000 draws are below 0.034.
    for drawn in (one, other, part.kept_mask(np.random.default_rng(0))):
        shares = drawn.reshape(3, 2000).mean(1)
        np.testing.assert_allclose(shares, [0.5, 0.75, 0.25], atol=0.034)
    assert abs(np.corrcoef(one[:2000], other[:2000])[0, 1]) < 0.07


# What is frozen, and at what.


def test_at_sparsity_0_it_is_the_dense_network():
    model = two_layers()
    net = edge_popup(model, sparsity=0.0)
    assert_same(net(normal(8, 4)), model(normal(8, 4)))


@pytest.mark.parametrize("sparsity, kept", [(0.5, (10, 5)), (0.9, (2, 1))])
def test_the_number_kept_of_each_weight_is_exact(sparsity, kept):
    net = moved(edge_popup(sparsity=sparsity))
    masks = learned.selected_masks(net)
    assert (masks["a/kernel"].sum(), masks["b/kernel"].sum()) == kept
    assert learned.sparsity(net) == 1 - sum(kept) / 30


def test_scores_are_seeded_and_within_their_limit():
    def scores(seed):
        variables = edge_popup(seed=seed).trainable_variables
        return [np.array(v) for v in variables]

    assert_same(scores(1), scores(1))
    assert (scores(1)[0] != scores(2)[0]).all()
    a, b = scores(1)
    assert 0.45 < np.abs(a).max() <= 4**-0.5
    assert 0.35 < np.abs(b).max() <= 5**-0.5


@pytest.mark.parametrize(
    "options, expected",
    [
        ({"weights": "signed_constant"}, 2**-0.5),  # sqrt(2 / 4)
        ({"weights": "signed_constant", "scale_fan": True}, 2**0.5),
        ({"weights": "signed_std"}, 1.5),
    ],
)
def test_constants_to_freeze_at(options, expected):
    # Their mean is 0, the mean square 9/4.
    model = one_unit([1.5, -1.5, 1.5, -1.5])
    _, layer = choice(edge_popup(model, 0.75, **options))
    signs = np.array([[1], [-1], [1], [-1]])
    np.testing.assert_allclose(layer.kernel, expected * signs, rtol=1e-6)
    np.testing.assert_array_equal(np.abs(model.layers[0].kernel), 1.5)


def test_normal_draws_to_freeze_at():
    model = sequential((100,), layers.Dense(200, name="fc"))
    net = edge_popup(model, weights="kaiming_normal", scale_fan=True)
    _, layer = choice(net)
    # 2 / (100 / 2), and the error of a standard deviation of 20000 draws.
    assert np.std(layer.kernel) == pytest.approx(0.2, rel=0.02)


def test_a_weight_without_sign_gets_one():
    _, layer = choice(
        edge_popup(one_unit([0.0] * 64), weights="signed_constant")
    )
    assert 10 < np.sum(np.array(layer.kernel) > 0) < 54


def test_biases_are_frozen_as_they_are_or_at_0():
    for biases, value in (("keep", 7.0), ("zero", 0.0)):
        net = edge_popup(one_unit([1.0], bias=7.0), 0.0, biases=biases)
        assert net.layers[0].layer.bias.numpy() == value


def test_a_supermask_is_hardened_rounded_or_drawn():
    net = kprune.select(two_layers(), "supermask", weights="keep")
    assert learned.sparsity(net) == 0.5  # Expected, of chances of one half.
    assert kprune.report(learned.to_masked(net)).sparsity == 0.0
    one, other = (
        kprune.get_masks(learned.to_masked(net, seed=seed)) for seed in (1, 2)
    )
    again = learned.selected_masks(net, seed=1)
    assert_same(one, again)
    assert 3 < sum(mask.sum() for mask in one.values()) < 27
    assert any((one[name] != other[name]).any() for name in one)
    # What is kept is multiplied by 20 / kept.
    masked = learned.to_masked(net, seed=1)
    stored = net.layers[0].layer.kernel.numpy()
    expected = stored * one["a/kernel"] * (20 / one["a/kernel"].sum())
    np.testing.assert_allclose(
        masked.layers[0].layer.kernel, expected, rtol=1e-6
    )


# One ranking over all weights.


def test_global_selection_by_hand():
    net = kprune.select(two_layers(), "biprop", 0.5)
    for variable, size in zip(net.trainable_variables, (2.0, 1.0), strict=True):
        signs = np.where(np.arange(np.prod(variable.shape)) % 2, size, -size)
        variable.assign(signs.reshape(variable.shape))
    callback = learned.GlobalSelection(2 / 3, epochs=2)
    callback.set_model(net)

    counts = []
    for epoch in range(3):
        callback.on_epoch_begin(epoch)
        masks = learned.selected_masks(net)
        counts.append((masks["a/kernel"].sum(), masks["b/kernel"].sum()))
    # All; then 2/3 (1 - 1/8) = 7/12 of 30 out, 12.5 left, 12 or 13; then 10.
    # The scores of "a" are higher, and it has 20.
    assert counts[0] == (20, 10)
    assert counts[1][0] in (12, 13) and counts[1][1] == 0
    assert counts[2] == (10, 0)


def test_what_global_selection_is_not_for():
    net = kprune.select(two_layers(), "supermask")
    callback = learned.GlobalSelection(0.5)
    callback.set_model(net)
    with pytest.raises(ValueError, match="keep a number of weights"):
        callback.on_epoch_begin(0)
    with pytest.raises(ValueError, match=r"`epochs`.*Received: epochs=0"):
        learned.GlobalSelection(0.5, epochs=0)
    # And training must go on after the last selection.
    net = kprune.select(two_layers(), "biprop", 0.5)
    net.compile("sgd", "mse")
    callback = learned.GlobalSelection(0.5, epochs=3)
    with pytest.raises(ValueError, match=r"3 epochs. Expected more.*=3"):
        net.fit(normal(8, 4), normal(8, 2), epochs=3, callbacks=[callback])


# What does not fit.


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("edge_popop", 0.5), "Did you mean 'edge_popup'"),
        (("edge_popup",), r"`sparsity`.*Received: sparsity=None"),
        (("edge_popup", 1.0), r"`sparsity`.*Received: sparsity=1.0"),
        (("supermask", 0.5), "an outcome"),
        (("edge_popup", 0.5, {"weight": "keep"}), "Did you mean 'weights'"),
        (("edge_popup", 0.5, {"weights": "kep"}), "Did you mean 'keep'"),
        (("biprop", 0.5, {"biases": None}), "`biases`.*keep, zero"),
        (("biprop", 0.5, {"seed": -1}), r"`seed`.*seed=-1"),
    ],
)
def test_wrong_arguments_are_answered(arguments, message):
    *arguments, options = [*arguments, {}][:3]
    with pytest.raises(ValueError, match=message):
        kprune.select(two_layers(), *arguments, **options)
