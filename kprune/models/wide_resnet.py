"""WRN-depth-width: wide residual networks (Zagoruyko & Komodakis, 2016).

https://arxiv.org/abs/1605.07146

Batch norm and ReLU come before each convolution. Wide-ResNet-50-2, which is
for ImageNet and has them after, is in `resnet`.
"""

import keras

from kprune.models.inputs import check_positive, image
from kprune.models.layers import (
    Layers,
    add,
    norm_relu,
    stable_scale,
)


def wrn_16_4(classes=10, **options):
    """Builds WRN-16-4, with the options of `wrn`."""
    return wrn(16, 4, classes, **options)


def wrn_22_2(classes=10, **options):
    """Builds WRN-22-2, with the options of `wrn`."""
    return wrn(22, 2, classes, **options)


def wrn_28_2(classes=10, **options):
    """Builds WRN-28-2, with the options of `wrn`."""
    return wrn(28, 2, classes, **options)


def wrn(
    depth=16,
    width=4,
    classes=10,
    *,
    input_shape=(32, 32, 3),
    stable=False,
    initializer="kaiming_normal",
    seed=None,
    name=None,
):
    """Builds a wide ResNet of three stages of 16, 32 and 64 times `width`.

    The layers are `conv1`, then `stage1_block1_bn1`, `stage1_block1_conv1`
    and so on, with `stage1_block1_shortcut_conv` where the shape changes, a
    last `bn1`, and `fc`.

    Args:
        depth: Integer, 6 n + 4 for n blocks in each stage.
        width: Integer by which the filters are multiplied.
        classes: Integer, the number of logits.
        input_shape: Height, width and channels.
        stable: Boolean, whether branches are scaled as in Stable ResNet,
            https://arxiv.org/abs/2002.08797
        initializer: Initializer of the kernels, as in `initializers.get`.
        seed: Integer, or None for weights that differ from run to run.
        name: String, the name of the model. Defaults to
            `"wrn_{depth}_{width}"`.

    Returns:
        A built `keras.Model`.

    Raises:
        ValueError: If `depth` is another, or a size is not positive.

    Example:

    >>> kprune.models.wrn(depth=10, width=1, classes=100).name
    'wrn_10_1'
    """
    check_positive(classes=classes, depth=depth, width=width)
    if depth < 10 or depth % 6 != 4:
        raise ValueError(
            "`depth` must be 6 n + 4, such as 16, 22 or 28. "
            f"Received: depth={depth!r}"
        )
    blocks = (depth - 4) // 6
    layers = Layers(initializer, seed)
    scale = stable_scale(stable, 3 * blocks)
    inputs = image(input_shape)
    x = layers.conv(inputs, 16, 3, "conv1")
    for stage in (1, 2, 3):
        filters = 16 * width * 2 ** (stage - 1)
        for index in range(1, blocks + 1):
            stride = 2 if stage > 1 and index == 1 else 1
            block = f"stage{stage}_block{index}"
            x = _block(layers, x, filters, stride, block, scale)
    x = norm_relu(x, "", 1)
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    outputs = layers.dense(x, classes, "fc")
    return keras.Model(inputs, outputs, name=name or f"wrn_{depth}_{width}")


def _block(layers, x, filters, stride, block, scale):
    shortcut = x
    x = norm_relu(x, block, 1)
    if shortcut.shape[-1] != filters or stride > 1:
        # A shortcut with weights starts where the branch does.
        conv = f"{block}_shortcut_conv"
        shortcut = layers.conv(x, filters, 1, conv, stride=stride)
    x = layers.conv(x, filters, 3, f"{block}_conv1", stride=stride)
    x = norm_relu(x, block, 2)
    x = layers.conv(x, filters, 3, f"{block}_conv2")
    return add(x, shortcut, block, scale)
