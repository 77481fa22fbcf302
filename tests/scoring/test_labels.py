"""Labels and losses: what Keras takes is scored."""

import inspect

import keras
import numpy as np
import pytest
from keras import layers
from lifecycle import assert_same, normal
from networks import CE, sequential

import kprune

LOSSES = [
    name
    for name, cls in sorted(vars(keras.losses).items())
    if inspect.isclass(cls)
    and issubclass(cls, keras.losses.Loss)
    and name == cls.__name__
    and cls is not keras.losses.Loss
]


def vectors():
    return sequential((6,), layers.Dense(4, "softmax"), seed=0), normal(8, 6)


def sequences():
    layer = layers.Dense(4, "softmax")
    return sequential((5, 6), layer, seed=0), normal(8, 5, 6)


def forms(y):
    """Labels of all the forms that a loss may want for outputs `y`."""
    rng = np.random.default_rng(0)
    numbers = rng.integers(1, 4, y.shape[:-1])
    yield numbers
    yield np.eye(4, dtype="float32")[numbers]
    yield rng.uniform(0.1, 1, y.shape).astype("float32")
    yield numbers[..., None]
    yield rng.integers(1, 4, (len(y), 2))


@pytest.mark.parametrize("name", LOSSES)
def test_what_keras_takes_is_scored(name):
    taken = 0
    for build in (vectors, sequences):
        model, x = build()
        model.compile(loss=getattr(keras.losses, name)(), run_eagerly=True)
        for y in forms(np.asarray(model(x))):
            try:
                loss = model.test_on_batch(x, y)
            except Exception:
                continue
            if np.isfinite(loss):
                taken += 1
                scores = kprune.score(model, "snip", data=(x, y))
                assert all(np.isfinite(s).all() for s in scores.values())
    assert taken, "Which labels does it take? Tell `forms`."


def test_columns_of_rank_one():
    inputs = {name: keras.Input((1,), name=name) for name in "ab"}
    h = layers.Concatenate()([inputs["a"], inputs["b"]])
    model = keras.Model(inputs, layers.Dense(1)(h))
    x, y = {"a": normal(8), "b": normal(8)}, normal(8)
    columns = {name: v[:, None] for name, v in x.items()}
    found, expected = (
        kprune.score(model, "snip", data=data, loss="mse")
        for data in ((x, y), (columns, y[:, None]))
    )
    assert_same(found, expected, 1e-6)


def test_labels_that_the_loss_ignores_need_not_be_classes():
    model = sequential((3, 2), layers.Dense(4), seed=0)
    x, y = normal(4, 3, 2), np.arange(12).reshape(4, 3) % 4
    for void in (255, -1):
        y[:, 0] = void
        loss = keras.losses.SparseCategoricalCrossentropy(True, void)
        found = kprune.score(model, "snip", data=(x, y), loss=loss)
        expected = kprune.score(
            model,
            "snip",
            data=(x, np.where(y == void, 0, y), y != void),
            loss=CE,
        )
        assert_same(
            *(
                {k: v / v.sum() for k, v in s.items()}
                for s in (found, expected)
            ),
            1e-5,
        )
    with pytest.raises(ValueError, match="from 0 to 3"):
        kprune.score(model, "snip", data=(x, y), loss=CE)


def test_losses_by_name_come_in_any_order():
    x = keras.Input((6,))
    h = layers.Dense(8, "relu", name="h")(x)
    kinds, size = layers.Dense(3, name="kinds"), layers.Dense(1, name="size")
    by_list = keras.Model(x, [kinds(h), size(h)])
    by_name = keras.Model(x, {"kinds": kinds(h), "size": size(h)})
    data = normal(9, 6), {"kinds": np.arange(9) % 3, "size": normal(9, 1)}
    found = [
        kprune.score(model, "grasp", data=data, loss=loss)
        for model in (by_list, by_name)
        for loss in ({"kinds": CE, "size": "mse"}, {"size": "mse", "kinds": CE})
    ]
    for scores in found[1:]:
        assert_same(scores, found[0], 1e-6)
    one = {"kinds": CE, "size": None}
    kprune.score(by_list, "grasp", data=data, loss=one)
    for model in (by_list, by_name):
        for loss in ({"size": "mse", "kinds": CE}, one):
            with pytest.warns(UserWarning, match="synthetic batch"):
                kprune.score(model, "snip", loss=loss)
    for loss in ([CE], {"kinds": CE, "size": "mse", "other": "mse"}):
        with pytest.raises(ValueError, match="loss"):
            kprune.score(by_list, "grasp", data=data, loss=loss)
