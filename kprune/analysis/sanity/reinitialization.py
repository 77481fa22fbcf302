"""Redraws the weights and keeps the masks."""

import numpy as np

from kprune.masking import initializers, weights, wrapping
from kprune.runtime import keras_internals, seeds
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


@checked()
def reinitialize(model, seed=0):
    """Draws all weights anew and keeps the masks.

    Each by its layer's own initializer, biases and batch normalization too,
    its moving statistics included: the model is one that has not been trained.
    Layers that are frozen stay as they are, and so does what no initializer
    made, such as the mean of a `keras.layers.Normalization`. The optimizer
    keeps its state: compile again for a fresh one.
    `kprune.kept_weights.reinitialize` draws for the fewer inputs that pruning
    whole channels leaves; here a layer is drawn as if nothing were pruned.

    Args:
        model: A built Keras model, wrapped or not, changed in place.
        seed: Integer >= 0.

    Raises:
        ValueError: If a layer does not tell the initializer of a weight it
            trains. The model has not been changed then.

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
def shuffle_weights(model, seed=0):
    """Permutes the kept values of each weight among their places.

    The mask stays, and so does how the values of a layer are distributed.

    Args:
        model: A wrapped model, changed in place.
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
    """Returns the layer that made each variable, by the variable's id."""
    return {
        id(variable): layer
        for layer in keras_internals.all_layers(model)  # Parents come first.
        for variable in layer.variables
    }


def _assign(model, drawn):
    for variable, value in drawn:
        variable.assign(value)
    if any(weight.mask is not None for weight in weights.find(model)):
        # Zeroes what they prune.
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
