"""Penalties that make weights small while a model trains, before they go."""

from kprune.regularization.course import Course
from kprune.regularization.group_lasso import GroupLasso
from kprune.regularization.growing_penalty import GrowingPenalty
from kprune.regularization.prune_train import prune_train
from kprune.regularization.slimming import slim

__all__ = ["Course", "GroupLasso", "GrowingPenalty", "prune_train", "slim"]
