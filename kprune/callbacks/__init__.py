"""Callbacks for `fit`: pruning while training, logs, checkpoints."""

from kprune.callbacks.dynamic.callback import DynamicSparseTraining
from kprune.callbacks.early_bird import EarlyBird
from kprune.callbacks.early_crop import EarlyCroP
from kprune.callbacks.gradual import GradualPruning
from kprune.callbacks.movement import MovementPruning
from kprune.callbacks.regularization.growing import GrowingRegularization
from kprune.masking.sparsity_logger import SparsityLogger
from kprune.training import Checkpoint

__all__ = [
    "Checkpoint",
    "DynamicSparseTraining",
    "EarlyBird",
    "EarlyCroP",
    "GradualPruning",
    "GrowingRegularization",
    "MovementPruning",
    "SparsityLogger",
]
