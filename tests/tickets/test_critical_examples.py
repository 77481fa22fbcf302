"""Which examples are critical, and when masks have settled: by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import CE, sequential

from kprune.tickets.classifier import Classifier, class_numbers
from kprune.tickets.examples import Examples
from kprune.tickets.forgetting import Forgetting, critical
from kprune.tickets.mask_convergence import Settling, mask_convergence


def matrix(*rows):
    return [np.array(row, bool) for row in rows]


# Five examples after four epochs, and how often each was right before and
# wrong after.
EPOCHS = matrix(
    [1, 0, 0, 1, 1],
    [0, 0, 1, 1, 0],
    [1, 0, 1, 1, 1],
    [0, 0, 1, 1, 1],
)
EVENTS = [2, np.inf, 0, 0, 1]


def test_forgetting_is_to_be_wrong_after_being_right():
    counts, resumed = (Forgetting(None, np.arange(5)) for _ in range(2))
    for right in EPOCHS[:2]:
        counts.note(right)
    resumed.set_state(counts.get_state())
    for forgetting in (counts, resumed):
        for right in EPOCHS[2:]:
            forgetting.note(right)
        np.testing.assert_array_equal(forgetting.events, EVENTS)


def test_what_is_forgotten_and_what_pruning_changes():
    places = np.array([2, 3, 5, 7, 8])
    events = np.array([0, 1, np.inf, 0, 2])
    dense = np.zeros(10, int)
    pruned = np.array([1, 0, 0, 2, 0, 0, 0, 0, 0, 1])
    # Of the five 3, 5 and 8; of all 0, 3 and 9.
    found = critical(places, events, dense, pruned)
    np.testing.assert_array_equal(found, [0, 3, 5, 8, 9])
    found = critical(places, events, dense, dense)
    np.testing.assert_array_equal(found, [3, 5, 8])


@pytest.mark.parametrize(
    ("distances", "expected"),
    [
        ([0.0, 0.0, 0.0], False),  # They never changed.
        ([0.1, 0.05, 0.05], False),  # Nor by more than the tolerance.
        ([0.2, 0.05, 0.05], True),
        ([0.05, 0.2, 0.05, 0.0], True),
        ([0.2, 0.05], False),
        ([0.2, 0.05, 0.1], False),
        ([0.2, 0.05, 0.3, 0.05], False),
        ([0.05, 0.05, 0.2], False),
        ([], False),
    ],
)
def test_masks_settle_after_they_have_changed(distances, expected):
    assert mask_convergence(distances, tolerance=0.1, window=2) == expected
    assert mask_convergence([0.2, 0.05], tolerance=0.1, window=1)


def one_layer(units=1, loss="mse"):
    return sequential(
        (4,),
        keras.layers.Dense(units, use_bias=False, name="linear"),
        optimizer=keras.optimizers.SGD(0.0),
        loss=loss,
    )


# Eight weights are left, two of which differ where the mask changes: 0.25.
A, B = {"w": matrix([1, 1, 0, 0])[0]}, {"w": matrix([1, 0, 1, 0])[0]}


@pytest.mark.parametrize(
    ("drawn", "least", "epochs"),
    [
        ([A, B, B, B, B, B, B], 0, 4),  # 0.25, 0, 0.
        ([A, A, B, B, B, B, B], 0, 5),
        ([A, B, B, A, A, A, A], 0, 6),
        ([A, A, A, A, A, A, A], 0, 7),
        ([A, B, B, B, B, B, B], 6, 6),
    ],
)
def test_a_training_ends_when_masks_have_settled(drawn, least, epochs):
    masks = iter(drawn)
    settling = Settling(lambda model: next(masks), 8, 0.2, 2, least)
    history = one_layer().fit(
        np.ones((4, 4)),
        np.ones((4, 1)),
        epochs=7,
        callbacks=[settling],
        verbose=0,
    )
    assert len(history.epoch) == epochs
    pairs = zip(drawn[1:epochs], drawn, strict=False)
    expected = [0.25 if new is not old else 0.0 for new, old in pairs]
    assert history.history["mask_distance"] == expected


def test_a_resumed_training_knows_the_distances_before():
    masks = iter([A, B, B, B])
    before, after = (
        Settling(lambda model: next(masks), 8, 0.2, 2) for _ in range(2)
    )
    for epoch in range(3):
        before.on_epoch_end(epoch)
    after.set_state(before.get_state())
    after.set_model(one_layer())
    after.on_epoch_end(3)
    assert after.model.stop_training


def labelled(count=10):
    """Examples whose inputs and labels are their places."""
    x = np.arange(count, dtype="float32")[:, np.newaxis]
    return x, np.arange(count)


def read(dataset, batches):
    """Returns the places in some batches, and checks that labels fit."""
    found = []
    for x, y in dataset.take(batches).as_numpy_iterator():
        np.testing.assert_array_equal(x[:, 0], y)
        found.append(y.tolist())
    return found


def test_an_epoch_is_a_pass_in_an_order_of_its_own():
    examples = Examples(labelled(), batch_size=3)
    places = np.array([1, 2, 4, 5, 7, 8, 9])
    assert examples.steps(places) == 3
    train = examples.training(places, level=1)
    found = read(train(0), 6)
    assert [len(batch) for batch in found] == [3, 3, 1, 3, 3, 1]
    first, second = np.hstack(found[:3]), np.hstack(found[3:])
    np.testing.assert_array_equal(np.sort(first), places)
    np.testing.assert_array_equal(np.sort(second), places)
    assert not np.array_equal(first, second)
    for step in range(6):  # Any step can be taken up again.
        assert read(train(step), 6 - step) == found[step:]
    assert read(examples.training(places, level=2)(0), 6) != found
    other = Examples(labelled(), batch_size=3, seed=1)
    assert read(other.training(places, level=1)(0), 6) != found


def test_augmentation_follows_from_the_step():
    def noise(x, seed):
        return x + tf.random.stateless_uniform(tf.shape(x), seed)

    examples = Examples(labelled(4), batch_size=4, augment=noise)
    train = examples.training(np.arange(4), level=0)

    def drawn(step):
        x, y = next(train(step).as_numpy_iterator())
        return x[:, 0] - y

    assert np.all((drawn(0) >= 0) & (drawn(0) < 1)) and drawn(0).any()
    np.testing.assert_array_equal(drawn(1), drawn(1))
    (_, _), (x, y) = train(0).take(2).as_numpy_iterator()
    np.testing.assert_array_equal(x[:, 0] - y, drawn(1))
    assert not np.array_equal(drawn(0), drawn(1))
    # What is judged is not augmented.
    ((x,),) = examples.inputs(np.array([3, 1])).as_numpy_iterator()
    np.testing.assert_array_equal(x, [[3], [1]])


def test_inputs_may_be_several():
    x, y = labelled()
    for several in ([x, 2 * x], {"a": x, "b": 2 * x}):
        examples = Examples((several, y), batch_size=4)
        train = examples.training(np.arange(10), level=0)
        inputs, labels = next(train(0).as_numpy_iterator())
        one, other = keras.tree.flatten(inputs)
        np.testing.assert_array_equal(one[:, 0], labels)
        np.testing.assert_array_equal(other, 2 * one)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ((np.ones((4, 2)), np.ones(3)), r"lengths: \[4, 3\]"),
        ((np.ones((0, 2)), np.ones(0)), r"lengths: \[0, 0\]"),
        (({}, {}), r"lengths: \[\]"),
        ((np.ones(4),), r"arrays \(x, y\)"),
        (tf.data.Dataset.range(4), r"arrays \(x, y\)"),
    ],
)
def test_what_are_no_examples(data, expected):
    with pytest.raises(ValueError, match=expected):
        Examples(data, batch_size=2)


@pytest.mark.parametrize(
    "y",
    [
        [2, 0, 1],
        [[2.0], [0.0], [1.0]],
        [[0, 0, 1], [1, 0, 0], [0, 1, 0]],
        [[0.1, 0.1, 0.8], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]],
    ],
)
def test_class_numbers(y):
    found = class_numbers(np.array(y), 3)
    np.testing.assert_array_equal(found, [2, 0, 1])
    assert found.dtype.kind == "i"


@pytest.mark.parametrize(
    ("y", "columns", "expected"),
    [
        ([[1, 1, 0]], 3, "several largest entries, as of example 0"),
        ([[0, 1]], 3, r"shape=\(1, 2\)"),
        ([0, 3], 3, "from 0 to 2"),
        ([0, -1], 3, "from 0 to 2"),
        ([0.5, 1], 3, "from 0 to 2"),
        ([0, 2], 1, "from 0 to 1"),
    ],
)
def test_labels_that_name_no_class(y, columns, expected):
    with pytest.raises(ValueError, match=expected):
        class_numbers(np.array(y), columns)


# The outputs are the inputs.
X = np.array([[1, 2, 3, 0], [4, 3, 2, 1], [0, 0, 1, 0]], "float32")


def test_the_largest_output_is_the_class():
    model = one_layer(4, keras.losses.CategoricalCrossentropy(from_logits=True))
    model.set_weights([np.eye(4)])
    judge = Classifier(model, Examples((X, np.eye(4)[[2, 3, 2]]), 2))
    np.testing.assert_array_equal(judge.predictions(model), [2, 0, 2])
    right = judge.right(model, np.array([2, 1]))
    np.testing.assert_array_equal(right, [True, False])


@pytest.mark.parametrize(
    ("logits", "expected"), [(True, [1, 1, 0]), (False, [1, 0, 0])]
)
def test_a_single_output_is_above_the_border_or_not(logits, expected):
    loss = keras.losses.BinaryCrossentropy(from_logits=logits)
    model = one_layer(1, loss)
    model.set_weights([np.ones((4, 1))])
    x = np.diag([0.6, 0.3, -0.1, 0.0])[:3]  # Sums of 0.6, 0.3 and -0.1.
    judge = Classifier(model, Examples((x, np.array([1, 0, 1])), 2))
    np.testing.assert_array_equal(judge.predictions(model), expected)
    right = judge.right(model, np.arange(3))
    np.testing.assert_array_equal(right, np.equal(expected, [1, 0, 1]))


def test_models_that_are_no_classifiers():
    numbers = np.array([0, 1, 1])
    with pytest.raises(ValueError, match="binary cross-entropy"):
        Classifier(one_layer(1, "hinge"), Examples((X, numbers), 2))
    with pytest.raises(ValueError, match="inputs of shape"):
        Classifier(one_layer(4, CE), Examples((X[:, :3], numbers), 2))
    with pytest.raises(ValueError, match="labels do not fit the loss"):
        Classifier(one_layer(4, CE), Examples((X, np.eye(4)[:3]), 2))
    x = keras.Input((4,), name="x")
    two = keras.Model(x, [keras.layers.Dense(2, name=n)(x) for n in "ab"])
    two.compile("sgd", [CE, CE])
    with pytest.raises(ValueError, match="one output of shape"):
        Classifier(two, Examples((X, numbers), 2))


def test_inputs_of_several_lengths_are_refused():
    x = tf.ragged.constant([[1, 2], [3]], dtype="int32")
    with pytest.raises(ValueError, match="one shape, padded if need be"):
        Examples((x, np.zeros(2)), 2)
