"""Due steps, counted by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import sequential

from kprune.callbacks.step_counter import StepCounter


def drive(clock, epochs, steps, execution=1, first=0, known=True, cut=False):
    """Returns (steps done, step due) where anything fell due."""
    clock.start({"epochs": epochs, "steps": steps if known else None}, cut)
    seen = []
    for epoch in range(first, epochs):
        seen.append((clock.step, clock.begin_epoch(epoch)))
        for batch in range(execution - 1, steps + execution - 1, execution):
            seen.append((clock.step, clock.advance(batch)))
    return [due for _, due in seen if due is not None]


def test_due_are_the_grid_and_the_end():
    assert drive(StepCounter(2, 11, 4), 3, 5) == [2, 6, 10, 11]
    assert drive(StepCounter(2, 10, 4), 3, 5) == [2, 6, 10]
    # Before the first step, and what lies beyond the training never.
    assert drive(StepCounter(0, 99, "1ep"), 3, 5) == [0, 5, 10, 15]
    assert drive(StepCounter(0, 99, "1ep"), 3, 5, cut=True) == [0, 5, 10, 15]
    assert drive(StepCounter(0, 99, 6), 3, 5, cut=True) == [0, 6, 12, 15]
    assert drive(StepCounter("20%", "0.4ep", 7), 2, 10) == [4]


def test_without_the_length_of_an_epoch():
    assert drive(StepCounter(0, 11, "4it"), 3, 5, known=False) == [0, 4, 8, 11]
    with pytest.raises(ValueError, match="`steps_per_epoch`"):
        drive(StepCounter(0, 11, "1ep"), 3, 5, known=False)
    with pytest.raises(ValueError, match="initial_epoch=1"):
        drive(StepCounter(0, 11, 4), 3, 5, known=False, first=1)


def test_several_steps_per_execution():
    # Executions end at 3, 6, 9, 10 in each epoch of ten: the last one is of
    # one step, though Keras numbers its last batch 11.
    clock = StepCounter(2, 17, 5)
    clock.start({"epochs": 2, "steps": 10})
    clock.begin_epoch(0)
    dues = [clock.advance(batch) for batch in (2, 5, 8, 11)]
    assert dues == [2, None, 7, None]
    assert clock.step == 10
    assert clock.begin_epoch(1) is None
    dues = [clock.advance(batch) for batch in (2, 5, 8, 11)]
    assert dues == [12, None, 17, None]
    # Of two in one execution the last counts.
    assert drive(StepCounter(0, 6, 1), 1, 6, execution=3) == [0, 3, 6]


def test_steps_that_keras_did_not_tell_of_are_made_up_for():
    clock = StepCounter(4, 9, 1)
    clock.start({"epochs": 2, "steps": 5})
    clock.begin_epoch(0)
    assert clock.advance(2) is None
    assert clock.begin_epoch(1) == 5


def test_it_begins_at_an_epoch_and_goes_on_in_the_midst_of_one():
    assert drive(StepCounter(4, 14, 5), 3, 5, first=1) == [9, 14]
    assert drive(StepCounter(5, 14, 5), 3, 5, first=1) == [5, 10, 14]
    clock = StepCounter(4, 14, 5)
    clock.start({"epochs": 3, "steps": 5})
    clock.state = {"step": 8}
    assert clock.begin_epoch(1) is None
    assert [clock.advance(batch) for batch in (0, 1)] == [9, None]
    assert clock.state == {"step": 10}
    assert clock.begin_epoch(2) is None
    assert [clock.advance(batch) for batch in range(4)] == [None] * 3 + [14]


def test_what_a_resumed_run_did_is_not_due_again():
    clock = StepCounter(0, 6, 3)
    clock.start({"epochs": 2, "steps": 3})
    clock.state = {"step": 3}
    assert clock.begin_epoch(1) is None
    clock.start({"epochs": 2, "steps": 3})  # Another `fit`.
    assert clock.begin_epoch(0) == 0


@pytest.mark.parametrize("execution", [1, 4])
@pytest.mark.parametrize("known", [True, False])
def test_keras_counts_as_the_clock_does(execution, known):
    """Twenty-one batches of one example, in epochs of seven."""

    class Watch(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.clock = StepCounter(2, 20, 6)
            self.seen = []

        def on_train_begin(self, logs=None):
            self.clock.start(self.params)

        def on_epoch_begin(self, epoch, logs=None):
            self.clock.begin_epoch(epoch)

        def on_train_batch_end(self, batch, logs=None):
            due = self.clock.advance(batch)
            done = int(self.model.optimizer.iterations)
            self.seen.append((done, self.clock.step, due))

    model = sequential((1,), keras.layers.Dense(1))
    model.compile("sgd", "mse", steps_per_execution=execution)
    watch = Watch()
    x = np.ones((7, 1), "float32")
    data = x if known else _of_unknown_length(x)
    model.fit(data, x if known else None, 1, 3, callbacks=[watch], verbose=0)
    done, counted, due = zip(*watch.seen, strict=True)
    if known:  # Else Keras' own count has one more per epoch.
        assert done == counted
    # Of an epoch of unknown length each execution counts as a whole one.
    assert counted[-1] == (21 if known or execution == 1 else 24)
    assert [d for d in due if d is not None] == [2, 8, 14, 20]


def _of_unknown_length(x):
    batch = tf.TensorSpec((1, 1))
    return tf.data.Dataset.from_generator(
        lambda: ((row[None], row[None]) for row in x),
        output_signature=(batch, batch),
    )


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match="Expected a duration"):
        StepCounter(0, "9 epochs", 1)
    with pytest.raises(ValueError, match="begin=6, end=5, every=1"):
        drive(StepCounter(6, 99, 1), 1, 5, cut=True)
    with pytest.raises(ValueError, match="every=0"):
        drive(StepCounter(0, 99, "0.01ep"), 1, 5)
