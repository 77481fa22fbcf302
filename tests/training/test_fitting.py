"""A run that is killed and resumed equals one that is not, to the bit."""

import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf
from interruption import NEVER, Kill, Killed, everything

import kprune
from kprune.training import Terminated
from kprune.training.files import CheckpointFiles

STEPS, EPOCHS = 6, 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(STEPS * 8, 8)).astype("float32")
Y = RNG.integers(0, 3, len(X))


def data():
    arrays = tf.data.Dataset.from_tensor_slices((X, Y))
    return arrays.shuffle(len(X), seed=3).batch(8)


def model(optimizer="adam", **compiled):
    keras.utils.set_random_seed(1)
    made = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(16, use_bias=False, name="a"),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(3, name="b"),
        ],
        name="net",
    )
    made = kprune.prune(made, "magnitude", 0.5, exclude=["b"])
    made.compile(
        optimizer,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        **compiled,
    )
    return made


def fit(network, directory=None, every="1it", callbacks=(), **kwargs):
    checkpoint = None
    if directory is not None:
        checkpoint = kprune.callbacks.Checkpoint(directory, every)
    arguments = {"validation_data": (X[:20], Y[:20]), "verbose": 0} | kwargs
    return kprune.training.fit(
        network,
        data(),
        EPOCHS,
        checkpoint=checkpoint,
        callbacks=callbacks,
        **arguments,
    )


def assert_same(a, b):
    assert len(everything(a)) == len(everything(b))
    for one, other in zip(everything(a), everything(b), strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), one.path)


@pytest.fixture(scope="module")
def uninterrupted():
    network = model()
    return network, fit(network).history


def test_it_trains_as_keras_does(uninterrupted):
    network = model()
    history = network.fit(
        data().repeat(),
        epochs=EPOCHS,
        steps_per_epoch=STEPS,
        validation_data=(X[:20], Y[:20]),
        shuffle=False,
        verbose=0,
    )
    assert history.history == uninterrupted[1]
    assert_same(network, uninterrupted[0])


@pytest.mark.parametrize(
    ("every", "step"),
    [("1it", 1), ("1it", 6), ("4it", 17), ("1ep", 5), ("1ep", 7)],
)
def test_killed_and_resumed(tmp_path, uninterrupted, every, step):
    with pytest.raises(Killed):
        fit(model(), tmp_path, every, [Kill(step)])
    resumed = model()
    history = fit(resumed, tmp_path, every, [Kill(NEVER)])
    assert_same(resumed, uninterrupted[0])
    assert history.history == uninterrupted[1]
    assert history.epoch == list(range(EPOCHS))


def test_killed_again_and_again(tmp_path, uninterrupted):
    for _ in range(20):
        resumed = model()
        try:
            history = fit(resumed, tmp_path, "2it", [Kill(7)])
        except Killed:
            continue
        break
    assert_same(resumed, uninterrupted[0])
    assert history.history == uninterrupted[1]


def test_terminated_it_saves_and_goes_on(tmp_path, uninterrupted):
    def terminate():
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated) as caught:
        fit(model(), tmp_path, "1ep", [Kill(9, terminate)])
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before
    assert CheckpointFiles(tmp_path).steps() == [6, 9]
    resumed = model()
    history = fit(resumed, tmp_path, "1ep", [Kill(NEVER)])
    assert_same(resumed, uninterrupted[0])
    assert history.history == uninterrupted[1]


def test_a_finished_run_is_not_trained_again(tmp_path, uninterrupted):
    fit(model(), tmp_path)
    again = model()
    history = fit(again, tmp_path)
    assert_same(again, uninterrupted[0])
    assert history.history == uninterrupted[1]


def test_the_masks_come_back(tmp_path):
    """Also into a model that was only wrapped, with the notes."""
    with pytest.raises(Killed):
        fit(model(), tmp_path, callbacks=[Kill(3)])
    plain = kprune.strip(model())
    resumed = kprune.wrap(plain)
    resumed.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    fit(resumed, tmp_path, callbacks=[Kill(NEVER)])
    expected = kprune.get_masks(model())
    found = kprune.get_masks(resumed)
    np.testing.assert_array_equal(found["a/kernel"], expected["a/kernel"])
    assert kprune.report(resumed).sparsity == 0.5
    assert (
        not resumed.get_layer("a")
        .layer.kernel.numpy()[~expected["a/kernel"]]
        .any()
    )
    rows = kprune.report(resumed).to_dict()
    assert rows == kprune.report(model()).to_dict()
    assert "exclude" in str(rows)


def test_steps_per_execution(tmp_path):
    whole = model(steps_per_execution=3)
    expected = fit(whole).history
    with pytest.raises(Killed):
        fit(model(steps_per_execution=3), tmp_path, "1it", [Kill(4)])
    assert CheckpointFiles(tmp_path).steps() == [6, 9]
    resumed = model(steps_per_execution=3)
    history = fit(resumed, tmp_path, "1it", [Kill(NEVER)])
    assert_same(resumed, whole)
    assert history.history == expected


def test_early_stopping_goes_on_counting(tmp_path):
    def stopping():
        return keras.callbacks.EarlyStopping(
            "val_loss", min_delta=9.0, patience=2, restore_best_weights=True
        )

    whole = model()
    expected = fit(whole, callbacks=[stopping()]).history
    assert 2 <= len(expected["loss"]) < EPOCHS
    for step in (STEPS + 2, 2 * STEPS + 1):
        directory = tmp_path / str(step)
        with pytest.raises(Killed):
            fit(model(), directory, callbacks=[stopping(), Kill(step)])
        resumed = model()
        callbacks = [stopping(), Kill(NEVER)]
        history = fit(resumed, directory, callbacks=callbacks)
        assert history.history == expected
        assert_same(resumed, whole)
    # Stopped, then killed before the best weights were back.
    again = model()
    history = fit(again, directory, callbacks=[stopping(), Kill(NEVER)])
    assert history.history == expected
    assert_same(again, whole)


def test_a_callback_with_a_state_gets_it_back(tmp_path):
    class Counts(keras.callbacks.Callback):
        seen = 0
        last = None

        def on_train_batch_end(self, batch, logs=None):
            self.seen += 1
            self.last = np.full(3, self.seen)

        def get_state(self):
            return {"seen": self.seen, "last": self.last}

        def set_state(self, state):
            self.seen, self.last = state["seen"], state["last"]

    with pytest.raises(Killed):
        fit(model(), tmp_path, callbacks=[Counts(), Kill(9)])
    counts = Counts()
    fit(model(), tmp_path, callbacks=[counts, Kill(NEVER)])
    assert counts.seen == STEPS * EPOCHS
    np.testing.assert_array_equal(counts.last, [STEPS * EPOCHS] * 3)


def test_a_function_of_the_step_is_asked_for_the_rest(tmp_path, uninterrupted):
    asked = []

    def train(step):
        asked.append(step)
        return data().repeat().skip(step)

    def run(*callbacks):
        network = model()
        kprune.training.fit(
            network,
            train,
            EPOCHS,
            steps_per_epoch=STEPS,
            checkpoint=kprune.callbacks.Checkpoint(tmp_path, "1it"),
            callbacks=callbacks,
            verbose=0,
        )
        return network

    with pytest.raises(Killed):
        run(Kill(9))
    assert_same(run(Kill(NEVER)), uninterrupted[0])
    # Killed at the ninth step, before that was saved.
    assert asked == [0, 8]


def test_what_does_not_fit_is_said(tmp_path):
    with pytest.raises(Killed):
        fit(model(), tmp_path, callbacks=[Kill(3)])
    other = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])
    other.compile("adam", "sparse_categorical_crossentropy")
    before = [w.copy() for w in other.get_weights()]
    with pytest.raises(ValueError, match="saved of another model"):
        fit(other, tmp_path)
    for one, two in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    with pytest.raises(ValueError, match="saved of another optimizer"):
        fit(model("sgd"), tmp_path)
    stopping = keras.callbacks.EarlyStopping()
    with pytest.raises(ValueError, match="other callbacks"):
        fit(model(), tmp_path, callbacks=[stopping])
    with pytest.raises(ValueError, match="epochs of 6 steps"):
        fit(model(), tmp_path, steps_per_epoch=5)
    with pytest.raises(ValueError, match="`steps_per_execution` of 3"):
        fit(model(steps_per_execution=4))
    with pytest.raises(ValueError, match="from_tensor_slices"):
        kprune.training.fit(model(), (X, Y))
    with pytest.raises(ValueError, match="`steps_per_epoch`"):
        kprune.training.fit(model(), lambda step: data())
    with pytest.raises(RuntimeError, match=r"kprune\.training\.fit"):
        model().fit(
            data(), callbacks=[kprune.callbacks.Checkpoint(tmp_path)], verbose=0
        )
