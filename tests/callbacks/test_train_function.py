"""The order of things in a train function that can be entered."""

import pytest

from kprune.callbacks.dynamic.train_function import TrainFunction


class Trace:
    """Stands for Keras and for the callback, and writes down all calls."""

    def __init__(self, due, skip=()):
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


@pytest.mark.parametrize(
    "due, skip, steps, batches, loss, calls",
    [
        ([7], [], range(0, 3), "abcd", "c", "abc; done"),
        # An execution is taken apart.
        (
            [4],
            [],
            range(3, 6),
            "abcd",
            "c",
            "a; before 4 b; b; after 4; c; done",
        ),
        # An update takes the place of a step.
        ([5], [5], range(3, 6), "abcd", "skipped", "a; b; before 5 c; done"),
        # The data end.
        ([3], [], range(3, 6), "ab", "b", "before 3 a; a; after 3; b; done"),
        # A call that is not of `fit`.
        ([0, 1, 2], [], None, "abcd", "c", "abc"),
    ],
)
def test_the_order_of_calls(due, skip, steps, batches, loss, calls):
    trace = Trace(due, skip)
    assert trace.run(steps, batches) == {"loss": loss}
    assert "; ".join(trace.calls) == calls


def test_data_that_have_ended():
    with pytest.raises(StopIteration):
        Trace(due=[3]).run(range(3, 6), "")
