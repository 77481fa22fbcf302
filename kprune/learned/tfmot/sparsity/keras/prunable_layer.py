"""The weights of a layer to prune, by TFMOT's table."""

import abc
from typing import Any

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
    """Base class of custom layers that define which weights to prune.

    Example:

    >>> base = kprune.tfmot.sparsity.keras.PrunableLayer
    >>> class Own(keras.layers.Dense, base):
    ...     def get_prunable_weights(self):
    ...         return [self.kernel, self.bias]
    """

    @abc.abstractmethod
    def get_prunable_weights(self) -> list[Any]:
        """Returns the variables to prune, a list."""


def says_itself(layer):
    """Returns whether a layer has `get_prunable_weights`."""
    return hasattr(layer, "get_prunable_weights")


def is_known(layer):
    """Returns whether the table or the layer defines what to prune."""
    if says_itself(layer) or type(layer) in _ROLES:
        return True
    if type(layer) in _RECURRENT:
        return all(
            type(cell) in _CELLS or says_itself(cell) for cell in _cells(layer)
        )
    if (type(layer).__module__ or "").startswith("keras."):
        # A layer without its own `build` creates no weights.
        made = layer.built or type(layer).build is layers.Layer.build
        return made and not weights.find(layer, inside_wrapper=True)
    return layer.built and not layer.trainable_weights


def has_weights_to_prune(layer):
    """Returns whether a known layer has, once built, weights to prune."""
    roles = _ROLES.get(type(layer), type(layer) in _RECURRENT)
    return says_itself(layer) or bool(roles)


def prunable_weights(layer):
    """Returns pairs (name, variable) of a built layer's weights to prune."""
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
    """Returns the cells of a recurrent layer; for others, the layer itself."""
    cell = getattr(layer, "cell", layer)
    return getattr(cell, "cells", [cell])
