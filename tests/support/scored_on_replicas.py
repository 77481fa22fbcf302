"""What is scored in the tests of several replicas and workers.

Run as a program it is one worker, which writes what it finds to a file:

    TF_CONFIG=... python tests/support/scored_on_replicas.py FILE [same|other]
"""

import sys

import keras
import numpy as np
import tensorflow as tf

import kprune

METHODS = ("snip", "grasp", "synflow", "force", "prospr")


def model(batch_norm):
    layers = keras.layers

    def kernel(seed):
        return {"kernel_initializer": keras.initializers.HeNormal(seed=seed)}

    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(4, 3, use_bias=False, name="conv1", **kernel(1)),
            *([layers.BatchNormalization()] if batch_norm else []),
            layers.ReLU(),
            layers.Conv2D(4, 3, use_bias=False, name="conv2", **kernel(2)),
            *([layers.BatchNormalization()] if batch_norm else []),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(3, name="fc", **kernel(3)),
        ]
    )


def halves(seed=0):
    """Two batches, the shares of two replicas in the one that both make."""
    rng = np.random.default_rng(seed)
    return [
        (
            rng.normal(size=(8, 6, 6, 2)).astype("float32"),
            rng.integers(0, 3, 8),
        )
        for _ in range(2)
    ]


def whole(seed=0):
    x, y = zip(*halves(seed), strict=True)
    return [(np.concatenate(x), np.concatenate(y))]


def loss():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def measure(network, data):
    """Returns scores and masks of all methods, by method and name."""
    found = {}
    for method in METHODS:
        options = {}
        if method == "prospr":
            # All batches in each step: those of one device are the halves.
            options = {
                "fresh_batches": False,
                "inner_momentum": 0.9,
                "inner_steps": 2,
            }
        common = {
            "data": data,
            "loss": loss(),
            **options,
        }
        scores = kprune.score(network, method, **common)
        if method == "force":
            common |= {"rounds": 5, "batches": len(data)}
        if method == "synflow":
            common |= {"rounds": 10}
        pruned = kprune.prune(network, method, 0.8, verbose=0, **common)
        for name, mask in kprune.get_masks(pruned).items():
            found[f"{method} scores {name}"] = np.asarray(scores[name])
            found[f"{method} masks {name}"] = mask
    return found


def work(path, seeds):
    """Measures as one of several workers."""
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    assert strategy.num_replicas_in_sync == 2
    own = strategy.cluster_resolver.task_id
    found = {}
    for batch_norm in (False, True):
        with strategy.scope():
            network = model(batch_norm)
        if seeds == "other":  # Each worker reads data of its own.
            try:
                data = whole(own)
                kprune.score(network, "snip", data=data, loss=loss())
            except RuntimeError as error:
                np.savez(path, error=str(error))
            return
        for name, array in measure(network, whole()).items():
            found[f"{batch_norm} {name}"] = array
    np.savez(path, **found)


if __name__ == "__main__":
    work(*sys.argv[1:])
