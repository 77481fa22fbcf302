"""Reports on a pruned model, as data and as a table."""

from kprune.analysis.report.measure import report
from kprune.analysis.report.result import Report
from kprune.analysis.report.row import Row
from kprune.analysis.report.table import summary

__all__ = ["Report", "Row", "report", "summary"]
