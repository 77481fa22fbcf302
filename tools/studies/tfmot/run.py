"""Writes what TFMOT itself computes, for kprune's shim to be held against.

TFMOT runs on Keras 2 alone, so this needs an environment of its own, without
kprune:

    python -m venv tfmot-env
    tfmot-env/bin/pip install tensorflow==2.20.0 tf_keras==2.20.1 \
        tensorflow-model-optimization==0.8.1
    TF_USE_LEGACY_KERAS=1 tfmot-env/bin/python tools/studies/tfmot/run.py \
        tests/fixtures/tfmot.npz

Each array of the file is named by what it is of.
"""

import json
import sys

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras
from settings import (
    BLOCKS,
    CLUSTERS,
    INITS,
    M_BY_N,
    SCHEDULES,
    SHAPES,
    STEPS,
    inputs,
    training_data,
    weights,
)
from tensorflow_model_optimization.python.core.clustering.keras.experimental import (  # noqa: E501
    cluster,
)


def layer(kind):
    if kind == "dense":
        return tf_keras.layers.Dense(37, name="one")
    return tf_keras.layers.Conv2D(7, 3, name="one")


def masks_of(kind, steps=STEPS, **options):
    """Returns the mask after each step of a wrapped layer whose weights are
    set anew before each."""
    wrapped = tfmot.sparsity.keras.prune_low_magnitude(layer(kind), **options)
    wrapped.build(inputs(kind).shape)
    wrapped.pruning_step.assign(0)
    found = []
    for step in range(1, steps + 1):
        variable, mask, _ = wrapped.pruning_vars[0]
        variable.assign(weights(kind, step))
        wrapped(inputs(kind), training=True)
        found.append(mask.numpy() != 0)
    return np.stack(found)


def pruned():
    """Yields (name, masks) for each schedule, pattern and kind of layer."""
    for kind in SHAPES:
        for name, (cls, args, more) in SCHEDULES.items():
            schedule = getattr(tfmot.sparsity.keras, cls)(*args, **more)
            found = masks_of(kind, pruning_schedule=schedule)
            yield f"mask/{kind}/{name}", found
        for m, n in M_BY_N:
            found = masks_of(kind, 2, sparsity_m_by_n=(m, n))
            yield f"m_by_n/{kind}/{m}/{n}", found
    schedule = tfmot.sparsity.keras.ConstantSparsity(0.5, 1, frequency=1)
    for height, width in BLOCKS:
        for pooling in ("AVG", "MAX"):
            found = masks_of(
                "dense",
                3,
                pruning_schedule=schedule,
                block_size=(height, width),
                block_pooling_type=pooling,
            )
            yield f"block/{pooling}/{height}/{width}", found


def clustered():
    """Yields (name, centroids or the weights they lead to) for each setting,
    of weights of which a third is zero."""
    for kind in SHAPES:
        values = np.where(np.abs(weights(kind)) < 0.4, 0, weights(kind))
        for count in CLUSTERS:
            for init in INITS:
                for preserve in (False, True):
                    for channel in (False, True)[: 1 + (kind == "conv")]:
                        one = layer(kind)
                        one.build(inputs(kind).shape)
                        one.kernel.assign(values)
                        tf.random.set_seed(7)
                        wrapped = cluster.cluster_weights(
                            one,
                            count,
                            tfmot.clustering.keras.CentroidInitialization[init],
                            preserve_sparsity=preserve,
                            cluster_per_channel=channel,
                        )
                        wrapped.build(inputs(kind).shape)
                        wrapped.update_clustered_weights_associations()
                        key = f"{kind}/{count}/{init}/{preserve:d}/{channel:d}"
                        found = wrapped.cluster_centroids["kernel"].numpy()
                        yield f"centroids/{key}", found
                        yield f"clustered/{key}", np.array(one.kernel)


def network(kernels):
    model = tf_keras.Sequential(
        [
            tf_keras.Input((6,)),
            tf_keras.layers.Dense(8, "relu", name="first"),
            tf_keras.layers.Dense(3, name="second"),
        ]
    )
    for one, kernel in zip(model.layers, kernels, strict=True):
        one.kernel.assign(kernel)
    return model


def trained():
    """Yields masks and weights after trainings by plain gradient descent."""
    x, y, kernels = training_data()
    schedule = tfmot.sparsity.keras.PolynomialDecay(0.3, 0.8, 0, 20, 3, 2)
    model = tfmot.sparsity.keras.prune_low_magnitude(network(kernels), schedule)
    model.compile(tf_keras.optimizers.SGD(0.05, momentum=0.9), "mse")
    step = tfmot.sparsity.keras.UpdatePruningStep()
    fit = {"batch_size": 5, "epochs": 2, "shuffle": False, "verbose": 0}
    model.fit(x, y, callbacks=[step], **fit)
    for place, one in enumerate(model.layers):
        variable, mask, _ = one.pruning_vars[0]
        yield f"fit/mask/{place}", mask.numpy() != 0
        yield f"fit/kernel/{place}", variable.numpy()
    for preserve in (False, True):
        held = [np.where(np.abs(k) < 0.5, 0, k) for k in kernels]
        linear = tfmot.clustering.keras.CentroidInitialization.LINEAR
        model = cluster.cluster_weights(
            network(held), 5, linear, preserve_sparsity=preserve
        )
        model.compile(tf_keras.optimizers.SGD(0.02), "mse")
        model.fit(x, y, **fit)
        plain = tfmot.clustering.keras.strip_clustering(model)
        for place, one in enumerate(plain.layers):
            yield f"fit/clustered/{preserve:d}/{place}", one.kernel.numpy()


def main(path):
    arrays = {}
    for found in (pruned(), clustered(), trained()):
        arrays.update(found)
    versions = {"tfmot": tfmot.__version__, "tensorflow": tf.__version__}
    arrays["versions"] = np.array(json.dumps(versions))
    np.savez_compressed(path, **arrays)
    print(f"{len(arrays)} arrays of TFMOT {tfmot.__version__} in {path}")


if __name__ == "__main__":
    main(*sys.argv[1:])
