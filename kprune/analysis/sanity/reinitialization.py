"""Redraws the weights and keeps the masks."""

import numpy as np

from kprune.masking import initializers, weights, wrapping
from kprune.runtime import keras_internals, seeds
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.runtime.types import Model


@checked()
def reinitialize(model: Model, seed: int = 0) -> None:
    """Redraws all weights in place and keeps the masks.

    Each variable is drawn by its layer's own initializer, including biases and
    the gamma, beta and moving statistics of batch normalization: the model is
    then untrained. Frozen layers are unchanged, and so are variables without
    an initializer, such as the mean of a `keras.layers.Normalization`. The
    optimizer keeps its state: compile again for a fresh one.
    `kprune.kept_weights.reinitialize` draws for the fan-in that is left after
    whole channels are pruned; this function draws for the dense fan-in.

    Args:
        model: A built Keras model, wrapped or not. It is changed in place.
        seed: Integer >= 0.

    Raises:
        ValueError: If the initializer of a trainable weight is unknown. The
            model is unchanged then.

    Example:

    >>> pruned = kprune.prune(model, "magnitude", sparsity=0.9)
    >>> kprune.sanity.reinitialize(pruned, seed=1)
    """
    owners = _owners(model)
    drawn = []
    for name, variable in weights.named(model):
        layer, role = owners[id(variable)], variable.name
        known = initializers.initializer(layer, role) is not None
        if layer.trainable and (known or variable.trainable):
            shape = tuple(variable.shape)
            value = initializers.draw(layer, role, shape, seed, name)
            drawn.append((variable, value))
    _assign(model, drawn)


@checked()
def shuffle_weights(model: Model, seed: int = 0) -> None:
    """Permutes the kept values of each weight in place.

    The masks and the distribution of the values of each weight are unchanged.

    Args:
        model: A wrapped model. It is changed in place.
        seed: Integer >= 0.

    Raises:
        ValueError: If the model has no masks.

    Example:

    >>> pruned = kprune.prune(model, "magnitude", sparsity=0.9)
    >>> kprune.sanity.shuffle_weights(pruned, seed=1)
    """
    wrapping.get_masks(model)  # Raises if there are none.
    drawn = []
    for weight in weights.find(model):
        if weight.mask is not None:
            kept = np.asarray(weight.mask)
            value = np.array(weight.variable)
            stream = seeds.stream(seed, "shuffle_weights", weight.name)
            value[kept] = stream.permutation(value[kept])
            drawn.append((weight.variable, value))
    _assign(model, drawn)


def _owners(model):
    """Returns the innermost layer of each variable, by the variable's id."""
    return {
        id(variable): layer
        for layer in keras_internals.all_layers(model)  # Parents come first.
        for variable in layer.variables
    }


def _assign(model, drawn):
    for variable, value in drawn:
        variable.assign(value)
    if any(weight.mask is not None for weight in weights.find(model)):
        # Zeroes the pruned entries again.
        wrapping.set_masks(model, wrapping.get_masks(model))


METHOD = Method(
    "reinitialize",
    title="check: weights drawn anew",
    call="kprune.sanity.reinitialize(model, seed=1)",
    paper="Frankle et al., 2021",
    link="https://arxiv.org/abs/2009.08576",
    test="tests/analysis/test_reinitialization.py::"
    "test_weights_change_and_masks_stay",
)
