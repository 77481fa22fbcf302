"""A run that is killed and resumed equals one that is not, to the bit."""

import os
import shutil
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
        variables = everything(self.model)
        for variable, value in zip(variables, self.start, strict=True):
            variable.assign(value)
        return self.model


@pytest.fixture(scope="module")
def fresh():
    return Fresh()


def fit(
    network, directory=None, every="1it", callbacks=(), train=None, **kwargs
):
    checkpoint = None
    if directory is not None:
        checkpoint = kprune.callbacks.Checkpoint(directory, every)
    options = {"validation_data": (X[:20], Y[:20]), "verbose": 0} | kwargs
    options |= {"checkpoint": checkpoint, "callbacks": callbacks}
    return kprune.training.fit(network, train or data(), EPOCHS, **options)


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


@pytest.mark.usefixtures("as_keras_builds")
def test_it_trains_as_keras_does(uninterrupted):
    network, options = model(), {"epochs": EPOCHS, "steps_per_epoch": STEPS}
    options |= {"validation_data": (X[:20], Y[:20]), "verbose": 0}
    history = network.fit(data().repeat(), shuffle=False, **options)
    assert history.history == uninterrupted[1]
    assert_same(values(network), uninterrupted[0])


class Counting(keras.Model):
    """Counts the traces of its step; some cannot be called but to train."""

    def __init__(self, to_train_alone):
        super().__init__()
        self.fc = keras.layers.Dense(3)
        self.to_train_alone, self.traced = to_train_alone, 0

    def call(self, x, training=False):
        if self.to_train_alone and not training:
            raise RuntimeError("only in training")
        self.traced += bool(training)
        return self.fc(x)


@pytest.mark.parametrize("to_train_alone, traced", [(False, 1), (True, 2)])
def test_a_step_is_traced_once_where_it_can_be(to_train_alone, traced):
    network = Counting(to_train_alone)
    network(X[:1], training=True)
    network.compile("adam", CE)
    network.traced = 0
    history = kprune.training.fit(network, data(), 1, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert network.traced == traced


@pytest.mark.parametrize("every, step", [("1it", 6), ("4it", 17), ("1ep", 7)])
def test_killed_and_resumed(tmp_path, fresh, uninterrupted, every, step):
    killed(fresh(), tmp_path, step, every)
    # As in a new process, in one of these: nothing is built yet.
    resumed = model() if step == 17 else fresh()
    assert_resumes(resumed, uninterrupted, tmp_path, every)


def test_killed_again_and_again(tmp_path, fresh, uninterrupted):
    for _ in range(2):
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


@pytest.fixture(scope="module")
def saved_to_step_8(tmp_path_factory, fresh):
    directory = tmp_path_factory.mktemp("saved")
    killed(fresh(), directory, 9)
    return directory


@pytest.mark.parametrize(
    "change",
    [
        lambda saved: saved.pop("optimizer"),
        lambda saved: saved.pop("place"),
        lambda saved: saved.pop("steps_per_epoch"),
        lambda saved: saved.update(more=1),
        lambda saved: saved.update(notes=[]),
        lambda saved: saved.update(callbacks=[["Kill"]]),
        lambda saved: saved["place"].pop("epoch"),
        lambda saved: saved["place"].update(step=-1),
        lambda saved: saved["random"].pop("numpy"),
        lambda saved: saved["random"].update(python=[3, [1, 2], None]),
        lambda saved: saved["model"].append("text"),
    ],
)
def test_a_checkpoint_that_lacks_something_is_passed_over(
    tmp_path_factory, saved_to_step_8, change
):
    directory = tmp_path_factory.mktemp("copy")
    shutil.copytree(saved_to_step_8, directory, dirs_exist_ok=True)
    checkpoint = kprune.callbacks.Checkpoint(directory)
    step, saved = checkpoint.latest()
    assert step == 8
    change(saved)
    checkpoint.files.save(step, saved)
    with pytest.warns(UserWarning, match="Going on from step 7"):
        assert checkpoint.latest()[0] == 7


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
        options = {"patience": 2, "restore_best_weights": True}
        return keras.callbacks.EarlyStopping(min_delta=9.0, **options)

    history = fit(fresh(), callbacks=[stopping()]).history
    expected = values(fresh.model), history
    assert 2 <= len(history["loss"]) < EPOCHS
    killed(fresh(), tmp_path, 2 * STEPS + 1, callbacks=[stopping()])
    assert_resumes(fresh(), expected, tmp_path, callbacks=[stopping()])
    # Stopped, then killed before the best weights were back.
    assert_resumes(fresh(), expected, tmp_path, callbacks=[stopping()])


def test_a_callback_with_a_state_gets_it_back(tmp_path, fresh):
    class Counts(keras.callbacks.Callback):
        seen = np.zeros(3)

        def on_train_batch_end(self, batch, logs=None):
            self.seen = self.seen + 1

        def get_state(self):
            return {"seen": self.seen}

        def set_state(self, state):
            self.seen = state["seen"]

    killed(fresh(), tmp_path, 9, callbacks=[Counts()])
    counts = Counts()
    fit(fresh(), tmp_path, callbacks=[counts, Kill(NEVER)])
    np.testing.assert_array_equal(counts.seen, [STEPS * EPOCHS] * 3)


def test_a_function_of_the_step_is_asked_for_the_rest(
    tmp_path, fresh, uninterrupted
):
    asked = []

    def train(step):
        asked.append(step)
        return data().repeat().skip(step)

    options = {"steps_per_epoch": STEPS, "train": train}
    with pytest.raises(Killed):
        fit(fresh(), tmp_path, callbacks=[Kill(9)], **options)
    fit(fresh(), tmp_path, callbacks=[Kill(NEVER)], **options)
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
    stopping = {"callbacks": [keras.callbacks.EarlyStopping()]}
    for message, network, options in (
        ("saved of another optimizer", model("sgd"), {}),
        ("other callbacks", fresh(), stopping),
        ("epochs of 6 steps", fresh(), {"steps_per_epoch": 5}),
        ("`steps_per_execution` of 3", model(steps_per_execution=4), {}),
        ("from_tensor_slices", fresh(), {"train": (X, Y)}),
        ("`steps_per_epoch`", fresh(), {"train": lambda step: data()}),
    ):
        with pytest.raises(ValueError, match=message):
            fit(network, tmp_path, **options)
    checkpoint = kprune.callbacks.Checkpoint(tmp_path)
    with pytest.raises(RuntimeError, match=r"kprune\.training\.fit"):
        fresh().fit(data(), callbacks=[checkpoint], verbose=0)


@pytest.mark.parametrize(
    "frequency, count",
    [(2, 1), (np.int64(2), 1), ([1, 2], 2), ((2,), 1), ((), 0)],
)
def test_validation_falls_due_in_all_forms_of_its_frequency(
    fresh, frequency, count
):
    options = {"validation_data": (X, Y), "validation_freq": frequency}
    history = kprune.training.fit(
        fresh(), batched(X, Y), epochs=2, verbose=0, **options
    )
    assert len(history.history.get("val_loss", [])) == count
