"""Networks and masks compared with each other, after the fact."""

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
