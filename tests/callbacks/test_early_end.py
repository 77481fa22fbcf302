"""GReg's early end: the ratio of magnitudes by hand, and when growth ends."""

import keras
import numpy as np
import pytest
from networks import sequential
from short_fits import FAST, net

import kprune
from kprune.callbacks import GrowingRegularization
from kprune.callbacks.regularization import PenaltySchedule
from kprune.callbacks.regularization.early_end import EarlyEnd, magnitude_ratio


def test_the_ratio_of_magnitudes_by_hand():
    sizes = np.array([1.0, 3.0, 8.0, 4.0, 100.0])
    picked = np.array([True, True, False, False, False])
    mask = np.array([True, True, True, True, False])
    # (8 + 4) / 2 over (1 + 3) / 2; what has no mask does not count.
    assert magnitude_ratio(sizes, picked, mask) == 3.0
    assert magnitude_ratio(sizes * ~picked, picked, mask) == np.inf
    assert magnitude_ratio(sizes, picked & False, mask) == np.inf
    assert magnitude_ratio(sizes, picked, picked) == 0.0


def ends(together, rows, ratio=3.0):
    """Returns what `follow` returns and the ends after each row: of each
    weight, the magnitude of the entry that is not picked, beside 1."""
    course = PenaltySchedule(10, 2, 5, increment=0.1, ceiling=1.0)
    names = list(rows[0])
    variables = {n: keras.Variable([1.0, 1.0]) for n in names}
    early = EarlyEnd(ratio, together)
    early.begin(variables)
    picked = dict.fromkeys(names, np.array([True, False]))
    masks = dict.fromkeys(names, np.array([True, True]))
    found = []
    for number, row in enumerate(rows, 1):
        for name, size in row.items():
            variables[name].assign([1.0, size])
        step = 10 + 2 * number
        after = early.follow(course, step, lambda: picked, lambda: masks)
        found.append((after, dict(early.state["ends"])))
        # Between two growths nothing is read.
        assert early.follow(course, step + 1, None, None) is None
    return found


def test_averages_by_hand_and_the_end_of_each_weight():
    # The averages of `a` are 2, 0.9 * 2 + 0.1 * 12 = 3; of `b` 1, 0.9 + 2.1.
    rows = [{"a": 2.0, "b": 1.0}, {"a": 12.5, "b": 1.0}, {"a": 2.0, "b": 22}]
    assert ends(False, rows) == [
        (None, {}),
        (None, {"a": 14}),
        (6, {"a": 14, "b": 16}),
    ]


def test_all_together_end_at_the_last():
    # The average of `a` falls below 3 again, while `b` is not there yet:
    # 4, then 3.7, then 3.43; of `b` 1, 1, 1 and 0.9 + 3.
    rows = [{"a": 4.0, "b": 1.0}, {"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 30}]
    assert ends(True, rows) == [
        (None, {}),
        (None, {}),
        (6, {"a": 16, "b": 16}),
    ]


def test_a_course_that_ended_early():
    course = PenaltySchedule(10, 2, 5, increment=0.1, ceiling=1.0, ended=6)
    assert (course.growing, course.end) == (6, 21)
    assert course.events() == [(10, "pick"), (21, "remove")]
    lambdas = [course.penalties(step)[0] for step in (12, 14, 16, 20, 21)]
    assert lambdas == pytest.approx([0.1, 0.2, 0.3, 0.3, 0])
    assert [course.growths(s) for s in (11, 12, 16, 17)] == [0, 1, 3, 0]
    late = PenaltySchedule(0, 2, 5, increment=0.1, ceiling=1.0, ended=99)
    assert late.growing == 20


class Steps(keras.callbacks.Callback):
    """Records the kernel, and lambda from one step to the next."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        kernel = self.model.get_layer("a").layer.kernel
        self.seen.append(np.ravel(kernel.numpy()).tolist())


def at_rest(values, growing, steps):
    """Returns the kernel after each step of a task without a gradient."""
    dense = keras.layers.Dense(1, use_bias=False, name="a")
    model = kprune.wrap(sequential((len(values),), dense))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.get_layer("a").layer.kernel.assign(np.reshape(values, (-1, 1)))
    x, y, watch = np.zeros((steps, len(values))), np.zeros((steps, 1)), Steps()
    model.fit(x, y, 1, callbacks=[growing, watch], verbose=0)
    return watch.seen


def test_greg_1_holds_lambda_and_removes_early():
    growing = GrowingRegularization(
        "greg1", 0.5, every=1, increment=1.0, ceiling=9.0, stabilize=2,
        end_ratio=2.15,
    )  # fmt: skip
    seen = at_rest([1.0, 2.0], growing, 11)
    # lambda is 0 at the first step, then 1 and 2. The ratios at the growths
    # are 2, 2 / 0.9 and 2 / 0.72, their averages 2, 2.022 and 2.098; then
    # 2 / (0.72 * 0.7) = 3.97 makes it 2.285: growth ends at 4, of 9.
    small = np.cumprod([1, 0.9, 0.8, 0.7, 0.6, 0.6])
    assert growing.course.ended == 4
    assert growing.course.end == 6
    np.testing.assert_allclose([w for w, _ in seen[:5]], small[:5], rtol=1e-6)
    assert seen[5:] == [[0, 2]] * 6


def test_greg_2_ends_each_weight_at_its_own_step():
    model = net()
    for name, size in (("a", 1e-3), ("b", 0.5)):
        kernel = model.get_layer(name).layer.kernel
        values = np.linspace(1, 2, np.prod(kernel.shape))
        values[: len(values) // 2] = size
        kernel.assign(values.reshape(kernel.shape))
    growing = GrowingRegularization(
        "greg2", 0.5, every=1, increment=0.5, ceiling=4.0, stabilize=1,
        pick_increment=0.5, pick_ceiling=0.5, on_others=0.0, end_ratio=100,
    )  # fmt: skip
    model.optimizer.learning_rate = 0.0
    held = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            regularizers = [
                self.model.get_layer(n).layer.kernel.regularizer for n in "ab"
            ]
            held.append([float(r.on_picked) for r in regularizers])

    x, y = np.zeros((10, 8)), np.zeros(10)
    model.fit(x, y, 1, callbacks=[growing, Look()], verbose=0)
    # Picked after a step, at 0.5: `a` ends at its first growth, `b` never.
    assert [a for a, _ in held] == [0.5, 1, 1, 1, 1, 1, 1, 1, 0, 0]
    assert [b for _, b in held] == [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 0, 0]
    assert growing.course.end == 9


@pytest.mark.parametrize(
    "options, words",
    [
        ({"end_ratio": 1}, "`end_ratio`. Expected a number > 1"),
        ({"end_ratio": 1000, "method": "dlth"}, "only 'greg1' and 'greg2'"),
        ({"end_ratio": 1000, "cycles": 2}, "in one cycle"),
    ],
)
def test_what_does_not_fit_is_refused(options, words):
    options = {"method": "greg1", "sparsity": 0.5, **FAST, **options}
    with pytest.raises(ValueError, match=words):
        GrowingRegularization(**options)
