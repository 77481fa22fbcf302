"""Top-KAST by hand, and in a training."""

import keras
import numpy as np
import tensorflow as tf
from networks import CE, batched, dense_net, examples
from test_updaters import bits, moment

import kprune
from kprune.callbacks import dynamic

RATE, EXTRA, PENALTY = 3.0, 0.2, 0.1


def test_a_step_by_hand():
    kast = dynamic.TopKAST(extra=0.2, penalty=0.5)
    first = moment(
        {"w": [4.0, -3.0, 2.0, 1.0, 0.5]}, masks={"w": [1, 1, 0, 0, 0]}, step=0
    )
    kast.start(first)  # B is A and the 2.
    # The optimizer's step moves all. What was 1.0 is outside B and returns.
    # A: 3 - 0.1 0.5 4 and -1 + 0.1 0.5 3. B: 4 - 0.1 0.5 2 / (2 / 5).
    after = moment(
        {"w": [3.0, -1.0, 4.0, 9.0, -7.0]},
        masks=first.masks,
        step=1,
        learning_rate=0.1,
    )
    change = kast.update(after)
    np.testing.assert_allclose(
        change.weights["w"], [2.8, -0.85, 3.75, 1.0, 0.5]
    )
    assert bits(change.masks["w"]) == "10100"
    # B is now A and the 1.0; the others lose their momentum.
    assert bits(change.fresh["w"]) == "01001"


def test_a_later_begin_takes_the_weights_as_they_are():
    kast = dynamic.TopKAST(extra=0.0)
    first = moment({"w": [4.0, -3.0, 2.0]}, masks={"w": [1, 0, 0]}, step=0)
    kast.start(first)
    later = moment({"w": [1.0, 9.0, 2.0]}, masks=first.masks, step=7)
    np.testing.assert_array_equal(
        kast.update(later).weights["w"], later.weights["w"]
    )


def test_a_fit_moves_what_is_in_b_by_the_sparse_networks_gradient():
    x, y = examples(8, 8)
    dense = dense_net(dropout=0, norm=False)
    masks = kprune.get_masks(kprune.prune(dense, "magnitude", 0.7))
    # What is pruned keeps its value, as at the start of the paper's training.
    model = kprune.wrap(dense, keep_pruned_values=True)
    kprune.set_masks(model, masks)
    model.compile(keras.optimizers.SGD(RATE, momentum=0.9), CE)
    kernel = model.get_layer("a").kernel
    before = np.array(kernel)
    active, size = masks["a/kernel"], np.abs(before)
    more = np.sort(size[~active])[-round(EXTRA * size.size)]
    trained = active | (size >= more)
    sparse = kprune.strip(model)
    with tf.GradientTape() as tape:
        loss = CE(y, sparse(x))
    gradient = np.array(tape.gradient(loss, sparse.get_layer("a").kernel))
    assert np.abs(gradient[trained & ~active]).max() > 0

    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            (momentum, *_) = model.optimizer.momentums
            mask = kprune.get_masks(model)["a/kernel"]
            seen.append((np.array(kernel), mask, np.array(momentum)))

    kast = kprune.callbacks.DynamicSparseTraining(
        "top_kast", extra=EXTRA, penalty=PENALTY
    )
    model.fit(batched(x, y), callbacks=[kast, Look()], verbose=0)
    ((after, mask, momentum),) = seen
    scale = np.where(active, PENALTY, PENALTY / active.mean())
    moved = before - RATE * (gradient + scale * before)
    np.testing.assert_allclose(
        after, np.where(trained, moved, before), rtol=1e-5, atol=1e-6
    )
    assert mask.sum() == active.sum() and (mask != active).any()
    assert np.abs(after[mask]).min() >= np.abs(after[~mask]).max()
    size = np.abs(after)
    more = np.sort(size[~mask])[-round(EXTRA * size.size)]
    assert not momentum[~mask & (size < more)].any()
