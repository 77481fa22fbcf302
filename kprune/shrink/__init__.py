"""Physically smaller models with the same outputs."""

from kprune.shrink.result import Plan, Row
from kprune.shrink.shrinking import compact, plan, shrink

__all__ = ["Plan", "Row", "compact", "plan", "shrink"]
