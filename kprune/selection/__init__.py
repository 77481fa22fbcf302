"""Sparse selection: the weights stay as they are, which ones is learned."""

from kprune.selection.gates import learned_gates
from kprune.selection.neuron_supermask import neuron_supermask

__all__ = ["learned_gates", "neuron_supermask"]
