"""Paths of kept weights from a model's inputs to its outputs."""

from kprune.graph.paths.following import count, counting_twin, find

__all__ = ["count", "counting_twin", "find"]
