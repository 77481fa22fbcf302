"""Compares sizes and times of a model before and after."""

from kprune.deploy.comparison.comparing import compare
from kprune.deploy.comparison.result import Comparison, Row

__all__ = ["Comparison", "Row", "compare"]
