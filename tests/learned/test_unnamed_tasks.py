"""SupSup without task names: when a mask is new, and whose it is."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from lifecycle import assert_same, normal
from networks import sequential

import kprune
from kprune.learned import SupermaskStack, train_unnamed, unnamed_tasks
from kprune.learned.task_inference import Superposition


def test_the_decision_by_hand():
    # -g = [ln 3, 0], of which softmax makes [3/4, 1/4]: twice 3/4 is 1.5.
    gradient = np.array([-np.log(3), 0])
    assert unnamed_tasks.decide(gradient, 0.49) == 0
    assert unnamed_tasks.decide(gradient, 0.51) is None
    assert unnamed_tasks.decide(gradient[::-1], 0.49) == 1
    # [0, ln 2, 0] makes [1/4, 1/2, 1/4]: thrice 1/2 is 1.5 too.
    gradient = np.array([0, -np.log(2), 0])
    assert unnamed_tasks.decide(gradient, 0.49) == 1
    assert unnamed_tasks.decide(gradient, 0.51) is None
    assert unnamed_tasks.decide(1e4 * gradient, 1.9) == 1


def small_stack():
    return SupermaskStack(sequential((4,), layers.Dense(3, name="fc")))


def stream(count):
    """Batches of which the first input is the number of the batch."""
    x = np.repeat(np.arange(count, dtype="f4"), 2)[:, None] + np.zeros((1, 4))
    y = np.arange(2 * count) % 3
    return tf.data.Dataset.from_tensor_slices((x.astype("f4"), y)).batch(2)


def test_masks_are_allocated_kept_and_trained_on(monkeypatch):
    asked, answers = [], iter(
        [[0, 0, 0], [-9, 0, 0], [0, 0, -9], [0, -9, 0]]
    )  # fmt: skip

    def gradient(self, x, objective, alpha):
        found = np.array(next(answers), float)
        assert len(found) == len(alpha)
        np.testing.assert_allclose(alpha, 1 / len(alpha))
        asked.append(float(x[0, 0]))
        return found

    monkeypatch.setattr(Superposition, "gradient", gradient)
    keras.utils.set_random_seed(0)
    stack = small_stack()
    stack.train("task2", stream(1))
    fresh = {k: v.copy() for k, v in stack._draw("task1").items()}
    kept = {}
    original = unnamed_tasks._keep

    def keep(stack, names):
        original(stack, names)
        kept[len(names)] = dict(stack._states)

    monkeypatch.setattr(unnamed_tasks, "_keep", keep)
    named = train_unnamed(
        stack, stream(8), every=2, candidates=3, optimizer="sgd"
    )
    # Uniform: a new task, by the first name that is free; then the known one;
    # then an untrained mask, which is new as well; then the second known.
    assert named == ["task1", "task2", "task3", "task1"]
    assert asked == [0, 2, 4, 6]
    assert stack.tasks == ["task2", "task1", "task3"]
    key = "scores/fc/kernel"
    assert (kept[1]["task1"][key] != fresh[key]).any()
    assert_same(kept[2]["task1"], kept[1]["task1"])
    assert (kept[2]["task2"][key] != kept[1]["task2"][key]).any()
    assert (kept[4]["task1"][key] != kept[3]["task1"][key]).any()
    assert_same(kept[4]["task2"], kept[2]["task2"])


def test_the_first_task_needs_no_gradient(monkeypatch):
    monkeypatch.setattr(Superposition, "gradient", None)
    stack = small_stack()
    assert train_unnamed(stack, stream(3)) == ["task1"]
    assert stack.tasks == ["task1"]


def test_a_training_that_fails_leaves_the_stack_as_it_was():
    stack = small_stack()
    stack.train("one", stream(1))
    before = {k: v.copy() for k, v in stack._get().items()}

    def batches():
        yield np.ones((2, 4), "f4"), np.zeros(2, int)
        yield np.ones((2, 4), "f4"), np.zeros(2, int)
        raise RuntimeError("no more")

    spec = (
        tf.TensorSpec((None, 4), tf.float32),
        tf.TensorSpec((None,), tf.int64),
    )
    data = tf.data.Dataset.from_generator(batches, output_signature=spec)
    with pytest.raises(Exception, match="no more"):
        train_unnamed(stack, data, every=1, optimizer="sgd")
    assert stack.tasks == ["one"]
    assert_same(stack._get(), before)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"stack": 3}, "`stack`"),
        ({"data": normal(4, 4)}, r"tf\.data\.Dataset"),
        ({"every": 0}, "`every`"),
        ({"tolerance": 0}, "`tolerance`"),
        ({"candidates": 1}, "`candidates`"),
    ],
)
def test_what_does_not_fit_is_refused(options, words):
    options = {"stack": small_stack(), "data": stream(1), **options}
    with pytest.raises(ValueError, match=words):
        train_unnamed(**options)


@pytest.mark.slow
def test_permuted_digits_are_told_apart_without_names():
    keras.utils.set_random_seed(0)
    model = kprune.models.fc(
        (300,),
        100,
        input_shape=(8, 8, 1),
        activation="relu",
        initializer="kaiming_normal",
        seed=0,
    )
    (x, y), (x_test, y_test) = kprune.datasets.load_arrays("digits")

    def seen(task, x):
        flat = x.reshape(len(x), -1)
        order = np.random.default_rng(task).permutation(flat.shape[1])
        return flat[:, order].reshape(x.shape)

    def batches(task, count):
        pairs = tf.data.Dataset.from_tensor_slices((seen(task, x), y))
        return pairs.shuffle(2000, seed=task).repeat().batch(32).take(count)

    data = batches(0, 160).concatenate(batches(1, 160))
    stack = SupermaskStack(model, 0.5)
    named = train_unnamed(
        stack,
        data.concatenate(batches(0, 80)),
        every=40,
        optimizer=keras.optimizers.RMSprop(1e-3),
    )
    assert named == ["task1"] * 4 + ["task2"] * 4 + ["task1"] * 2
    for task, name in enumerate(stack.tasks):
        inputs = seen(task, x_test)
        assert stack.infer(inputs[:64]) == name
        assert np.mean(stack.predict(inputs, name).argmax(1) == y_test) > 0.9
        other = stack.predict(inputs, stack.tasks[1 - task]).argmax(1)
        assert np.mean(other == y_test) < 0.5
