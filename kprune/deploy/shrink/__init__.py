"""Physically smaller models with the same outputs."""

from kprune.deploy.shrink.result import Plan, Row
from kprune.deploy.shrink.shrinking import compact, plan, shrink

__all__ = ["Plan", "Row", "compact", "plan", "shrink"]
