"""Gem-Miner: scores by hand, and how many weights are alive."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from lifecycle import normal, two_layers
from networks import sequential

import kprune
from kprune import learned
from kprune.learned import GemMiner


def one_unit(**options):
    """A model of four weights with given scores, the last one not alive."""
    dense = layers.Dense(1, use_bias=False, name="fc")
    values = [[[2.0], [-3.0], [4.0], [5.0]]]
    net = kprune.select(
        sequential((4,), dense, values=values), "gem_miner", **options
    )
    part = net.layers[0].parts["kernel"]
    part.scores.assign([[0.2], [0.9], [0.6], [0.7]])
    part.alive.assign([[True], [True], [True], [False]])
    return net, part


X = np.array([[1.0, 10.0, 100.0, 1000.0]], "float32")


def test_steps_by_hand():
    net, part = one_unit(strength=0.5)
    np.testing.assert_array_equal(net(X), [[370.0]])  # -3 * 10 + 4 * 100
    with tf.GradientTape() as tape:
        output = tf.reduce_sum(net(X))
    gradient = tape.gradient(output, part.scores.value)
    # x w of what is alive, whether it is kept or not.
    np.testing.assert_array_equal(np.ravel(gradient), [2, -30, 400, 0])

    # The squares are 0.04, 0.81, 0.36 and 0.49.
    np.testing.assert_allclose(net.losses, [0.5 * 1.7], rtol=1e-6)
    # At a rate of 0.01 the gradients 2, -30, 400, 0 and 2 * 0.5 p move the
    # scores to 0.178, 1.191, -3.406 and 0.693, which are clipped.
    net.compile(
        keras.optimizers.SGD(0.01), lambda y, found: found, run_eagerly=True
    )
    net.train_on_batch(X, np.zeros((1, 1)))
    expected = [0.178, 1, 0, 0.693]
    np.testing.assert_allclose(np.ravel(part.scores), expected, rtol=1e-5)


def test_a_score_of_a_half_is_left_out():
    net, part = one_unit()
    part.scores.assign([[0.5], [0.5], [0.50001], [1.0]])
    mask = learned.selected_masks(net)["fc/kernel"]
    assert np.ravel(mask).tolist() == [False, False, True, False]
    assert learned.sparsity(net) == 0.75


def test_scores_are_seeded_uniform_draws():
    def scores(seed):
        model = sequential((50,), layers.Dense(40, name="fc"))
        net = kprune.select(model, "gem_miner", seed=seed)
        return net.layers[0].parts["kernel"].scores.numpy()

    found = scores(3)
    np.testing.assert_array_equal(found, scores(3))
    assert (found != scores(4)).all()
    assert found.min() >= 0 and found.max() <= 1
    # The standard deviation of a mean of 2,000 draws is 0.0065.
    assert abs(found.mean() - 0.5) < 0.02


def mine(sparsity, epochs, every, restore=True, scores=None, model=None):
    """Returns the net of 30 weights and how many were alive after each epoch,
    of a training in which scores do not move."""
    net = kprune.select(model or two_layers(), "gem_miner", seed=2)
    parts = [layer.parts["kernel"] for layer in net.layers]
    for part in parts:
        if scores is not None:
            part.scores.assign(np.full(part.scores.shape, scores))
    miner = GemMiner(sparsity, every, restore=restore)
    miner.set_model(net)
    miner.set_params({"epochs": epochs})
    miner.on_train_begin()
    alive = []
    for epoch in range(epochs):
        miner.on_epoch_end(epoch)
        alive.append(sum(int(part.alive.numpy().sum()) for part in parts))
    miner.on_train_end()
    return net, alive


def test_what_is_alive_by_hand():
    net, alive = mine(0.75, epochs=5, every=2)
    # Two removals, after the epochs 2 and 4: halves of 30 and of 15.
    assert alive == [30, 30, 15, 15, 8]
    masks = learned.selected_masks(net)
    assert sum(mask.sum() for mask in masks.values()) == 8
    # The highest of all scores, which did not move.
    first = kprune.select(two_layers(), "gem_miner", seed=2)
    scores = np.concatenate(
        [np.ravel(layer.parts["kernel"].scores) for layer in first.layers]
    )
    mask = np.concatenate([np.ravel(m) for m in masks.values()])
    assert set(np.flatnonzero(mask)) == set(np.argsort(scores)[-8:])


def test_without_restoring_rounding_leaves_out_more():
    net, alive = mine(0.5, epochs=2, every=1, restore=False, scores=0.4)
    assert alive == [30, 15]
    assert learned.sparsity(net) == 1.0
    restored, _ = mine(0.5, epochs=2, every=1, scores=0.4)
    assert learned.sparsity(restored) == 0.5


def test_ties_are_broken_to_an_exact_count():
    _, alive = mine(0.9, epochs=4, every=1, scores=0.0)
    # 30 * 0.1^(1/3) = 13.9, 30 * 0.1^(2/3) = 6.5 and 3.
    assert alive == [30, 14, 6, 3]


def test_the_ticket_trains_from_the_frozen_weights():
    model = two_layers()
    net, _ = mine(0.5, epochs=2, every=1, model=model)
    ticket = learned.to_masked(net)
    masks = kprune.get_masks(ticket)
    for layer, old in zip(ticket.layers, model.layers, strict=True):
        kept = np.where(masks[f"{old.name}/kernel"], old.kernel, 0)
        np.testing.assert_array_equal(layer.layer.kernel, kept)
    assert kprune.report(ticket).sparsity == 0.5


def test_what_does_not_fit():
    net = kprune.select(two_layers(), "gem_miner")
    net.compile("sgd", "mse", run_eagerly=True)
    pairs = normal(8, 4), normal(8, 2)
    with pytest.raises(ValueError, match=r"5 epochs. Expected more.*=5"):
        net.fit(*pairs, epochs=5, callbacks=[GemMiner(0.5)])
    other = kprune.select(two_layers(), "edge_popup", 0.5)
    other.compile("sgd", "mse", run_eagerly=True)
    with pytest.raises(ValueError, match=r"`kprune\.learned\.gem_miner`"):
        other.fit(*pairs, epochs=6, callbacks=[GemMiner(0.5)])
    with pytest.raises(ValueError, match="an outcome"):
        kprune.select(two_layers(), "gem_miner", 0.5)
    with pytest.raises(ValueError, match="`strength`"):
        kprune.select(two_layers(), "gem_miner", strength=-1)
