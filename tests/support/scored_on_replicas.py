"""What is scored in the tests of several replicas and workers.

Run as a program it is one worker, which writes what it finds to a file:

    TF_CONFIG=... python tests/support/scored_on_replicas.py FILE [same|other]
"""

import sys

import keras
import numpy as np
import tensorflow as tf
from networks import CE, examples, sequential

import kprune

# All batches in each step: those of one device are the halves.
PROSPR = {"fresh_batches": False, "inner_momentum": 0.9, "inner_steps": 2}
SCORED, PRUNED = ("snip", "grasp", "synflow", "prospr"), ("synflow", "force")

# What has no sum over replicas that the others have not, takes too long.
ON_WORKERS = ("grasp", "prospr", "wanda"), ("force", "wanda")


def model(batch_norm):
    layers = keras.layers

    def kernel(seed):
        return {"kernel_initializer": keras.initializers.HeNormal(seed=seed)}

    return sequential(
        (6, 6, 2),
        layers.Conv2D(4, 3, use_bias=False, name="conv1", **kernel(1)),
        *([layers.BatchNormalization()] if batch_norm else []),
        layers.ReLU(),
        layers.Conv2D(4, 3, use_bias=False, name="conv2", **kernel(2)),
        *([layers.BatchNormalization()] if batch_norm else []),
        layers.ReLU(),
        layers.Flatten(),
        layers.Dense(3, name="fc", **kernel(3)),
    )


def halves(seed=0):
    """Two batches, the shares of two replicas in the one that both make."""
    x, y = examples(16, 6, 6, 2, seed=seed)
    return [(x[:8], y[:8]), (x[8:], y[8:])]


def whole(seed=0):
    return [examples(16, 6, 6, 2, seed=seed)]


def measure(network, data, scored=SCORED, pruned=PRUNED):
    """Returns scores of some methods and masks of others, by their names."""
    found = {}
    for method in scored:
        options = PROSPR if method == "prospr" else {}
        scores = kprune.score(network, method, data=data, loss=CE, **options)
        for name, array in scores.items():
            found[f"{method} scores {name}"] = np.asarray(array)
    for method in pruned:
        options = {"data": data, "loss": CE, "rounds": 5, "verbose": 0}
        if method == "force":
            options["scoring"] = {"batches": len(data)}
        masked = kprune.prune(network, method, 0.8, **options)
        for name, mask in kprune.get_masks(masked).items():
            found[f"{method} masks {name}"] = mask
    return found


def work(path, seeds):
    """Measures as one of several workers."""
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    assert strategy.num_replicas_in_sync == 2
    own = strategy.cluster_resolver.task_id
    with strategy.scope():
        network = model(batch_norm=True)
    if seeds == "other":  # Each worker reads data of its own.
        try:
            kprune.score(network, "snip", data=whole(own), loss=CE)
        except RuntimeError as error:
            np.savez(path, error=str(error))
        return
    np.savez(path, **measure(network, whole(), *ON_WORKERS))


if __name__ == "__main__":
    work(*sys.argv[1:])
