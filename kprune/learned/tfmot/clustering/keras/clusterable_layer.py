"""The weights of a layer to cluster, by TFMOT's table."""

import abc
from typing import Any

import keras

from kprune.masking import weights

layers = keras.layers

_ROLES = {
    layers.Conv1D: {"kernel"},
    layers.Conv1DTranspose: {"kernel"},
    layers.Conv2D: {"kernel"},
    layers.Conv2DTranspose: {"kernel"},
    layers.Conv3D: {"kernel"},
    layers.Conv3DTranspose: {"kernel"},
    layers.Dense: {"kernel"},
    layers.Embedding: {"embeddings"},
    layers.MultiHeadAttention: {"kernel"},
    layers.SeparableConv1D: {"pointwise_kernel"},
    layers.SeparableConv2D: {"pointwise_kernel"},
}
_WHOLE = (
    layers.BatchNormalization,
    layers.DepthwiseConv2D,  # Clustering costs it too much accuracy.
    layers.LayerNormalization,
)
_RECURRENT = (layers.GRU, layers.LSTM, layers.RNN, layers.SimpleRNN)
_CELLS = (
    layers.GRUCell,
    layers.LSTMCell,
    layers.SimpleRNNCell,
    layers.StackedRNNCells,
)
_RECURRENT_ROLES = {"kernel", "recurrent_kernel"}


class ClusterableLayer(abc.ABC):
    """Base class of custom layers that define which weights to cluster.

    Example:

    >>> base = kprune.tfmot.clustering.keras.ClusterableLayer
    >>> class Own(keras.layers.Dense, base):
    ...     def get_clusterable_weights(self):
    ...         return [("kernel", self.kernel), ("bias", self.bias)]
    """

    @abc.abstractmethod
    def get_clusterable_weights(self) -> list[tuple[str, Any]]:
        """Returns a list of pairs (name, variable), the weights to cluster."""


def is_known(layer):
    """Returns whether the table or the layer defines what to cluster."""
    known = isinstance(layer, ClusterableLayer) or _roles(layer)
    return bool(known) or type(layer) in _WHOLE or not layer.trainable_weights


def has_weights_to_cluster(layer):
    """Returns whether a known layer has, once built, weights to cluster."""
    return isinstance(layer, ClusterableLayer) or bool(_roles(layer))


def clusterable_weights(layer):
    """Returns the variables of a built layer to cluster, a dict by name."""
    if isinstance(layer, ClusterableLayer):
        wanted = {id(v) for _, v in layer.get_clusterable_weights()}
    else:
        roles = _roles(layer)
        wanted = {id(v) for v in layer.weights if v.name in roles}
    return {name: v for name, v in weights.named(layer) if id(v) in wanted}


def _roles(layer):
    """Returns the set of names of a layer's variables to cluster."""
    if type(layer) is layers.Bidirectional:
        both = (layer.forward_layer, layer.backward_layer)
        return set.intersection(*map(_roles, both))
    if type(layer) in _RECURRENT:
        cells = getattr(layer.cell, "cells", [layer.cell])
        known = all(type(cell) in _CELLS for cell in cells)
        return _RECURRENT_ROLES if known else set()
    return _ROLES.get(type(layer), set())
