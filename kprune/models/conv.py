"""Conv-2, Conv-4 and Conv-6: small VGGs (Frankle & Carbin, 2019).

https://arxiv.org/abs/1803.03635
"""

import keras

from kprune.models.inputs import KINDS, check_positive, image, sized
from kprune.models.layers import Layers, max_pool
from kprune.runtime import checks
from kprune.runtime.doors import checked
from kprune.runtime.types import Activation, Initializer, Model, Shape

_PAIRS = (64, 128, 256)  # Filters of each pair of convolutions.


@checked(**KINDS)
def conv_net(
    depth: int,
    classes: int = 10,
    *,
    input_shape: Shape = (32, 32, 3),
    activation: Activation = "relu",
    initializer: Initializer = "kaiming_normal",
    seed: int | None = None,
    name: str | None = None,
) -> Model:
    """Builds a Conv-N: pairs of 3x3 convolutions with pooling, 3 dense layers.

    The layers are `conv1`, ..., `conv{depth}`, `fc1`, `fc2` and `fc3`, all
    with biases and without batch norm.

    Args:
        depth: 2, 4 or 6, the number of convolutions.
        classes: Integer, the number of logits.
        activation: Activation of the hidden layers, string or callable.
        input_shape, initializer, seed, name: As for all models. Height and
            width must be at least `2 ** (depth / 2)`; pooling drops an odd
            last row or column.

    Example:

    >>> kprune.models.conv4(input_shape=(28, 28, 1)).count_params()
    1933258
    """
    check_positive(classes=classes, depth=depth)
    checks.require(depth in (2, 4, 6), "depth", depth, "2, 4 or 6")
    pairs = depth // 2
    x = inputs = image(input_shape, smallest=2**pairs)
    layers = Layers(initializer, seed)
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


conv2, conv4, conv6 = (sized(conv_net, f"conv{n}", n) for n in (2, 4, 6))
