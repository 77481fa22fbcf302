"""Penalties that shrink weights during training."""

from kprune.callbacks.regularization.group_lasso import GroupLasso
from kprune.callbacks.regularization.growing_penalty import GrowingPenalty
from kprune.callbacks.regularization.penalty_schedule import PenaltySchedule
from kprune.callbacks.regularization.prune_train import prune_train
from kprune.callbacks.regularization.slimming import slim

__all__ = [
    "GroupLasso",
    "GrowingPenalty",
    "PenaltySchedule",
    "prune_train",
    "slim",
]
