"""The networks of the pruning papers, built and ready to prune.

Each function returns a built, functional Keras model of stock layers whose
outputs are logits. All take these keyword-only arguments: `input_shape`,
(height, width, channels); `initializer`, of the kernels, as in
`initializers.get`; `seed`, an integer, or `None` for weights that differ from
run to run; and `name`. They raise `ValueError` for invalid sizes.
"""

from typing import Any

from kprune.models import initializers, own
from kprune.models.cifar_resnet import (
    resnet20,
    resnet32,
    resnet56,
    resnet_cifar,
)
from kprune.models.conv import conv2, conv4, conv6
from kprune.models.fully_connected import fc
from kprune.models.lenet import lenet5, lenet_300_100
from kprune.models.resnet import (
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    wide_resnet50,
)
from kprune.models.vgg import vgg11, vgg13, vgg16, vgg19, vgg19_bn
from kprune.models.wide_resnet import wrn, wrn_16_4, wrn_22_2, wrn_28_2
from kprune.runtime.lookup import choose
from kprune.runtime.types import Model

_MODELS = {
    builder.__name__: builder
    for builder in (
        fc,
        lenet_300_100,
        lenet5,
        conv2,
        conv4,
        conv6,
        vgg11,
        vgg13,
        vgg16,
        vgg19,
        vgg19_bn,
        resnet18,
        resnet34,
        resnet50,
        resnet101,
        wide_resnet50,
        resnet_cifar,
        resnet20,
        resnet32,
        resnet56,
        wrn,
        wrn_16_4,
        wrn_22_2,
        wrn_28_2,
    )
}


def names() -> list[str]:
    """Returns the names of the models, sorted."""
    return sorted(_MODELS)


def get(name: str, **options: Any) -> Model:
    """Builds or loads a model by its name.

    Args:
        name: String, one of `names()`; or `"module:function"`, your own
            function that returns a built model; or the path of a `.keras`
            file.
        **options: Arguments of the function of that name. Your own function
            receives `classes`, `input_shape`, `seed` and `initializer` only if
            it has such parameters, and all others in any case. A file ignores
            these four and accepts no others.

    Returns:
        A built `keras.Model`.

    Raises:
        ValueError: If no model has that name, if the named object is not a
            built model, or if an option is unknown.

    Example:

    >>> kprune.models.get("lenet5", classes=26).output_shape
    (None, 26)
    """
    if own.is_own(name):
        return own.get(name, options)
    return choose(name, _MODELS, "model")(**options)


__all__ = ["get", "initializers", "names", *_MODELS]
