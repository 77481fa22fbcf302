"""A run that is killed and resumed equals one that is not, to the bit."""

import os
import signal

import keras
import numpy as np
import pytest
from interruption import NEVER, Kill, Killed, everything
from lifecycle import assert_same, pruned_values
from networks import CE, batched, dense_net, examples, sequential

import kprune
from kprune.training import Terminated
from kprune.training.files import CheckpointFiles

STEPS, EPOCHS = 6, 4
X, Y = examples(STEPS * 8, 8)


def data():
    return batched(X, Y, shuffle=3)


def model(optimizer="adam", **compiled):
    made = kprune.prune(dense_net(), "magnitude", 0.5, exclude=["b"])
    made.compile(optimizer, CE, metrics=["accuracy"], **compiled)
    return made


def values(network):
    return [v.numpy() for v in everything(network)]


class Fresh:
    """Gives a model as it was when it was new, but traced already."""

    def __init__(self, **compiled):
        self.model = model(**compiled)
        self.model.optimizer.build(self.model.trainable_variables)
        self.start = values(self.model)

    def __call__(self):
        keras.utils.set_random_seed(1)
        for variable, value in zip(
            everything(self.model), self.start, strict=True
        ):
            variable.assign(value)
        return self.model


@pytest.fixture(scope="module")
def fresh():
    return Fresh()


def fit(network, directory=None, every="1it", callbacks=(), **kwargs):
    checkpoint = None
    if directory is not None:
        checkpoint = kprune.callbacks.Checkpoint(directory, every)
    options = {"validation_data": (X[:20], Y[:20]), "verbose": 0} | kwargs
    options |= {"checkpoint": checkpoint, "callbacks": callbacks}
    return kprune.training.fit(network, data(), EPOCHS, **options)


def killed(network, directory, batches, every="1it", callbacks=()):
    with pytest.raises(Killed):
        fit(network, directory, every, [*callbacks, Kill(batches)])


@pytest.fixture(scope="module")
def uninterrupted(fresh):
    """The variables and the history of a training that nobody killed."""
    network = fresh()
    history = fit(network).history
    return values(network), history


def assert_resumes(network, expected, directory, every="1it", callbacks=()):
    """Asserts that a resumed run comes to these variables and history."""
    callbacks = [*callbacks, Kill(NEVER)]
    history = fit(network, directory, every, callbacks)
    assert_same(values(network), expected[0])
    assert history.history == expected[1]
    assert history.epoch == list(range(len(expected[1]["loss"])))


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
    assert_same(values(network), uninterrupted[0])


@pytest.mark.parametrize(
    "every, step", [("1it", 1), ("1it", 6), ("4it", 17), ("1ep", 5), ("1ep", 7)]
)
def test_killed_and_resumed(tmp_path, fresh, uninterrupted, every, step):
    killed(fresh(), tmp_path, step, every)
    # As in a new process, in one of these: nothing is built yet.
    resumed = model() if step == 17 else fresh()
    assert_resumes(resumed, uninterrupted, tmp_path, every)


def test_killed_again_and_again(tmp_path, fresh, uninterrupted):
    for _ in range(3):
        killed(fresh(), tmp_path, 7, "2it")
    assert_resumes(fresh(), uninterrupted, tmp_path, "2it")


def test_terminated_it_saves_and_goes_on(tmp_path, fresh, uninterrupted):
    def terminate():
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated) as caught:
        fit(fresh(), tmp_path, "1ep", [Kill(9, terminate)])
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before
    assert CheckpointFiles(tmp_path).steps() == [6, 9]
    assert_resumes(fresh(), uninterrupted, tmp_path, "1ep")


def test_a_finished_run_is_not_trained_again(tmp_path, fresh, uninterrupted):
    fit(fresh(), tmp_path)
    seen = keras.callbacks.LambdaCallback(on_train_batch_end=pytest.fail)
    history = fit(fresh(), tmp_path, callbacks=[seen])
    assert_same(values(fresh.model), uninterrupted[0])
    assert history.history == uninterrupted[1]


def test_the_masks_come_back(tmp_path, fresh):
    """Also into a model that was only wrapped, with the notes."""
    killed(fresh(), tmp_path, 3)
    resumed = kprune.wrap(kprune.strip(model()))
    resumed.compile("adam", CE, metrics=["accuracy"])
    fit(resumed, tmp_path, callbacks=[Kill(NEVER)])
    assert_same(kprune.get_masks(resumed), kprune.get_masks(model()))
    assert kprune.report(resumed).sparsity == 0.5
    assert not pruned_values(resumed).any()
    rows = kprune.report(resumed).to_dict()
    assert rows == kprune.report(model()).to_dict()
    assert "exclude" in str(rows)


def test_steps_per_execution(tmp_path):
    fresh = Fresh(steps_per_execution=3)
    history = fit(fresh()).history
    expected = values(fresh.model), history
    killed(fresh(), tmp_path, 4)
    assert CheckpointFiles(tmp_path).steps() == [6, 9]
    assert_resumes(fresh(), expected, tmp_path)


def test_early_stopping_goes_on_counting(tmp_path, fresh):
    def stopping():
        return keras.callbacks.EarlyStopping(
            "val_loss", min_delta=9.0, patience=2, restore_best_weights=True
        )

    history = fit(fresh(), callbacks=[stopping()]).history
    expected = values(fresh.model), history
    assert 2 <= len(history["loss"]) < EPOCHS
    for step in (STEPS + 2, 2 * STEPS + 1):
        directory = tmp_path / str(step)
        killed(fresh(), directory, step, callbacks=[stopping()])
        assert_resumes(fresh(), expected, directory, callbacks=[stopping()])
    # Stopped, then killed before the best weights were back.
    assert_resumes(fresh(), expected, directory, callbacks=[stopping()])


def test_a_callback_with_a_state_gets_it_back(tmp_path, fresh):
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

    killed(fresh(), tmp_path, 9, callbacks=[Counts()])
    counts = Counts()
    fit(fresh(), tmp_path, callbacks=[counts, Kill(NEVER)])
    assert counts.seen == STEPS * EPOCHS
    np.testing.assert_array_equal(counts.last, [STEPS * EPOCHS] * 3)


def test_a_function_of_the_step_is_asked_for_the_rest(
    tmp_path, fresh, uninterrupted
):
    asked = []

    def train(step):
        asked.append(step)
        return data().repeat().skip(step)

    def run(*callbacks):
        checkpoint = kprune.callbacks.Checkpoint(tmp_path, "1it")
        options = {"steps_per_epoch": STEPS, "verbose": 0}
        options |= {"checkpoint": checkpoint, "callbacks": callbacks}
        kprune.training.fit(fresh(), train, EPOCHS, **options)

    with pytest.raises(Killed):
        run(Kill(9))
    run(Kill(NEVER))
    assert_same(values(fresh.model), uninterrupted[0])
    # Killed at the ninth step, before that was saved.
    assert asked == [0, 8]


def test_what_does_not_fit_is_said(tmp_path, fresh):
    killed(fresh(), tmp_path, 3)
    other = sequential((8,), keras.layers.Dense(3), optimizer="adam", loss=CE)
    before = other.get_weights()
    with pytest.raises(ValueError, match="another model"):
        fit(other, tmp_path)
    assert_same(other.get_weights(), before)
    with pytest.raises(ValueError, match="saved of another optimizer"):
        fit(model("sgd"), tmp_path)
    stopping = keras.callbacks.EarlyStopping()
    with pytest.raises(ValueError, match="other callbacks"):
        fit(fresh(), tmp_path, callbacks=[stopping])
    with pytest.raises(ValueError, match="epochs of 6 steps"):
        fit(fresh(), tmp_path, steps_per_epoch=5)
    with pytest.raises(ValueError, match="`steps_per_execution` of 3"):
        fit(model(steps_per_execution=4))
    with pytest.raises(ValueError, match="from_tensor_slices"):
        kprune.training.fit(fresh(), (X, Y))
    with pytest.raises(ValueError, match="`steps_per_epoch`"):
        kprune.training.fit(fresh(), lambda step: data())
    checkpoint = kprune.callbacks.Checkpoint(tmp_path)
    with pytest.raises(RuntimeError, match=r"kprune\.training\.fit"):
        fresh().fit(data(), callbacks=[checkpoint], verbose=0)
