"""Early birds: when masks agree, by hand, and what is kept of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kprune
from kprune.training import fit

layers = keras.layers
CE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def net(width=8):
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(width, name="a"),
            layers.BatchNormalization(name="bn"),
            layers.ReLU(name="relu"),
            layers.Dense(3, name="b"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.1), CE)
    return model


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(48, 6)).astype("float32")
    return x, x[:, :3].argmax(1)


class SetGamma(keras.callbacks.Callback):
    """Gives the scales the values of each epoch in turn."""

    def __init__(self, values):
        super().__init__()
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        self.model.get_layer("bn").gamma.assign(self.values[epoch])


def course(*kept):
    """Returns scales of which the channels `kept` are the largest."""
    return [[2.0 + (i in k) * (1 + i / 10) for i in range(8)] for k in kept]


A, B, C = {0, 1, 2, 3}, {0, 1, 2, 4}, {4, 5, 6, 7}


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
    model, early = (
        net(),
        kprune.callbacks.EarlyBird(tolerance=tolerance, window=3),
    )
    history = model.fit(
        *data(),
        epochs=5,
        callbacks=[SetGamma(course(*masks)), early],
        verbose=0,
    )
    assert early.emerged_epoch == epoch
    assert len(history.epoch) == (epoch or 5)
    if epoch is None:
        assert early.masks is None
        return
    kept = early.masks["a/kernel"].any(0)
    assert set(np.flatnonzero(kept)) == masks[epoch - 1]
    np.testing.assert_array_equal(early.masks["b/kernel"].any(1), kept)


def test_distances_are_logged():
    model, early = net(), kprune.callbacks.EarlyBird(window=3, stop=False)
    values = course(A, A, B, C, C, C, A)
    history = model.fit(
        *data(), epochs=7, callbacks=[SetGamma(values), early], verbose=0
    )
    # A to B: 2 of 8 channels; C to A all 8, to B 6; C to C none, to B 6. It
    # goes on once masks have emerged: A to C.
    found = history.history["mask_distance"]
    np.testing.assert_allclose(found, [0, 0.25, 1, 0.75, 0, 1])
    assert early.emerged_epoch == 6 and len(history.epoch) == 7
    assert set(np.flatnonzero(early.masks["a/kernel"].any(0))) == C


def test_channels_count_not_the_entries_between_them():
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, name="a"),
            layers.BatchNormalization(name="bn"),
            layers.Dense(8, name="b"),
            layers.BatchNormalization(name="bn2"),
            layers.Dense(3, name="c"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.0), CE)

    class SetBoth(SetGamma):
        def on_epoch_end(self, epoch, logs=None):
            for name in ("bn", "bn2"):
                self.model.get_layer(name).gamma.assign(self.values[epoch])

    early = kprune.callbacks.EarlyBird(window=3, stop=False)
    history = model.fit(
        *data(), epochs=2, callbacks=[SetBoth(course(A, B)), early], verbose=0
    )
    # 2 of 8 channels in either layer, but 30 of 64 entries of b.
    assert history.history["mask_distance"] == [0.25]


def test_what_does_not_fit_the_model_is_told_before_training():
    dense = [layers.Dense(8, name="a"), layers.Dense(3, name="b")]
    plain = keras.Sequential([keras.Input((6,)), *dense])
    plain.compile("sgd", CE)
    count = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda *_, **__: pytest.fail("trained")
    )
    for early, model, told in (
        (kprune.callbacks.EarlyBird(), plain, "nothing that may go"),
        (kprune.callbacks.EarlyBird(exclude="typo"), net(), "typo"),
    ):
        with pytest.raises(ValueError, match=told):
            model.fit(*data(), callbacks=[count, early], verbose=0)
    with pytest.raises(ValueError, match=r"more than once.*generator"):
        kprune.callbacks.EarlyBird("snip", 0.5, data=(b for b in [data()]))


def test_a_network_that_does_not_learn_has_none():
    """All scales are one: each time other channels are drawn."""
    model = net(width=64)
    model.get_layer("bn").trainable = False
    early = kprune.callbacks.EarlyBird(tolerance=0.1, window=3)
    with pytest.warns(UserWarning, match="drawn among others"):
        model.fit(*data(), epochs=5, callbacks=[early], verbose=0)
    assert early.emerged_epoch is None


def test_the_ticket_goes_on_from_the_weights_that_are_there():
    model = net()
    early = kprune.callbacks.EarlyBird("magnitude", 0.5, window=2)
    model.fit(*data(), epochs=10, callbacks=[early], verbose=0)
    assert early.emerged_epoch < 10
    ticket = kprune.wrap(model)
    kprune.set_masks(ticket, early.masks)
    assert kprune.report(ticket).sparsity == 0.5
    expected = np.where(early.masks["a/kernel"], model.get_layer("a").kernel, 0)
    np.testing.assert_array_equal(ticket.get_layer("a").layer.kernel, expected)


def test_a_resumed_run_knows_the_masks_before(tmp_path):
    values = course(A, B, B, B, B)

    def run(epochs):
        early = kprune.callbacks.EarlyBird(tolerance=0.0, window=3, stop=False)
        x, y = data()
        fit(
            net(),
            tf.data.Dataset.from_tensor_slices((x, y)).batch(16),
            epochs=epochs,
            checkpoint=kprune.callbacks.Checkpoint(tmp_path / "saved"),
            callbacks=[SetGamma(values), early],
            verbose=0,
        )
        return early

    assert run(3).emerged_epoch is None
    assert run(4).emerged_epoch == 4  # With the second and third of before.
    again = run(4)
    assert again.emerged_epoch == 4
    assert set(np.flatnonzero(again.masks["a/kernel"].any(0))) == B


@pytest.mark.parametrize(
    "options, told",
    [
        ({"tolerance": 2}, "`tolerance`"),
        ({"window": 1}, "`window`"),
        ({"sparsity": 1.0}, "`sparsity`"),
        ({"method": "bn_gama"}, "Did you mean 'bn_gamma'"),
    ],
)
def test_bad_arguments(options, told):
    with pytest.raises(ValueError, match=told):
        kprune.callbacks.EarlyBird(**options)
