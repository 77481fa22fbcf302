"""What a pruned model looks like: as data, and as a table."""

from kprune.report.measure import report
from kprune.report.result import Report
from kprune.report.row import Row
from kprune.report.table import summary

__all__ = ["Report", "Row", "report", "summary"]
