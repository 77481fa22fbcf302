"""What a change of a model buys: sizes and times, before and after."""

from kprune.comparison.comparing import compare
from kprune.comparison.result import Comparison, Row

__all__ = ["Comparison", "Row", "compare"]
