"""Layers that compute as the papers' PyTorch code does.

Only stock Keras layers are used, so that a saved model loads without kprune.
"""

import dataclasses
import math
import typing

import keras

from kprune.models import initializers
from kprune.runtime import checks
from kprune.runtime.methods import Method


@dataclasses.dataclass(frozen=True)
class Layers:
    """Adds layers with weights to a model, each initialized independently.

    Args:
        initializer: Initializer of the kernels, as in `initializers.get`.
        seed: Integer >= 0, or `None` for weights that differ from run to run.
    """

    initializer: typing.Any = "kaiming_normal"
    seed: int | None = None

    def __post_init__(self):
        initializers.get(self.initializer)
        if self.seed is not None:
            checks.integer("seed", self.seed, 0, " or None")

    def conv(
        self,
        x,
        filters,
        size,
        name,
        *,
        stride=1,
        padding="same",
        bias=False,
        activation=None,
    ):
        """Applies a square convolution with PyTorch's padding.

        `"same"` pads `size // 2` on every side, also at stride 2, where Keras
        pads a 3x3 kernel by 0 before and by 1 after.
        """
        if padding == "same" and stride > 1 and size > 1:
            x = pad(x, size // 2, f"{name}_pad")
            padding = "valid"
        return keras.layers.Conv2D(
            int(filters),
            size,
            strides=stride,
            padding=padding,
            use_bias=bias,
            activation=activation,
            name=name,
            **self._initializers(name, size * size * x.shape[-1]),
        )(x)

    def dense(self, x, units, name, activation=None):
        return keras.layers.Dense(
            int(units),  # Keras rejects NumPy's integers.
            activation=activation,
            name=name,
            **self._initializers(name, x.shape[-1]),
        )(x)

    def head(self, x, classes):
        """Applies global average pooling and a dense layer `fc`."""
        x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
        return self.dense(x, classes, "fc")

    def _initializers(self, name, fan_in):
        return {
            "kernel_initializer": initializers.for_kernel(
                self.initializer, self.seed, f"{name}/kernel"
            ),
            "bias_initializer": initializers.for_bias(
                self.initializer, fan_in, self.seed, f"{name}/bias"
            ),
        }


def norm(x, name):
    """Applies batch normalization with PyTorch's constants.

    PyTorch's momentum of 0.1 weighs the new statistics, Keras' 0.9 the old.
    """
    return keras.layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, name=name
    )(x)


def relu(x, name):
    return keras.layers.Activation("relu", name=name)(x)


def norm_relu(x, block, index):
    """Applies batch norm, then ReLU: `"{block}_bn1"`, `"{block}_relu1"`."""
    prefix = f"{block}_" if block else ""
    return relu(norm(x, f"{prefix}bn{index}"), f"{prefix}relu{index}")


def pad(x, width, name):
    """Pads rows and columns with zeros on every side."""
    return keras.layers.ZeroPadding2D(width, name=name)(x)


def max_pool(x, name):
    """Applies 2x2 max pooling, which drops an odd last row or column."""
    return keras.layers.MaxPooling2D(2, name=name)(x)


def add(branch, shortcut, block, scale=None):
    """Adds a residual branch to its shortcut.

    out = shortcut + scale * branch,  without a scaling layer for None
    """
    # At the end of the branch: a batch norm after it would undo the scale.
    if scale is not None:
        branch = keras.layers.Rescaling(scale, name=f"{block}_scale")(branch)
    return keras.layers.Add(name=f"{block}_add")([shortcut, branch])


def blocks_of(counts):
    """Yields (stage, name, stride) of each block.

    Args:
        counts: Number of blocks in each stage.
    """
    for stage, count in enumerate(counts, start=1):
        for index in range(1, count + 1):
            stride = 2 if stage > 1 and index == 1 else 1
            yield stage, f"stage{stage}_block{index}", stride


def basic_branch(layers, x, filters, stride, block, width=1):
    """Applies two 3x3 convolutions; the first has `width * filters` filters."""
    x = layers.conv(x, filters * width, 3, f"{block}_conv1", stride=stride)
    x = norm_relu(x, block, 1)
    x = layers.conv(x, filters, 3, f"{block}_conv2")
    return norm(x, f"{block}_bn2")


def conv_shortcut(layers, x, filters, stride, block):
    """Applies a 1x1 convolution with batch norm."""
    x = layers.conv(x, filters, 1, f"{block}_shortcut_conv", stride=stride)
    return norm(x, f"{block}_shortcut_bn")


def stable_scale(stable, blocks):
    """Returns Stable ResNet's factor of each branch, or `None`.

    scale = 1 / sqrt(number of residual blocks)
    """
    return 1 / math.sqrt(blocks) if stable else None


METHOD = Method(
    "stable",
    title="Stable ResNet",
    call="kprune.models.resnet50(stable=True)",
    paper="Hayou et al., 2021",
    link="https://arxiv.org/abs/2002.08797",
    test="tests/models/test_models_layers.py::"
    "test_stable_resnet_scales_by_the_number_of_blocks",
)
