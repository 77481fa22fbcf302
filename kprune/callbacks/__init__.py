"""Callbacks for `fit`: pruning while training, early birds, checkpoints."""

from kprune.callbacks.dynamic import DynamicSparseTraining
from kprune.callbacks.early_bird import EarlyBird
from kprune.callbacks.gradual import GradualPruning
from kprune.callbacks.growing import GrowingRegularization
from kprune.training import Checkpoint

__all__ = [
    "Checkpoint",
    "DynamicSparseTraining",
    "EarlyBird",
    "GradualPruning",
    "GrowingRegularization",
]
