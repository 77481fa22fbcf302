"""LeNet-300-100 and LeNet-5 (LeCun et al., 1998), as pruning papers have them.

http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf
"""

import keras

from kprune.models.fully_connected import fc
from kprune.models.inputs import KINDS, check_positive, image, sized
from kprune.models.layers import Layers, max_pool
from kprune.runtime.doors import checked
from kprune.runtime.types import Activation, Initializer, Model, Shape


@checked(**KINDS)
def lenet5(
    classes: int = 10,
    *,
    input_shape: Shape = (28, 28, 1),
    activation: Activation = "relu",
    initializer: Initializer = "kaiming_normal",
    seed: int | None = None,
    name: str | None = "lenet5",
) -> Model:
    """Builds LeNet-5-Caffe: 20 and 50 filters of 5x5, a layer of 500.

    The layers are `conv1`, `conv2`, `fc1` and `fc2`. Every hidden layer has
    `activation`; in Caffe's own definition only the layer of 500 units does.

    Args:
        classes: Integer, the number of logits.
        activation: Activation of the hidden layers, string or callable.
        input_shape, initializer, seed, name: As for all models. Images must be
            at least 16x16.

    Example:

    >>> kprune.models.lenet5().count_params()
    431080
    """
    check_positive(classes=classes)
    # The smallest image that leaves a pixel: 16 - 4 = 12 -> 6 - 4 = 2 -> 1.
    x = inputs = image(input_shape, smallest=16)
    layers = Layers(initializer, seed)
    for index, filters in enumerate((20, 50), start=1):
        x = layers.conv(
            x,
            filters,
            5,
            f"conv{index}",
            padding="valid",
            bias=True,
            activation=activation,
        )
        x = max_pool(x, f"pool{index}")
    x = keras.layers.Flatten(name="flatten")(x)
    x = layers.dense(x, 500, "fc1", activation)
    outputs = layers.dense(x, classes, "fc2")
    return keras.Model(inputs, outputs, name=name)


lenet_300_100 = sized(
    fc,
    "lenet_300_100",
    (300, 100),
    activation="relu",
    initializer="kaiming_normal",
)
