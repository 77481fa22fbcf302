"""Measures what pruning one layer at a time costs a model."""

from kprune.analysis.sensitivity.measure import sensitivity
from kprune.analysis.sensitivity.result import Cell, Sensitivity, Unit

__all__ = ["Cell", "Sensitivity", "Unit", "sensitivity"]
