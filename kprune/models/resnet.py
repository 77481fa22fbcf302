"""ResNet-18 to 101 (He et al., 2016) and Wide-ResNet-50-2.

https://arxiv.org/abs/1512.03385

As in torchvision, a bottleneck has its stride in the 3x3 convolution, and
shortcuts that change the shape are 1x1 convolutions with batch norm. ResNets
with 16, 32 and 64 filters are in `cifar_resnet`.
"""

import keras

from kprune.models.inputs import KINDS, check_positive, image, sized
from kprune.models.layers import (
    Layers,
    add,
    basic_branch,
    blocks_of,
    conv_shortcut,
    norm,
    norm_relu,
    pad,
    relu,
    stable_scale,
)
from kprune.runtime import checks
from kprune.runtime.doors import checked
from kprune.runtime.lookup import choose
from kprune.runtime.types import Initializer, Model, Shape


@checked(**KINDS)
def resnet(
    depth: int,
    classes: int = 10,
    *,
    stem: str = "cifar",
    input_shape: Shape | None = None,
    width: int = 1,
    stable: bool = False,
    initializer: Initializer = "kaiming_normal",
    seed: int | None = None,
    name: str | None = None,
) -> Model:
    """Builds a ResNet of four stages.

    The layers are `conv1`, `bn1`, then `stage1_block1_conv1` and so on, with
    `stage2_block1_shortcut_conv` where the shape changes, and `fc`.

    Args:
        depth: 18, 34, 50 or 101.
        classes: Integer, the number of logits.
        stem: `"cifar"` for a 3x3 convolution at stride 1, or `"imagenet"` for
            a 7x7 one at stride 2 and a max-pool.
        width: Integer >= 1 that multiplies the number of filters inside a
            block.
        stable: Boolean, whether to scale residual branches as in Stable
            ResNet, https://arxiv.org/abs/2002.08797
        input_shape, initializer, seed, name: As for all models. `input_shape`
            defaults to (32, 32, 3), or to (224, 224, 3) for `"imagenet"`.

    Example:

    >>> kprune.models.resnet18(stem="imagenet").input_shape
    (None, 224, 224, 3)
    """
    check_positive(classes=classes, depth=depth, width=width)
    expected = f"one of {sorted(_DEPTHS)}"
    checks.require(depth in _DEPTHS, "depth", depth, expected)
    add_stem, default_shape = choose(stem, _STEMS, "stem")
    add_branch, growth, blocks = _DEPTHS[depth]
    scale = stable_scale(stable, sum(blocks))
    inputs = image(default_shape if input_shape is None else input_shape)
    layers = Layers(initializer, seed)
    x = add_stem(layers, inputs)
    for stage, block, stride in blocks_of(blocks):
        filters = 64 * 2 ** (stage - 1)
        branch = add_branch(layers, x, filters, stride, block, width)
        if stride > 1 or x.shape[-1] != filters * growth:
            x = conv_shortcut(layers, x, filters * growth, stride, block)
        x = relu(add(branch, x, block, scale), f"{block}_relu")
    outputs = layers.head(x, classes)
    return keras.Model(inputs, outputs, name=name or f"resnet{depth}")


def _cifar_stem(layers, x):
    return norm_relu(layers.conv(x, 64, 3, "conv1"), "", 1)


def _imagenet_stem(layers, x):
    x = norm_relu(layers.conv(x, 64, 7, "conv1", stride=2), "", 1)
    # PyTorch pads with -inf, which after a ReLU is equivalent to zeros.
    x = pad(x, 1, "pool1_pad")
    return keras.layers.MaxPooling2D(3, strides=2, name="pool1")(x)


def _bottleneck(layers, x, filters, stride, block, width):
    x = layers.conv(x, filters * width, 1, f"{block}_conv1")
    x = norm_relu(x, block, 1)
    x = layers.conv(x, filters * width, 3, f"{block}_conv2", stride=stride)
    x = norm_relu(x, block, 2)
    x = layers.conv(x, 4 * filters, 1, f"{block}_conv3")
    return norm(x, f"{block}_bn3")


_STEMS = {
    "cifar": (_cifar_stem, (32, 32, 3)),
    "imagenet": (_imagenet_stem, (224, 224, 3)),
}
# By depth: the branch of a block, the factor from its stage's filters to its
# output channels, and the number of blocks in each stage.
_DEPTHS = {
    18: (basic_branch, 1, (2, 2, 2, 2)),
    34: (basic_branch, 1, (3, 4, 6, 3)),
    50: (_bottleneck, 4, (3, 4, 6, 3)),
    101: (_bottleneck, 4, (3, 4, 23, 3)),
}

resnet18, resnet34, resnet50, resnet101 = (
    sized(resnet, f"resnet{depth}", depth) for depth in _DEPTHS
)
wide_resnet50 = sized(
    resnet, "wide_resnet50", 50, classes=1000, stem="imagenet", width=2
)
