"""VGG with batch norm (Simonyan & Zisserman, 2015), for CIFAR and ImageNet.

https://arxiv.org/abs/1409.1556

On CIFAR and Tiny-ImageNet the papers pool four times, take the mean over what
is left of the image, and have one dense layer. ASNI gives the convolutions
biases; GraSP and FORCE do not.
"""

import keras

from kprune.models.initializers import derived_seed
from kprune.models.inputs import check_positive, image
from kprune.models.layers import Layers, max_pool, norm_relu
from kprune.runtime.lookup import choose

_FILTERS = (64, 128, 256, 512, 512)  # Of the convolutions of each block.
_CONVS = {  # How many there are in each block, by depth.
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


def vgg11(classes=10, **options):
    """Builds VGG-11, with the options of `vgg`."""
    return vgg(11, classes, **options)


def vgg13(classes=10, **options):
    """Builds VGG-13, with the options of `vgg`."""
    return vgg(13, classes, **options)


def vgg16(classes=10, **options):
    """Builds VGG-16, with the options of `vgg`."""
    return vgg(16, classes, **options)


def vgg19(classes=10, **options):
    """Builds VGG-19, with the options of `vgg`."""
    return vgg(19, classes, **options)


def vgg19_bn(
    classes=1000,
    *,
    input_shape=(224, 224, 3),
    head="imagenet",
    conv_bias=True,
    name="vgg19_bn",
    **options,
):
    """Builds the VGG-19 of torchvision, with the options of `vgg`."""
    return vgg(
        19,
        classes,
        input_shape=input_shape,
        head=head,
        conv_bias=conv_bias,
        name=name,
        **options,
    )


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
        input_shape: Height, width and channels.
        head: `"cifar"` for the mean over the image and one dense layer, or
            `"imagenet"` for a fifth pool and three dense layers, 4096 units
            and a dropout of a half in the hidden ones. torchvision averages
            to 7x7 before these; here `fc1` takes what the pools leave, which
            is that for 224x224.
        conv_bias: Boolean, whether convolutions have biases. The batch norm
            makes them idle, but they count.
        initializer: Initializer of the kernels, as in `initializers.get`.
        seed: Integer, or None for weights that differ from run to run.
        name: String, the name of the model. Defaults to `"vgg{depth}"`.

    Returns:
        A built `keras.Model`.

    Raises:
        ValueError: If `depth` or `head` is another, `classes` is not positive
            or the images are too small for the pools.

    Example:

    >>> kprune.models.vgg16(classes=100, input_shape=(64, 64, 3)).output_shape
    (None, 100)
    """
    check_positive(classes=classes, depth=depth)
    if depth not in _CONVS:
        raise ValueError(
            f"`depth` must be one of {sorted(_CONVS)}. "
            f"Received: depth={depth!r}"
        )
    pools, add_head = choose(head, _HEADS, "head")
    layers = Layers(initializer, seed)
    x = inputs = image(input_shape, smallest=2**pools)
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


def _cifar_head(layers, x, classes):
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    return layers.dense(x, classes, "fc")


def _imagenet_head(layers, x, classes):
    x = keras.layers.Flatten(name="flatten")(x)
    for index in (1, 2):
        x = layers.dense(x, 4096, f"fc{index}", "relu")
        dropout = f"dropout{index}"
        seed = derived_seed(layers.seed, dropout)
        x = keras.layers.Dropout(0.5, seed=seed, name=dropout)(x)
    return layers.dense(x, classes, "fc3")


# By name: how many of the blocks are pooled, and what follows the last.
_HEADS = {"cifar": (4, _cifar_head), "imagenet": (5, _imagenet_head)}
