"""VGG with batch norm (Simonyan & Zisserman, 2015), for CIFAR and ImageNet.

https://arxiv.org/abs/1409.1556

On CIFAR and Tiny-ImageNet the papers use four max-pools, global average pooling
and one dense layer. ASNI's convolutions have biases; those of GraSP and FORCE
do not.
"""

import keras

from kprune.models.initializers import derived_seed
from kprune.models.inputs import KINDS, check_positive, image, sized
from kprune.models.layers import Layers, max_pool, norm_relu
from kprune.runtime import checks
from kprune.runtime.doors import checked
from kprune.runtime.lookup import choose
from kprune.runtime.types import Initializer, Model, Shape

_FILTERS = (64, 128, 256, 512, 512)  # Of the convolutions of each block.
_CONVS = {  # Number of convolutions in each block, by depth.
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


@checked(**KINDS)
def vgg(
    depth: int,
    classes: int = 10,
    *,
    input_shape: Shape = (32, 32, 3),
    head: str = "cifar",
    conv_bias: bool = False,
    initializer: Initializer = "kaiming_normal",
    seed: int | None = None,
    name: str | None = None,
) -> Model:
    """Builds a VGG: five blocks of convolutions, batch norm and ReLU.

    The layers are `block1_conv1`, `block1_bn1`, ..., and `fc`, or with
    `head="imagenet"` `fc1`, `fc2` and `fc3`.

    Args:
        depth: 11, 13, 16 or 19.
        classes: Integer, the number of logits.
        head: `"cifar"` for global average pooling and one dense layer, or
            `"imagenet"` for a fifth max-pool and three dense layers, the hidden
            ones with 4096 units and dropout of 0.5. torchvision averages to 7x7
            before these; here `fc1` takes the output of the last max-pool,
            which is 7x7 for 224x224 images.
        conv_bias: Boolean, whether convolutions have biases. The batch norm
            cancels them, but they count as parameters.
        input_shape, initializer, seed, name: As for all models. Height and
            width must be at least 16, or 32 with `head="imagenet"`.

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


# By name: the number of blocks with a max-pool, and the layers after the last.
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
