"""Callbacks for `fit`."""

from kprune.training import Checkpoint

__all__ = ["Checkpoint"]
