"""Binary activations, for fully binary multi-prize tickets (MPT-1/1).

Diffenderfer and Kailkhura, 2021, https://arxiv.org/abs/2103.09377.
"""

from typing import Any

import keras

from kprune.runtime.methods import Method


@keras.saving.register_keras_serializable("kprune")
def binary_sign(x: Any) -> Any:
    """Sign activation with a straight-through gradient.

        y = sign(x),  dy/dx taken as 2 (1 - |x|) for |x| <= 1, else 0

    The estimate is the derivative of a quadratic spline through (-1, -1), 0
    and (1, 1). Together with `biprop`, which makes the weights binary, it
    gives the paper's tickets of binary weights and activations. The authors
    have batch normalization before each such activation.

    Args:
        x: Tensor of any shape.

    Returns:
        Tensor of the shape and dtype of `x` with values -1, 0 (where x is 0)
        and 1.

    Example:

    >>> net = kprune.models.conv2(
    ...     input_shape=(8, 8, 1), activation=kprune.learned.binary_sign
    ... )
    >>> ticket = kprune.select(net, "biprop", 0.5)
    >>> x = keras.ops.array([-2.0, 0.5])
    >>> kprune.learned.binary_sign(x).numpy().tolist()
    [-1.0, 1.0]
    """
    ops = keras.ops
    near = ops.clip(x, -1.0, 1.0)
    spline = 2 * near - near * ops.abs(near)
    return ops.stop_gradient(ops.sign(x) - spline) + spline


METHOD = Method(
    "binary_sign",
    title="multi-prize tickets, binary activations (MPT-1/1)",
    call="kprune.learned.binary_sign(x)",
    paper="Diffenderfer and Kailkhura, 2021",
    link="https://arxiv.org/abs/2103.09377",
    test="tests/learned/test_binary_sign.py::"
    "test_the_sign_and_the_slope_that_stands_for_its_own",
    deviation="an activation to build the network with, before "
    '`kprune.select(model, "biprop", 0.5)`',
)
