"""The networks that are compressed, by name."""

import keras
from keras import layers

import kprune

_FILTERS = 16, 32, 64


def _lenet5(shape, seed):
    return kprune.models.get("lenet5", classes=10, input_shape=shape, seed=seed)


def _resnet8(shape, seed):
    """Returns a ResNet-8 whose first layer halves the image: a CPU trains it
    in a quarter of the time."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input(shape)
    x = layers.ReLU()(_normed(inputs, _FILTERS[0], stride=2))
    for filters in _FILTERS:
        stride = 1 if filters == x.shape[-1] else 2
        branch = layers.ReLU()(_normed(x, filters, stride))
        branch = _normed(branch, filters)
        if stride > 1:
            x = _normed(x, filters, stride, size=1)
        x = layers.ReLU()(layers.Add()([x, branch]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10)(x), name="resnet8")


def _normed(x, filters, stride=1, size=3):
    """Returns a convolution without biases, and its normalization."""
    conv = layers.Conv2D(filters, size, stride, "same", use_bias=False)
    return layers.BatchNormalization(momentum=0.9)(conv(x))


# From a name to the data set, and a function of an image's shape and a seed.
NETWORKS = {"lenet5": ("mnist", _lenet5), "resnet8": ("cifar10", _resnet8)}
