"""Removes pruned channels physically; outputs stay the same."""

from kprune.deploy.shrink.result import Plan, Row
from kprune.deploy.shrink.shrinking import compact, plan, shrink

__all__ = ["Plan", "Row", "compact", "plan", "shrink"]
