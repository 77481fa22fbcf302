"""The change of the weights of optimal brain surgeon."""

import itertools

import numpy as np
import pytest
from networks import examples
from test_criteria import quadratic

import kprune

A = [[2.0, 1.0], [1.0, 3.0]]


def pruned(objective, mask):
    model = kprune.wrap(objective.model)
    kprune.set_masks(model, {"w/kernel": np.array(mask, bool)[:, None]})
    return model


def weights(model):
    return np.ravel(model.get_layer("w").kernel.numpy())


def test_the_surgeon_by_hand():
    # Of L = w' A w / 2 and w = [1, -2] without its second: w_1 goes to
    # 1 + (1 / 2) * 1 * -2 = 0. By the mask alone dw = [0, 2], and dw' A dw / 2
    # is 6; with dw = [-1, 2] it is (2 - 4 + 12) / 2 = 5, OBS's own
    # w^2 / (2 [A^-1]_22) = 4 / (2 * 2 / 5).
    objective = quadratic([1.0, -2.0], A)
    model = pruned(objective, [1, 0])
    found = kprune.kept_weights.surgeon(
        model, objective=objective, damping=1e-12
    )
    np.testing.assert_allclose(weights(model), [0, 0], atol=1e-9)
    np.testing.assert_allclose(found, [6, 5])


def test_obs_with_its_change_raises_a_quadratic_least():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 4))
    matrix, start = x @ x.T + np.eye(4), rng.normal(size=4)
    objective = quadratic(start, matrix)
    rises = {}
    for mask in itertools.product([0, 1], repeat=4):
        if sum(mask) == 3:
            model = pruned(objective, mask)
            _, rises[mask] = kprune.kept_weights.surgeon(
                model, objective=objective, damping=1e-12
            )
            change = weights(model) - start
            # No step of the kept weights lowers it.
            slope = (matrix @ change)[np.array(mask, bool)]
            np.testing.assert_allclose(slope, 0, atol=1e-6)
    labels = np.zeros((4, 1))
    data = np.linalg.cholesky(4 * matrix / 2).T, labels
    best = kprune.prune(
        objective.model, "optimal_brain_surgeon", 0.25, data=data, loss="mse"
    )
    kept = np.ravel(kprune.get_masks(best)["w/kernel"])
    assert tuple(kept.astype(int)) == min(rises, key=rises.get)
    assert weights(best)[~kept] == 0


def test_the_surgeon_says_what_it_needs():
    model = kprune.wrap(quadratic([1.0, -2.0], A).model)
    with pytest.raises(ValueError, match="Received: None"):
        kprune.kept_weights.surgeon(model)
    large = kprune.models.lenet_300_100()
    x, y = examples(2, 28, 28, 1)
    objective = kprune.Objective(large, (x, y), "mse")
    with pytest.raises(ValueError, match="266200"):
        kprune.kept_weights.surgeon(kprune.wrap(large), objective=objective)
