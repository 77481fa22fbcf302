"""Calls that change the weights that stay."""

import numpy as np

import kprune
from faults.arguments.calls import Fresh, call, method
from kprune.callbacks import regularization


def calls(world):
    """Returns calls of `kprune.kept_weights`, and of slimming."""
    kept, wrapped = kprune.kept_weights, world.wrapped
    return [
        call(kept.rescale, changes=True, model=wrapped),
        call(kept.rescale_variance, changes=True, model=wrapped, seed=0),
        call(kept.reinitialize, changes=True, model=world.pruned_conv, seed=0),
        call(
            kept.isometry,
            changes=True,
            model=wrapped,
            seed=0,
            steps=2,
            learning_rate=0.1,
            patience=10,
            orthogonal_start=False,
        ),
        call(
            kept.coreset,
            heavy=True,
            model=world.model,
            sparsity=0.5,
            data=None,
            beta=1.0,
            seed=0,
        ),
        call(
            kept.reconstruct,
            changes=True,
            model=wrapped,
            seed=0,
            objective=kprune.Objective(world.model, world.data),
            damping=0.01,
            sequential=False,
        ),
        call(
            kept.surgeon,
            changes=True,
            heavy=True,
            model=wrapped,
            seed=0,
            objective=kprune.Objective(world.model, world.data),
            damping=0.01,
        ),
        call(
            kept.recalibrate,
            changes=True,
            model=world.pruned_conv,
            seed=0,
            data=(np.ones((4, 6, 6, 1), "float32"), np.zeros(4, "int32")),
            objective=None,
            sequential=False,
        ),
        call(
            kept.correct_biases,
            changes=True,
            model=wrapped,
            seed=0,
            objective=kprune.Objective(world.model, world.data),
        ),
        call(kept.cluster, changes=True, model=wrapped, clusters=4),
        call(kept.centroids, model=wrapped),
        method(
            lambda: kept.centroids(wrapped).apply,
            "Centroids.apply",
            changes=True,
            model=wrapped,
        ),
        method(
            lambda: kept.centroids(wrapped).save,
            "Centroids.save",
            path="centroids.npz",
        ),
        call(kept.Centroids.load, path=_saved(world)),
        call(
            regularization.slim,
            changes=True,
            model=world.conv,
            strength=0.0,
        ),
    ]


def _saved(world):
    def make():
        kprune.kept_weights.centroids(world.wrapped).save("good_centroids.npz")
        return "good_centroids.npz"

    return Fresh(make)
