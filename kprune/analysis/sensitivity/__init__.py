"""How much a model loses with one layer of it pruned at a time."""

from kprune.analysis.sensitivity.measure import sensitivity
from kprune.analysis.sensitivity.result import Cell, Sensitivity, Unit

__all__ = ["Cell", "Sensitivity", "Unit", "sensitivity"]
