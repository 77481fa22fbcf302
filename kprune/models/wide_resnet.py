"""WRN-depth-width: wide residual networks (Zagoruyko & Komodakis, 2016).

https://arxiv.org/abs/1605.07146

Batch norm and ReLU come before each convolution. Wide-ResNet-50-2, which has
them after and is for ImageNet, is in `resnet`.
"""

import keras

from kprune.models.inputs import KINDS, check_positive, image, sized
from kprune.models.layers import (
    Layers,
    add,
    blocks_of,
    norm_relu,
    stable_scale,
)
from kprune.runtime import checks
from kprune.runtime.doors import checked
from kprune.runtime.types import Initializer, Model, Shape


@checked(**KINDS)
def wrn(
    depth: int = 16,
    width: int = 4,
    classes: int = 10,
    *,
    input_shape: Shape = (32, 32, 3),
    stable: bool = False,
    initializer: Initializer = "kaiming_normal",
    seed: int | None = None,
    name: str | None = None,
) -> Model:
    """Builds a wide ResNet: stages of 16, 32 and 64 times `width` filters.

    The layers are `conv1`, then `stage1_block1_bn1`, `stage1_block1_conv1`
    and so on, with `stage1_block1_shortcut_conv` where the shape changes, a
    last `bn1`, and `fc`.

    Args:
        depth: Integer, 6 n + 4 for n >= 1 blocks in each stage.
        width: Integer >= 1 that multiplies the number of filters.
        classes: Integer, the number of logits.
        stable: Boolean, whether to scale residual branches as in Stable
            ResNet, https://arxiv.org/abs/2002.08797
        input_shape, initializer, seed, name: As for all models.

    Example:

    >>> kprune.models.wrn(depth=10, width=1, classes=100).name
    'wrn_10_1'
    """
    check_positive(classes=classes, depth=depth, width=width)
    fits = depth >= 10 and depth % 6 == 4
    checks.require(fits, "depth", depth, "6 n + 4, such as 16, 22 or 28")
    blocks = (depth - 4) // 6
    scale = stable_scale(stable, 3 * blocks)
    inputs = image(input_shape)
    layers = Layers(initializer, seed)
    x = layers.conv(inputs, 16, 3, "conv1")
    for stage, block, stride in blocks_of([blocks] * 3):
        filters = 16 * width * 2 ** (stage - 1)
        x = _block(layers, x, filters, stride, block, scale)
    outputs = layers.head(norm_relu(x, "", 1), classes)
    return keras.Model(inputs, outputs, name=name or f"wrn_{depth}_{width}")


def _block(layers, x, filters, stride, block, scale):
    shortcut = x
    x = norm_relu(x, block, 1)
    if shortcut.shape[-1] != filters or stride > 1:
        # A convolutional shortcut starts after the block's first ReLU.
        conv = f"{block}_shortcut_conv"
        shortcut = layers.conv(x, filters, 1, conv, stride=stride)
    x = layers.conv(x, filters, 3, f"{block}_conv1", stride=stride)
    x = norm_relu(x, block, 2)
    x = layers.conv(x, filters, 3, f"{block}_conv2")
    return add(x, shortcut, block, scale)


wrn_16_4, wrn_22_2, wrn_28_2 = (
    sized(wrn, f"wrn_{depth}_{width}", depth, width)
    for depth, width in ((16, 4), (22, 2), (28, 2))
)
