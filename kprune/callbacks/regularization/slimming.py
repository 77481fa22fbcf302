"""Network slimming's penalty (Liu et al., 2017).

https://arxiv.org/abs/1708.06519
"""

import keras

from kprune.runtime import checks, keras_internals, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


@checked(strength=checks.within("[0, inf)"))
def slim(model: types.Model, strength: float = 1e-4) -> None:
    """Adds an L1 penalty on the scale factors of batch normalization.

        loss += strength * sum of |gamma|, over all batch normalizations

    The gradient of each gamma gains strength * sign(gamma), 0 at 0. After
    training, channels of small gamma can be removed:
    `kprune.prune(model, "bn_gamma", 0.5, granularity="channel")`. The penalty
    is set as the layers' `gamma_regularizer`: the loss that `fit` shows
    includes it, and saving, copying or wrapping the model keeps it.

    Args:
        model: A built Keras model, modified in place. It may be compiled.
        strength: Number >= 0; 0 removes the penalty. Defaults to 1e-4, the
            paper's for ResNet, DenseNet and VGG (VGG on SVHN: 1e-5).

    Raises:
        ValueError: If the model has no batch normalization with a trainable
            gamma, or one with a regularizer that is neither L1 nor L2.

    Example:

    >>> model = kprune.models.resnet_cifar(8, input_shape=(8, 8, 1))
    >>> kprune.callbacks.regularization.slim(model)
    >>> len(model.losses)  # One for each of nine batch normalizations.
    9
    """
    layers = [
        layer
        for layer in keras_internals.all_layers(model)
        if isinstance(layer, keras.layers.BatchNormalization)
        and layer.built
        and layer.scale
        and layer.trainable
    ]
    if not layers:
        raise ValueError(
            f"Model {model.name!r} has no batch normalization with a scale "
            "factor that trains, which slimming penalizes."
        )
    regularizers = [_regularizer(layer, strength) for layer in layers]
    for layer, regularizer in zip(layers, regularizers, strict=True):
        layer.gamma_regularizer = regularizer
        layer.gamma.regularizer = regularizer
    keras_internals.forget_compiled_functions(model)


def _regularizer(layer, strength):
    """Returns an L1 regularizer, with the layer's own L2."""
    own, kinds = layer.gamma_regularizer, keras.regularizers
    known = (type(None), kinds.L1, kinds.L2, kinds.L1L2)
    if not isinstance(own, known):
        raise ValueError(
            f"The gamma of layer {layer.name!r} has a regularizer already. "
            f"Expected none, or L1 or L2. Received: {own!r}"
        )
    l2 = float(getattr(own, "l2", 0.0))
    if l2:
        return kinds.L1L2(float(strength), l2)
    return kinds.L1(float(strength)) if strength else None


METHOD = Method(
    "slim",
    title="L1 on the scales of batch normalization",
    formula=r"L + \lambda \sum \lvert \gamma \rvert",
    call="kprune.callbacks.regularization.slim(model, strength=1e-4)",
    paper="Liu et al., 2017",
    link="https://arxiv.org/abs/1708.06519",
    test="tests/callbacks/test_slimming.py::test_the_gradient_is_the_sign",
)
