"""The smaller models that the benchmark measures, and how LiteRT runs them."""

import contextlib
import io
import warnings

import keras
import numpy as np
import tensorflow as tf

import kprune
from kprune.deploy.comparison import Row

LITE = "LiteRT, batch 1"
# How many times smaller or faster than dense each should be at least.
TARGETS = {
    "shrink, resnet18": {
        "parameters": ">= 3.9",
        "inference, batch 32": ">= 2.3",
        "training step, batch 32": ">= 2.3",
        LITE: ">= 3.5",
    },
    "shrink, vgg16": {
        "parameters": ">= 3.9",
        "inference, batch 32": ">= 2.3",
        "training step, batch 32": ">= 2.2",
        LITE: ">= 3.0",
    },
    "compact, lenet_300_100": {LITE: ">= 2.0"},
}


def shrunk(network):
    """Returns a network of kprune.models, and without a random half of each
    layer's channels."""
    dense = kprune.models.get(network, classes=10)
    how = {"granularity": "channel", "allocation": "uniform", "verbose": 0}
    pruned = kprune.prune(dense, "random", 0.5, **how)
    return dense, kprune.shrink(pruned, verbose=0)


def compacted():
    """Returns LeNet-300-100, and without what SNIP at 95 % cuts off."""
    dense, pruned = of_snip()
    return dense, kprune.compact(pruned, verbose=0)


def of_snip():
    """Returns LeNet-300-100, and pruned by SNIP to 95 %.

    SNIP scores on 128 of the digits, enlarged to 28x28, at Keras' default
    initializer. Their background is zero, so that much of the border goes: of
    images that are centred, no pixel is zero, and less goes.
    """
    how = {"initializer": "glorot_uniform", "seed": 0}
    dense = kprune.models.get("lenet_300_100", **how)
    (x, y), _ = kprune.datasets.load_arrays("digits", normalization=None)
    x = tf.image.resize(x[:128] / x.max(), (28, 28)).numpy()
    data = (x, y[:128])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return dense, kprune.prune(
        dense, "snip", 0.95, data=data, loss=loss, verbose=0
    )


def lite(model):
    """Returns a function that runs a model in LiteRT, on one example and one
    thread, or `None` where TensorFlow does not come with it."""
    if not hasattr(tf, "lite"):
        return None
    with contextlib.redirect_stdout(io.StringIO()):  # Keras lists variables.
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        made = converter.convert()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It will be a package of its own.
        interpreter = tf.lite.Interpreter(model_content=made, num_threads=1)
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    noise = np.random.default_rng(0).normal(size=given["shape"])
    interpreter.set_tensor(given["index"], noise.astype(given["dtype"]))
    return interpreter.invoke


def lite_row(found):
    """Returns what LiteRT took, a `Timing`, as a row of a comparison."""
    before, after = 1000 * found.before, 1000 * found.after
    return Row(LITE, before, after, found.ratio, found.spread, "ms")
