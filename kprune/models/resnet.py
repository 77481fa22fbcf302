"""ResNet-18 to 101 (He et al., 2016) and Wide-ResNet-50-2.

https://arxiv.org/abs/1512.03385

As in torchvision, a bottleneck has its stride in the 3x3 convolution, and
shortcuts that change the shape are 1x1 convolutions with batch norm. For the
ResNets of 16, 32 and 64 filters see `cifar_resnet`.
"""

import keras

from kprune.models.inputs import check_positive, image
from kprune.models.layers import (
    Layers,
    add,
    norm,
    norm_relu,
    pad,
    relu,
    stable_scale,
)
from kprune.runtime.lookup import choose


def resnet18(classes=10, **options):
    """Builds ResNet-18, with the options of `resnet`."""
    return resnet(18, classes, **options)


def resnet34(classes=10, **options):
    """Builds ResNet-34, with the options of `resnet`."""
    return resnet(34, classes, **options)


def resnet50(classes=10, **options):
    """Builds ResNet-50, with the options of `resnet`."""
    return resnet(50, classes, **options)


def resnet101(classes=10, **options):
    """Builds ResNet-101, with the options of `resnet`."""
    return resnet(101, classes, **options)


def wide_resnet50(
    classes=1000, *, stem="imagenet", width=2, name="wide_resnet50", **options
):
    """Builds Wide-ResNet-50-2, with the options of `resnet`."""
    return resnet(50, classes, stem=stem, width=width, name=name, **options)


def resnet(
    depth,
    classes=10,
    *,
    stem="cifar",
    input_shape=None,
    width=1,
    stable=False,
    initializer="kaiming_normal",
    seed=None,
    name=None,
):
    """Builds a ResNet of four stages.

    The layers are `conv1`, `bn1`, then `stage1_block1_conv1` and so on, with
    `stage2_block1_shortcut_conv` where the shape changes, and `fc`.

    Args:
        depth: 18, 34, 50 or 101.
        classes: Integer, the number of logits.
        stem: `"cifar"` for a 3x3 convolution at stride 1, or `"imagenet"` for
            a 7x7 one at stride 2 and a max-pool.
        input_shape: Height, width and channels. Defaults to (32, 32, 3), with
            the stem of ImageNet to (224, 224, 3).
        width: Integer by which the filters inside a block are multiplied.
        stable: Boolean, whether branches are scaled as in Stable ResNet,
            https://arxiv.org/abs/2002.08797
        initializer: Initializer of the kernels, as in `initializers.get`.
        seed: Integer, or None for weights that differ from run to run.
        name: String, the name of the model. Defaults to `"resnet{depth}"`.

    Returns:
        A built `keras.Model`.

    Raises:
        ValueError: If `depth` or `stem` is another, or a size not positive.

    Example:

    >>> kprune.models.resnet18(stem="imagenet").input_shape
    (None, 224, 224, 3)
    """
    check_positive(classes=classes, depth=depth, width=width)
    if depth not in _DEPTHS:
        raise ValueError(
            f"`depth` must be one of {sorted(_DEPTHS)}. "
            f"Received: depth={depth!r}"
        )
    add_stem, default_shape = choose(stem, _STEMS, "stem")
    add_branch, growth, blocks = _DEPTHS[depth]
    layers = Layers(initializer, seed)
    scale = stable_scale(stable, sum(blocks))
    inputs = image(default_shape if input_shape is None else input_shape)
    x = add_stem(layers, inputs)
    for stage, count in enumerate(blocks, start=1):
        filters = 64 * 2 ** (stage - 1)
        for index in range(1, count + 1):
            block = f"stage{stage}_block{index}"
            stride = 2 if stage > 1 and index == 1 else 1
            branch = add_branch(layers, x, filters, width, stride, block)
            x = _shortcut(layers, x, filters * growth, stride, block)
            x = relu(add(branch, x, block, scale), f"{block}_relu")
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    outputs = layers.dense(x, classes, "fc")
    return keras.Model(inputs, outputs, name=name or f"resnet{depth}")


def _cifar_stem(layers, x):
    return norm_relu(layers.conv(x, 64, 3, "conv1"), "", 1)


def _imagenet_stem(layers, x):
    x = norm_relu(layers.conv(x, 64, 7, "conv1", stride=2), "", 1)
    # PyTorch pads with -inf, which after a ReLU is no different from zeros.
    x = pad(x, 1, "pool1_pad")
    return keras.layers.MaxPooling2D(3, strides=2, name="pool1")(x)


def _basic(layers, x, filters, width, stride, block):
    x = layers.conv(x, filters * width, 3, f"{block}_conv1", stride=stride)
    x = norm_relu(x, block, 1)
    x = layers.conv(x, filters, 3, f"{block}_conv2")
    return norm(x, f"{block}_bn2")


def _bottleneck(layers, x, filters, width, stride, block):
    x = layers.conv(x, filters * width, 1, f"{block}_conv1")
    x = norm_relu(x, block, 1)
    x = layers.conv(x, filters * width, 3, f"{block}_conv2", stride=stride)
    x = norm_relu(x, block, 2)
    x = layers.conv(x, 4 * filters, 1, f"{block}_conv3")
    return norm(x, f"{block}_bn3")


def _shortcut(layers, x, filters, stride, block):
    if stride == 1 and x.shape[-1] == filters:
        return x
    x = layers.conv(x, filters, 1, f"{block}_shortcut_conv", stride=stride)
    return norm(x, f"{block}_shortcut_bn")


_STEMS = {
    "cifar": (_cifar_stem, (32, 32, 3)),
    "imagenet": (_imagenet_stem, (224, 224, 3)),
}
# By depth: the branch of a block, by how much it ends wider than its stage's
# filters, and the number of blocks of each stage.
_DEPTHS = {
    18: (_basic, 1, (2, 2, 2, 2)),
    34: (_basic, 1, (3, 4, 6, 3)),
    50: (_bottleneck, 4, (3, 4, 6, 3)),
    101: (_bottleneck, 4, (3, 4, 23, 3)),
}
