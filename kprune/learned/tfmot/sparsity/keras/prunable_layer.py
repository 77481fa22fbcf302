"""The weights of a layer to prune, by TFMOT's table."""

import abc

import keras

from kprune.masking import weights

layers = keras.layers

_ROLES = {
    layers.BatchNormalization: set(),
    layers.Conv1D: {"kernel"},
    layers.Conv2D: {"kernel"},
    layers.Conv2DTranspose: {"kernel"},
    layers.Conv3D: {"kernel"},
    layers.Conv3DTranspose: {"kernel"},
    layers.Dense: {"kernel"},
    layers.DepthwiseConv2D: set(),
    layers.Embedding: {"embeddings"},
    layers.LayerNormalization: set(),
    layers.MultiHeadAttention: {"kernel"},
    layers.SeparableConv1D: {"pointwise_kernel"},
    layers.SeparableConv2D: {"pointwise_kernel"},
}
_RECURRENT = (layers.GRU, layers.LSTM, layers.RNN, layers.SimpleRNN)
_CELLS = (layers.GRUCell, layers.LSTMCell, layers.SimpleRNNCell)
_RECURRENT_ROLES = {"kernel", "recurrent_kernel"}


class PrunableLayer(abc.ABC):
    """A layer of one's own that says which of its weights to prune.

    Example:

    >>> base = kprune.tfmot.sparsity.keras.PrunableLayer
    >>> class Own(keras.layers.Dense, base):
    ...     def get_prunable_weights(self):
    ...         return [self.kernel, self.bias]
    """

    @abc.abstractmethod
    def get_prunable_weights(self):
        """Returns the variables to prune, a list."""


def says_itself(layer):
    """Whether a layer says which of its weights to prune."""
    return hasattr(layer, "get_prunable_weights")


def is_known(layer):
    """Whether it is known which weights of a layer to prune, if any."""
    if says_itself(layer) or type(layer) in _ROLES:
        return True
    if type(layer) in _RECURRENT:
        return all(
            type(cell) in _CELLS or says_itself(cell) for cell in _cells(layer)
        )
    if (type(layer).__module__ or "").startswith("keras."):
        # Without a `build` of its own it makes no weights.
        made = layer.built or type(layer).build is layers.Layer.build
        return made and not weights.find(layer, inside_wrapper=True)
    return layer.built and not layer.trainable_weights


def has_weights_to_prune(layer):
    """Whether a layer that is known has, or will have, weights to prune."""
    roles = _ROLES.get(type(layer), type(layer) in _RECURRENT)
    return says_itself(layer) or bool(roles)


def prunable_weights(layer):
    """Returns pairs (name, variable) of what is pruned of a built layer."""
    named = list(weights.named(layer))
    if says_itself(layer):
        wanted = {id(v) for v in layer.get_prunable_weights()}
    else:
        wanted = set()
        for cell in _cells(layer):
            if says_itself(cell):
                wanted |= {id(v) for v in cell.get_prunable_weights()}
                continue
            roles = _ROLES.get(type(layer), _RECURRENT_ROLES)
            own = [v for v in cell.weights if v.name in roles]
            wanted |= {id(v) for v in own}
    return [(name, v) for name, v in named if id(v) in wanted]


def _cells(layer):
    """Returns the cells of a recurrent layer; another is its own."""
    cell = getattr(layer, "cell", layer)
    return getattr(cell, "cells", [cell])
