"""The networks whose channels are pruned, by name."""

import keras

import kprune

_SMALLEST = 32  # Pixels, of MobileNetV2.


def _mobilenet(shape, seed):
    keras.utils.set_random_seed(seed)
    pad = max(0, _SMALLEST - shape[0])
    inputs = keras.Input(shape)
    x = keras.layers.ZeroPadding2D(((0, pad), (0, pad)))(inputs)
    network = keras.applications.MobileNetV2(
        x.shape[1:],
        alpha=0.5,
        weights=None,
        classes=10,
        classifier_activation=None,
    )
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            # Keras' 0.999 takes thousands of steps to leave the first values.
            layer.momentum = 0.9
    return keras.Model(inputs, network(x))


def _own(name):
    return lambda shape, seed: kprune.models.get(
        name, classes=10, input_shape=shape, seed=seed
    )


# From the shape of an image and a seed to a network.
NETWORKS = {
    **{name: _own(name) for name in ("lenet5", "resnet20", "vgg16")},
    "mobilenet_v2": _mobilenet,
}
