"""Callbacks for `fit`: pruning while training, and checkpoints."""

from kprune.callbacks.dynamic import DynamicSparseTraining
from kprune.callbacks.gradual import GradualPruning
from kprune.training import Checkpoint

__all__ = ["Checkpoint", "DynamicSparseTraining", "GradualPruning"]
