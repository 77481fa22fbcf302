"""Counts how often a forward pass multiplies by each weight."""

from kprune.graph.costs.multiply_adds import count_uses

__all__ = ["count_uses"]
