"""What a weight costs: how often a forward pass multiplies with it."""

from kprune.graph.costs.multiply_adds import count_uses

__all__ = ["count_uses"]
