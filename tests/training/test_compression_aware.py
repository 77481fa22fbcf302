"""CrAM's step, by hand, and what else a training does."""

import keras
import numpy as np
import pytest
from networks import CE, dense_net, examples, sequential

import kprune
from kprune.training import compression_aware

X = np.array([[1.0, 2.0], [0.5, -1.0], [2.0, 0.0]], "float32")
Y = np.array([[1.0], [2.0], [-1.0]], "float32")
RATE, RHO = 0.1, 0.5


def linear():
    model = sequential(
        (2,),
        keras.layers.Dense(1, name="a"),
        values=[[[0.6], [-0.5]], [0.0]],
    )
    model.compile(keras.optimizers.SGD(RATE), "mse")
    return model


def gradient(w, b):
    """The gradient of the mean squared error of x w + b."""
    error = 2 * (X @ w + b - Y) / len(X)
    return X.T @ error, error.sum(0)


@pytest.mark.parametrize("plus", [True, False])
@pytest.mark.parametrize("sparse", [True, False])
def test_a_step_by_hand(plus, sparse):
    model, w, b = linear(), np.array([[0.6], [-0.5]]), np.zeros(1)
    g, g_b = gradient(w, b)
    # Errors of -1.4, -1.2 and 2.2 give g = (1.6, -3.2 / 3): of w + 0.5 g =
    # (1.4, -1.03) the first stays.
    np.testing.assert_allclose(g[:, 0], [1.6, -3.2 / 3])
    moved = (w + RHO * g) * [[1], [0]]
    again, again_b = gradient(moved, b + RHO * g_b)
    if sparse:
        again = again * [[1], [0]]
    if plus:
        again, again_b = again + g, again_b + g_b
    with compression_aware(
        model, [0.5], rho=RHO, plus=plus, sparse_gradients=sparse
    ) as same:
        assert same is model
        model.fit(X, Y, batch_size=3, verbose=0)
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(kernel, w - RATE * again, rtol=1e-5)
    np.testing.assert_allclose(bias, b - RATE * again_b, rtol=1e-5)


def test_the_rest_is_that_of_a_plain_step():
    x, y = examples(8, 8)
    ends = []
    for aware in (True, False):
        model = dense_net(dropout=0)
        model.compile(keras.optimizers.SGD(RATE), CE, metrics=["accuracy"])
        kept = model.get_weights()
        if aware:
            with compression_aware(model, [0.5, 0.9], plus=False):
                logs = model.fit(x, y, batch_size=8, verbose=0).history
        else:
            logs = model.fit(x, y, batch_size=8, verbose=0).history
        norm = model.get_layer("norm")
        ends.append((logs, np.array(norm.moving_mean), model, kept))
    (logs, mean, model, _), (plain_logs, plain_mean, plain, _) = ends
    for name, values in plain_logs.items():
        np.testing.assert_allclose(logs[name], values, rtol=1e-5)
    np.testing.assert_allclose(mean, plain_mean, rtol=1e-5)
    assert np.abs(mean).max() > 0
    kernels = [np.array(m.get_layer("a").kernel) for m in (model, plain)]
    assert np.abs(kernels[0] - kernels[1]).max() > 1e-4
    # Outside of the context both take the same steps.
    model.set_weights(plain.get_weights())
    for one in (model, plain):
        one.fit(x, y, batch_size=8, verbose=0)
    for a, b in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_masks_hold():
    x, y = examples(16, 8)
    model = kprune.prune(dense_net(), "magnitude", 0.5)
    model.compile(keras.optimizers.SGD(RATE, momentum=0.9), CE)
    masks = kprune.get_masks(model)
    with compression_aware(model):
        model.fit(x, y, batch_size=8, verbose=0)
    kernel = np.array(model.get_layer("a").kernel)
    assert not kernel[~masks["a/kernel"]].any()


def test_what_cannot_train_so_is_refused():
    model = linear()
    with pytest.raises(ValueError, match="one sparsity"):
        compression_aware(model, []).__enter__()
    with pytest.raises(ValueError, match="not compiled"):
        compression_aware(sequential((2,), keras.layers.Dense(1))).__enter__()
    with (
        compression_aware(model),
        pytest.raises(ValueError, match="one `compression_aware`"),
        compression_aware(model),
    ):
        pass
    with (
        pytest.raises(ValueError, match="was compiled within"),
        compression_aware(model),
    ):
        model.compile("sgd", "mse")
    sgd = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
    model.compile(sgd, "mse")
    with pytest.raises(ValueError, match="scale the loss"):
        compression_aware(model).__enter__()
