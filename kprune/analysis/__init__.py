"""Compares trained networks and masks with each other."""

from kprune.analysis.connectivity import Line, linear_connectivity
from kprune.analysis.gradients import GradientFlow, gradient_flow
from kprune.analysis.overlap import Overlaps, overlaps

__all__ = [
    "GradientFlow",
    "Line",
    "Overlaps",
    "gradient_flow",
    "linear_connectivity",
    "overlaps",
]
