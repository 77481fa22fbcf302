"""ResNet-20, 32 and 56: the thin ResNets for CIFAR (He et al., 2016).

https://arxiv.org/abs/1512.03385, section 4.2

The paper's shortcuts have no weights (its option A); open_lth and many after
it have 1x1 convolutions there, which is 1% more weights in ResNet-20.
"""

import keras

from kprune.models.inputs import check_positive, image
from kprune.models.layers import (
    Layers,
    add,
    norm,
    norm_relu,
    relu,
    stable_scale,
)
from kprune.runtime.lookup import choose


def resnet20(classes=10, **options):
    """Builds ResNet-20, with the options of `resnet_cifar`."""
    return resnet_cifar(20, classes, **options)


def resnet32(classes=10, **options):
    """Builds ResNet-32, with the options of `resnet_cifar`."""
    return resnet_cifar(32, classes, **options)


def resnet56(classes=10, **options):
    """Builds ResNet-56, with the options of `resnet_cifar`."""
    return resnet_cifar(56, classes, **options)


def resnet_cifar(
    depth=20,
    classes=10,
    *,
    input_shape=(32, 32, 3),
    width=1,
    shortcut="conv",
    stable=False,
    initializer="kaiming_normal",
    seed=None,
    name=None,
):
    """Builds a ResNet of three stages of 16, 32 and 64 filters.

    The layers are `conv1`, `bn1`, then `stage1_block1_conv1` and so on, with
    `stage2_block1_shortcut_conv` where the shape changes, and `fc`.

    Args:
        depth: Integer, 6 n + 2 for n blocks in each stage.
        classes: Integer, the number of logits.
        input_shape: Height, width and channels.
        width: Integer by which the filters are multiplied.
        shortcut: What a shortcut is where the shape changes: `"conv"` for a
            1x1 convolution with batch norm, `"pad"` for every second pixel
            with channels of zeros around the others (option A).
        stable: Boolean, whether branches are scaled as in Stable ResNet,
            https://arxiv.org/abs/2002.08797
        initializer: Initializer of the kernels, as in `initializers.get`.
        seed: Integer, or None for weights that differ from run to run.
        name: String, the name of the model. Defaults to `"resnet{depth}"`.

    Returns:
        A built `keras.Model`.

    Raises:
        ValueError: If `depth` or `shortcut` is another, or a size is not
            positive.

    Example:

    >>> model = kprune.models.resnet32(classes=100, width=2)
    >>> model.output_shape
    (None, 100)
    """
    check_positive(classes=classes, depth=depth, width=width)
    if depth < 8 or depth % 6 != 2:
        raise ValueError(
            "`depth` must be 6 n + 2, such as 20, 32 or 56. "
            f"Received: depth={depth!r}"
        )
    add_shortcut = choose(shortcut, _SHORTCUTS, "shortcut")
    blocks = (depth - 2) // 6
    layers = Layers(initializer, seed)
    scale = stable_scale(stable, 3 * blocks)
    inputs = image(input_shape)
    x = norm_relu(layers.conv(inputs, 16 * width, 3, "conv1"), "", 1)
    for stage in (1, 2, 3):
        filters = 16 * width * 2 ** (stage - 1)
        for index in range(1, blocks + 1):
            block = f"stage{stage}_block{index}"
            stride = 2 if stage > 1 and index == 1 else 1
            branch = _branch(layers, x, filters, stride, block)
            if stride > 1:
                x = add_shortcut(layers, x, filters, f"{block}_shortcut")
            x = relu(add(branch, x, block, scale), f"{block}_relu")
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    outputs = layers.dense(x, classes, "fc")
    return keras.Model(inputs, outputs, name=name or f"resnet{depth}")


def _branch(layers, x, filters, stride, block):
    x = layers.conv(x, filters, 3, f"{block}_conv1", stride=stride)
    x = norm_relu(x, block, 1)
    x = layers.conv(x, filters, 3, f"{block}_conv2")
    return norm(x, f"{block}_bn2")


def _conv_shortcut(layers, x, filters, name):
    x = layers.conv(x, filters, 1, f"{name}_conv", stride=2)
    return norm(x, f"{name}_bn")


def _pad_shortcut(layers, x, filters, name):
    del layers  # No weights.
    x = keras.layers.AveragePooling2D(1, strides=2, name=f"{name}_subsample")(x)
    added = filters - x.shape[-1]
    before = added // 2
    # Keras has no layer that pads channels, but told that they come first it
    # takes the columns for rows, and the channels for columns.
    return keras.layers.ZeroPadding2D(
        ((0, 0), (before, added - before)),
        data_format="channels_first",
        name=f"{name}_pad",
    )(x)


_SHORTCUTS = {"conv": _conv_shortcut, "pad": _pad_shortcut}
