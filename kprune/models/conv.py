"""Conv-2, Conv-4 and Conv-6: small VGGs (Frankle & Carbin, 2019).

https://arxiv.org/abs/1803.03635
"""

import keras

from kprune.models.inputs import check_positive, image
from kprune.models.layers import Layers, max_pool

_PAIRS = (64, 128, 256)  # Filters of each pair of convolutions.


def conv2(classes=10, **options):
    """Builds Conv-2, with the options of `conv_net`."""
    return conv_net(2, classes, **options)


def conv4(classes=10, **options):
    """Builds Conv-4, with the options of `conv_net`."""
    return conv_net(4, classes, **options)


def conv6(classes=10, **options):
    """Builds Conv-6, with the options of `conv_net`."""
    return conv_net(6, classes, **options)


def conv_net(
    depth,
    classes=10,
    *,
    input_shape=(32, 32, 3),
    activation="relu",
    initializer="kaiming_normal",
    seed=None,
    name=None,
):
    """Builds a Conv-N: pairs of 3x3 convolutions, each pooled, three layers.

    The layers are `conv1`, ..., `conv{depth}`, `fc1`, `fc2` and `fc3`, all
    with biases and without batch norm.

    Args:
        depth: 2, 4 or 6, the number of convolutions.
        classes: Integer, the number of logits.
        input_shape: Height, width and channels. Pooling drops odd rows, and
            must leave one.
        activation: Activation of the hidden layers, string or callable.
        initializer: Initializer of the kernels, as in `initializers.get`.
        seed: Integer, or None for weights that differ from run to run.
        name: String, the name of the model. Defaults to `"conv{depth}"`.

    Returns:
        A built `keras.Model`.

    Raises:
        ValueError: If `depth` is another, `classes` is not positive or the
            images are too small for the pools.

    Example:

    >>> kprune.models.conv4(input_shape=(28, 28, 1)).count_params()
    1933258
    """
    check_positive(classes=classes, depth=depth)
    if depth not in (2, 4, 6):
        raise ValueError(
            f"`depth` must be 2, 4 or 6. Received: depth={depth!r}"
        )
    layers = Layers(initializer, seed)
    pairs = depth // 2
    x = inputs = image(input_shape, smallest=2**pairs)
    for pair, filters in enumerate(_PAIRS[:pairs], start=1):
        for index in (2 * pair - 1, 2 * pair):
            x = layers.conv(
                x,
                filters,
                3,
                f"conv{index}",
                bias=True,
                activation=activation,
            )
        x = max_pool(x, f"pool{pair}")
    x = keras.layers.Flatten(name="flatten")(x)
    x = layers.dense(x, 256, "fc1", activation)
    x = layers.dense(x, 256, "fc2", activation)
    outputs = layers.dense(x, classes, "fc3")
    return keras.Model(inputs, outputs, name=name or f"conv{depth}")
