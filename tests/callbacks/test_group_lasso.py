"""The group lasso: groups and lambda by hand, and what it leaves out."""

import keras
import numpy as np
import pytest
from keras import layers
from networks import CE, examples, sequential

import kprune
from kprune.callbacks.regularization import GroupLasso

EPS = 1e-8
X, Y = examples(16, 3, classes=2)


def net():
    return sequential(
        (3,),
        layers.Dense(4, activation="relu", name="a"),
        layers.Dense(5, activation="relu", name="b"),
        layers.Dense(2, name="c"),
        optimizer=keras.optimizers.SGD(0.1),
        loss=CE,
    )


def attached(model, **options):
    """Returns a group lasso of strength 1 as it is while `model` trains."""
    lasso = GroupLasso(1.0, **options)
    lasso.set_model(model)
    lasso.on_train_begin()
    return lasso


def kernels(model):
    return {x.name: x.kernel.numpy() for x in model.layers if x.weights}


def norms(array, axis):
    """The sum of the norms of the slices along an axis."""
    rows = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
    return sum(np.sqrt((row**2).sum() + EPS) for row in rows)


def norm_of(w):
    """R: the inputs of `a` and the outputs of `c` are left out."""
    inner = norms(w["a"], 1) + norms(w["b"], 0) + norms(w["b"], 1)
    return inner + norms(w["c"], 0)


def test_the_penalty_by_hand():
    model = net()
    w = kernels(model)
    history = model.fit(
        X, Y, 16, callbacks=[GroupLasso(0.25)], shuffle=False, verbose=0
    ).history
    plain = net()
    plain.set_weights([x for n in "abc" for x in (w[n], np.zeros(len(w[n].T)))])
    loss = plain.evaluate(X, Y, verbose=0)
    expected = loss + 0.25 * norm_of(w)
    assert history["loss"][0] == pytest.approx(expected, rel=1e-5)
    after = 0.25 * norm_of(kernels(model))
    assert history["group_lasso"][0] == pytest.approx(after, rel=1e-5)
    assert after < 0.25 * norm_of(w)


def test_lambda_is_set_by_the_ratio_at_the_start():
    model = net()
    w = kernels(model)
    first = CE(Y[:8], model(X[:8])).numpy()
    lasso = GroupLasso(ratio=0.3, data=(X[:8], Y[:8]))
    model.fit(X, Y, 8, 2, callbacks=[lasso], shuffle=False, verbose=0)
    # lambda R = 0.3 of the loss and lambda R together.
    penalty = lasso.strength * norm_of(w)
    assert penalty / (penalty + first) == pytest.approx(0.3, rel=1e-4)


def test_lambda_stays_in_later_trainings():
    model = net()
    lasso = GroupLasso(data=(X, Y))
    found = []
    for _ in range(2):
        model.fit(X, Y, 8, callbacks=[lasso], verbose=0)
        found.append(lasso.strength)
    assert found[0] == found[1] > 0
    assert all(v.regularizer is None for v in model.variables)


def test_groups_may_weigh_by_their_size():
    model = net()
    w = kernels(model)
    lasso = attached(model, weighted=True)
    # The groups of `a` have 3 entries, those of `b` 5 and 4, of `c` 2.
    expected = 3**0.5 * norms(w["a"], 1) + 2**0.5 * norms(w["c"], 0)
    expected += 5**0.5 * norms(w["b"], 0) + 4**0.5 * norms(w["b"], 1)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)
    lasso.on_train_end()
    assert model.losses == []


def test_a_channel_behind_a_flattening_is_one_group():
    model = sequential(
        (4, 4, 1),
        layers.Conv2D(3, 3, name="conv"),
        layers.Flatten(name="flat"),
        layers.Dense(2, name="fc"),
    )
    attached(model)
    conv = model.get_layer("conv").kernel.numpy()
    fc = model.get_layer("fc").kernel.numpy().reshape(4, 3, 2)
    expected = norms(conv, 3) + norms(fc, 1)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)


def test_a_step_follows_the_gradient():
    # w <- w - 0.1 lambda (w / |group| + w / |other group|), for `b`.
    model = net()
    x, y = np.zeros((4, 3)), np.array([0, 1, 0, 1])  # No gradient of the task.
    before = kernels(model)["b"]
    model.fit(x, y, 4, callbacks=[GroupLasso(0.5)], verbose=0)
    rows = np.sqrt((before**2).sum(0) + EPS)
    columns = np.sqrt((before**2).sum(1, keepdims=True) + EPS)
    expected = before - 0.05 * (before / rows + before / columns)
    np.testing.assert_allclose(kernels(model)["b"], expected, atol=1e-6)


@pytest.mark.parametrize("order", [1, -1])
def test_two_penalties_are_both_taken_off(order):
    model = kprune.wrap(net())
    model.compile(keras.optimizers.SGD(0.1), CE)
    growing = kprune.callbacks.GrowingRegularization(
        "greg1", 0.5, every=1, increment=0.5, stabilize=1
    )
    callbacks = [GroupLasso(0.5), growing][::order]
    model.fit(X, Y, 4, epochs=2, callbacks=callbacks, verbose=0)
    assert model.losses == []


@pytest.mark.parametrize(
    "options, words",
    [
        ({}, "either `strength`, or `data`"),
        ({"strength": 1.0, "data": (X, Y)}, "either `strength`, or `data`"),
        ({"strength": 1.0, "ratio": 0.1}, "`strength` is given"),
        ({"strength": 0}, "`strength`"),
        ({"data": (X, Y), "ratio": 1}, "`ratio`"),
    ],
)
def test_what_does_not_fit_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        GroupLasso(**options)


def test_models_without_channels_are_refused():
    with pytest.raises(ValueError, match="no channel that may go"):
        attached(sequential((3,), layers.Dense(2)))
