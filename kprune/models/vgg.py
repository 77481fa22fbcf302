"""VGG with batch norm (Simonyan & Zisserman, 2015), for CIFAR and ImageNet.

https://arxiv.org/abs/1409.1556

On CIFAR and Tiny-ImageNet the papers pool four times, take the mean over what
is left of the image, and have one dense layer. ASNI gives the convolutions
biases; GraSP and FORCE do not.
"""

import keras

from kprune.models.initializers import derived_seed
from kprune.models.inputs import KINDS, check_positive, image, sized
from kprune.models.layers import Layers, max_pool, norm_relu
from kprune.runtime import checks
from kprune.runtime.doors import checked
from kprune.runtime.lookup import choose

_FILTERS = (64, 128, 256, 512, 512)  # Of the convolutions of each block.
_CONVS = {  # How many there are in each block, by depth.
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


@checked(**KINDS)
def vgg(
    depth,
    classes=10,
    *,
    input_shape=(32, 32, 3),
    head="cifar",
    conv_bias=False,
    initializer="kaiming_normal",
    seed=None,
    name=None,
):
    """Builds a VGG: five blocks of convolutions, batch norm and ReLU.

    The layers are `block1_conv1`, `block1_bn1`, ..., and `fc`, or with the
    head of ImageNet `fc1`, `fc2` and `fc3`.

    Args:
        depth: 11, 13, 16 or 19.
        classes: Integer, the number of logits.
        head: `"cifar"` for the mean over the image and one dense layer, or
            `"imagenet"` for a fifth pool and three dense layers, 4096 units
            and a dropout of a half in the hidden ones. torchvision averages
            to 7x7 before these; here `fc1` takes what the pools leave, which
            is that for 224x224.
        conv_bias: Boolean, whether convolutions have biases. The batch norm
            makes them idle, but they count.
        input_shape, initializer, seed, name: As for all models.

    Example:

    >>> kprune.models.vgg16(classes=100, input_shape=(64, 64, 3)).output_shape
    (None, 100)
    """
    check_positive(classes=classes, depth=depth)
    expected = f"one of {sorted(_CONVS)}"
    checks.require(depth in _CONVS, "depth", depth, expected)
    pools, add_head = choose(head, _HEADS, "head")
    x = inputs = image(input_shape, smallest=2**pools)
    layers = Layers(initializer, seed)
    for block, (filters, convs) in enumerate(
        zip(_FILTERS, _CONVS[depth], strict=True), start=1
    ):
        for index in range(1, convs + 1):
            conv = f"block{block}_conv{index}"
            x = layers.conv(x, filters, 3, conv, bias=conv_bias)
            x = norm_relu(x, f"block{block}", index)
        if block <= pools:
            x = max_pool(x, f"block{block}_pool")
    outputs = add_head(layers, x, classes)
    return keras.Model(inputs, outputs, name=name or f"vgg{depth}")


def _imagenet_head(layers, x, classes):
    x = keras.layers.Flatten(name="flatten")(x)
    for index in (1, 2):
        x = layers.dense(x, 4096, f"fc{index}", "relu")
        dropout = f"dropout{index}"
        seed = derived_seed(layers.seed, dropout)
        x = keras.layers.Dropout(0.5, seed=seed, name=dropout)(x)
    return layers.dense(x, classes, "fc3")


# By name: how many of the blocks are pooled, and what follows the last.
_HEADS = {"cifar": (4, Layers.head), "imagenet": (5, _imagenet_head)}

vgg11, vgg13, vgg16, vgg19 = (sized(vgg, f"vgg{n}", n) for n in _CONVS)
vgg19_bn = sized(  # As in torchvision.
    vgg,
    "vgg19_bn",
    19,
    classes=1000,
    input_shape=(224, 224, 3),
    head="imagenet",
    conv_bias=True,
)
