"""The order of things in a train function that can be entered."""

import pytest

from kprune.callbacks.dynamic.train_function import TrainFunction


class Trace:
    """Stands for Keras and for the callback, and writes down all calls."""

    def __init__(self, due=(), skip=()):
        self.calls = []
        self.coming = None
        self.skip = skip
        self.function = TrainFunction(
            self.original,
            lambda: self.coming,
            lambda step: step in due,
            self.before,
            lambda step: self.calls.append(f"after {step}"),
            lambda: self.calls.append("done"),
        )

    def original(self, iterator):
        batches = [batch for _, batch in zip(range(3), iterator, strict=False)]
        self.calls.append("".join(batches))
        return {"loss": batches[-1]}

    def before(self, step, batch):
        self.calls.append(f"before {step} {batch}")
        return {"loss": "skipped"} if step in self.skip else None

    def run(self, steps, batches):
        self.coming = steps
        return self.function(iter(batches))


def test_nothing_due():
    trace = Trace(due=[7])
    assert trace.run(range(0, 3), "abcd") == {"loss": "c"}
    assert trace.calls == ["abc", "done"]


def test_an_execution_is_taken_apart():
    trace = Trace(due=[4])
    assert trace.run(range(3, 6), "abcd") == {"loss": "c"}
    assert trace.calls == ["a", "before 4 b", "b", "after 4", "c", "done"]


def test_an_update_takes_the_place_of_a_step():
    trace = Trace(due=[5], skip=[5])
    assert trace.run(range(3, 6), "abcd") == {"loss": "skipped"}
    assert trace.calls == ["a", "b", "before 5 c", "done"]


def test_data_that_end():
    trace = Trace(due=[3])
    assert trace.run(range(3, 6), "ab") == {"loss": "b"}
    assert trace.calls == ["before 3 a", "a", "after 3", "b", "done"]
    with pytest.raises(StopIteration):
        trace.run(range(3, 6), "")


def test_calls_that_are_not_of_fit():
    trace = Trace(due=[0, 1, 2])
    assert trace.run(None, "abcd") == {"loss": "c"}
    assert trace.calls == ["abc"]
