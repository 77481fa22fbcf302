"""Fully connected networks, as OSSuM and SET prune them.

OSSuM's FC-1000, FC-10000, FC-100000 and FC-1000-1000-1000 have one or three
hidden tanh layers, with weights from U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)).
SET (Mocanu et al., 2018, https://arxiv.org/abs/1707.04780) has 4000-1000-4000.
"""

from collections.abc import Sequence

import keras
import numpy as np

from kprune.models.inputs import KINDS, check_positive, vector
from kprune.models.layers import Layers
from kprune.runtime import checks
from kprune.runtime.doors import checked
from kprune.runtime.types import Activation, Initializer, Model, Shape


@checked(**KINDS)
def fc(
    widths: Sequence[int] | np.ndarray = (1000,),
    classes: int = 10,
    *,
    input_shape: Shape = (28, 28, 1),
    activation: Activation = "tanh",
    initializer: Initializer = "torch",
    seed: int | None = None,
    name: str | None = "fc",
) -> Model:
    """Builds a fully connected network of hidden layers and logits.

    The layers are `fc1`, `fc2`, ..., of which the last returns the logits.

    Args:
        widths: List of integers, the units of each hidden layer. May be empty.
        classes: Integer, the number of logits.
        input_shape: Shape of one example, of any rank; it is flattened.
        activation: Activation of the hidden layers, string or callable.
        initializer: As for all models, or `"fan_in_constant"`:
            1 / sqrt(fan_in) with random signs, and biases of zero.
        seed, name: As for all models.

    Example:

    >>> model = kprune.models.fc(
    ...     (4000, 1000, 4000), input_shape=(32, 32, 3), activation="relu"
    ... )
    >>> model.count_params()
    20337010
    """
    check_positive(classes=classes)
    whole = checks.at_least(1)
    widths = checks.sequence_of(whole, "positive integers")("widths", widths)
    named = isinstance(initializer, str)
    constant = named and initializer == "fan_in_constant"
    inputs, x = vector(input_shape)
    layers = Layers("fan_in_uniform" if constant else initializer, seed)
    for index, width in enumerate(widths, start=1):
        x = layers.dense(x, width, f"fc{index}", activation)
    outputs = layers.dense(x, classes, f"fc{len(widths) + 1}")
    model = keras.Model(inputs, outputs, name=name)
    if constant:
        for layer in model.layers[2:]:
            signs = keras.ops.where(layer.kernel > 0, 1.0, -1.0)
            layer.kernel.assign(signs * layer.kernel.shape[0] ** -0.5)
    return model
