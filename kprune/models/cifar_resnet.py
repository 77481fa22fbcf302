"""ResNet-20, 32 and 56: the thin ResNets for CIFAR (He et al., 2016).

https://arxiv.org/abs/1512.03385, section 4.2

The paper's shortcuts have no weights (its option A). By default, as in open_lth
and many others, they are 1x1 convolutions: 1 % more weights in ResNet-20.
"""

import keras

from kprune.models.inputs import KINDS, check_positive, image, sized
from kprune.models.layers import (
    Layers,
    add,
    basic_branch,
    blocks_of,
    conv_shortcut,
    norm_relu,
    relu,
    stable_scale,
)
from kprune.runtime import checks
from kprune.runtime.doors import checked
from kprune.runtime.lookup import choose
from kprune.runtime.types import Initializer, Model, Shape


@checked(**KINDS)
def resnet_cifar(
    depth: int = 20,
    classes: int = 10,
    *,
    input_shape: Shape = (32, 32, 3),
    width: int = 1,
    shortcut: str = "conv",
    stable: bool = False,
    initializer: Initializer = "kaiming_normal",
    seed: int | None = None,
    name: str | None = None,
) -> Model:
    """Builds a ResNet of three stages with 16, 32 and 64 filters.

    The layers are `conv1`, `bn1`, then `stage1_block1_conv1` and so on, with
    `stage2_block1_shortcut_conv` where the shape changes, and `fc`.

    Args:
        depth: Integer, 6 n + 2 for n >= 1 blocks in each stage.
        classes: Integer, the number of logits.
        width: Integer >= 1 that multiplies the number of filters.
        shortcut: The shortcut where the shape changes: `"conv"` for a 1x1
            convolution with batch norm, `"pad"` for every second pixel,
            zero-padded in the channels (option A).
        stable: Boolean, whether to scale residual branches as in Stable
            ResNet, https://arxiv.org/abs/2002.08797
        input_shape, initializer, seed, name: As for all models.

    Example:

    >>> model = kprune.models.resnet32(classes=100, width=2)
    >>> model.output_shape
    (None, 100)
    """
    check_positive(classes=classes, depth=depth, width=width)
    fits = depth >= 8 and depth % 6 == 2
    checks.require(fits, "depth", depth, "6 n + 2, such as 20, 32 or 56")
    add_shortcut = choose(shortcut, _SHORTCUTS, "shortcut")
    blocks = (depth - 2) // 6
    scale = stable_scale(stable, 3 * blocks)
    inputs = image(input_shape)
    layers = Layers(initializer, seed)
    x = norm_relu(layers.conv(inputs, 16 * width, 3, "conv1"), "", 1)
    for stage, block, stride in blocks_of([blocks] * 3):
        filters = 16 * width * 2 ** (stage - 1)
        branch = basic_branch(layers, x, filters, stride, block)
        if stride > 1:
            x = add_shortcut(layers, x, filters, stride, block)
        x = relu(add(branch, x, block, scale), f"{block}_relu")
    outputs = layers.head(x, classes)
    return keras.Model(inputs, outputs, name=name or f"resnet{depth}")


def _pad_shortcut(layers, x, filters, stride, block):
    del layers  # No weights.
    name = f"{block}_shortcut"
    pool = keras.layers.AveragePooling2D
    x = pool(1, strides=stride, name=f"{name}_subsample")(x)
    added = filters - x.shape[-1]
    before = added // 2
    # Keras has no layer that pads channels. With `channels_first` it takes the
    # columns for rows and the channels for columns, so padding the columns
    # pads the channels.
    return keras.layers.ZeroPadding2D(
        ((0, 0), (before, added - before)),
        data_format="channels_first",
        name=f"{name}_pad",
    )(x)


_SHORTCUTS = {"conv": conv_shortcut, "pad": _pad_shortcut}

resnet20, resnet32, resnet56 = (
    sized(resnet_cifar, f"resnet{depth}", depth) for depth in (20, 32, 56)
)
