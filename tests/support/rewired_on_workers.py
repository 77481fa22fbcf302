"""A worker of `test_dynamic.py`: trains under TF_CONFIG, and saves its masks.

python -m rewired_on_workers METHOD PATH
"""

import sys

import keras
import numpy as np
import tensorflow as tf

import kprune


def main(method, path):
    strategy = kprune.training.strategy("multi_worker")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 6)).astype("float32")
    y = rng.integers(0, 3, 64)
    with strategy.scope():
        keras.utils.set_random_seed(1)
        layers = [keras.layers.Dense(20, "relu", name="a")]
        layers += [keras.layers.Dense(3, name="b")]
        model = keras.Sequential([keras.Input((6,)), *layers])
        model = kprune.prune(model, "random", 0.6, allocation="erk")
        model.compile(
            keras.optimizers.SGD(0.05, momentum=0.9),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(16).repeat()
    moving = kprune.callbacks.DynamicSparseTraining(
        method, every="2it", end="100%"
    )
    model.fit(data, epochs=2, steps_per_epoch=4, verbose=0, callbacks=[moving])
    np.savez(path, overlap=moving.overlap, **kprune.get_masks(model))


if __name__ == "__main__":
    main(*sys.argv[1:])
