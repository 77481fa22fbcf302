"""Early birds: when masks agree, by hand, and what is kept of them."""

import keras
import numpy as np
import pytest
from keras import layers
from networks import CE, examples, sequential

import kprune
from kprune.callbacks import EarlyBird

X, Y = examples(48, 6)


def net(*between, width=8):
    return sequential(
        (6,),
        layers.Dense(width, name="a"),
        layers.BatchNormalization(name="bn"),
        *between,
        layers.Dense(3, name="b"),
        seed=3,
        optimizer=keras.optimizers.SGD(0.1),
        loss=CE,
    )


def course(*kept):
    """Returns scales of which the channels `kept` are the largest."""
    return [[2.0 + (i in k) * (1 + i / 10) for i in range(8)] for k in kept]


A, B, C = {0, 1, 2, 3}, {0, 1, 2, 4}, {4, 5, 6, 7}


def driven(early, values, model=None, first=0, state=None):
    """Gives the scales the values of each epoch in turn, and calls the hooks
    as `fit` does, without the training.

    Returns:
        The logs of each epoch.
    """
    model = model or net(layers.ReLU(name="relu"))
    early.set_model(model)
    early.on_train_begin()
    if state is not None:
        early.set_state(state)
    found = []
    for epoch, value in enumerate(values, first):
        for layer in model.layers:
            if isinstance(layer, layers.BatchNormalization):
                layer.gamma.assign(value)
        found.append({})
        early.on_epoch_end(epoch, found[-1])
        if model.stop_training:
            break
    return found


def kept(early):
    return set(np.flatnonzero(early.masks["a/kernel"].any(0)))


@pytest.mark.parametrize(
    "masks, tolerance, epoch",
    [
        ((A, A, A, A, A), 0.0, 3),  # The third agrees with two before it.
        ((C, A, A, A, A), 0.0, 4),
        ((A, B, A, B, A), 0.0, None),
        # One channel in, one out: 2 of 8 columns of a and of 8 rows of b.
        ((A, B, A, B, A), 0.25, 3),
        ((A, B, A, B, A), 0.24, None),
        ((A, C, A, C, A), 0.9, None),
    ],
)
def test_when_it_emerges(masks, tolerance, epoch):
    early = EarlyBird(tolerance=tolerance, window=3)
    epochs = driven(early, course(*masks))
    assert early.emerged_epoch == epoch
    assert len(epochs) == (epoch or 5)
    if epoch is None:
        assert early.masks is None
        return
    assert kept(early) == masks[epoch - 1]
    columns = early.masks["a/kernel"].any(0)
    np.testing.assert_array_equal(early.masks["b/kernel"].any(1), columns)


def test_distances_are_logged():
    early = EarlyBird(window=3, stop=False)
    first, *others = driven(early, course(A, A, B, C, C, C, A))
    # A to B: 2 of 8 channels; C to A all 8, to B 6; C to C none, to B 6. It
    # goes on once masks have emerged: A to C.
    distances = [logs["mask_distance"] for logs in others]
    np.testing.assert_allclose(distances, [0, 0.25, 1, 0.75, 0, 1])
    assert first == {}
    assert early.emerged_epoch == 6 and kept(early) == C


def test_channels_count_not_the_entries_between_them():
    model = net(
        layers.Dense(8, name="between"), layers.BatchNormalization(name="bn2")
    )
    _, logs = driven(EarlyBird(window=3), course(A, B), model)
    # 2 of 8 channels in either layer, but 30 of 64 entries between them.
    assert logs["mask_distance"] == 0.25


def test_a_resumed_run_knows_the_masks_before():
    one, other, last = (
        EarlyBird(tolerance=0.0, window=3, stop=False) for _ in range(3)
    )
    driven(one, course(A, B, B))
    assert one.emerged_epoch is None
    driven(other, course(B), first=3, state=one.get_state())
    assert other.emerged_epoch == 4  # With the second and third of before.
    driven(last, [], state=other.get_state())
    assert last.emerged_epoch == 4 and kept(last) == B


def test_a_network_that_does_not_learn_has_none():
    """All scales are one: each time other channels are drawn."""
    early = EarlyBird(tolerance=0.1, window=3)
    with pytest.warns(UserWarning, match="drawn among others"):
        driven(early, np.ones((5, 64)), net(width=64))
    assert early.emerged_epoch is None


def test_the_ticket_goes_on_from_the_weights_that_are_there():
    model, early = net(), EarlyBird("magnitude", 0.5, window=2)
    model.fit(X, Y, epochs=10, callbacks=[early], verbose=0)
    assert early.emerged_epoch < 10
    ticket = kprune.wrap(model)
    kprune.set_masks(ticket, early.masks)
    assert kprune.report(ticket).sparsity == 0.5
    expected = np.where(early.masks["a/kernel"], model.get_layer("a").kernel, 0)
    np.testing.assert_array_equal(ticket.get_layer("a").layer.kernel, expected)


def test_what_does_not_fit_the_model_is_told_before_training():
    plain = sequential((6,), layers.Dense(8), layers.Dense(3), loss=CE)
    for early, model, told in (
        (EarlyBird(), plain, "nothing that can be pruned"),
        (EarlyBird(exclude="typo"), net(), "typo"),
    ):
        with pytest.raises(ValueError, match=told):
            driven(early, course(A), model)


@pytest.mark.parametrize(
    "options, told",
    [
        ({"tolerance": 2}, "`tolerance`"),
        ({"window": 1}, "`window`"),
        ({"sparsity": 1.0}, "`sparsity`"),
        ({"method": "bn_gama"}, "Did you mean 'bn_gamma'"),
        (
            {"method": "snip", "data": (b for b in [(X, Y)])},
            r"more than once.*generator",
        ),
    ],
)
def test_bad_arguments(options, told):
    with pytest.raises(ValueError, match=told):
        EarlyBird(**options)
