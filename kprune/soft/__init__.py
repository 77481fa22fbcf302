"""Sparsity that is learned: soft thresholds (STR) and L0 regularization.

    soft_threshold(model)           one learned threshold per weight
    hard_concrete(model, examples)  learned random gates on units and maps

Both return a Keras model to compile and fit as any other. `sparsity` says how
far it has come, `harden` makes a model with masks of it. The rest of kprune
(`kprune.report` for one) is for the latter: of a soft model it sees the stored
weights, which stay dense.
"""

from kprune.soft.hard_concrete import HardConcrete, hard_concrete
from kprune.soft.reached import (
    SparsityLogger,
    effective_weights,
    sparsity,
    zeros,
)
from kprune.soft.soft_threshold import SoftThreshold, soft_threshold
from kprune.soft.wrapper import Reparametrized
from kprune.soft.wrapping import harden

__all__ = [
    "HardConcrete",
    "Reparametrized",
    "SoftThreshold",
    "SparsityLogger",
    "effective_weights",
    "hard_concrete",
    "harden",
    "soft_threshold",
    "sparsity",
    "zeros",
]
