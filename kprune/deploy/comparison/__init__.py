"""What a change of a model buys: sizes and times, before and after."""

from kprune.deploy.comparison.comparing import compare
from kprune.deploy.comparison.result import Comparison, Row

__all__ = ["Comparison", "Row", "compare"]
