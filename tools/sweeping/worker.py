"""The name of a cell's log, for tools/runs.py."""

from kprune.experiment.sweep.worker import LOG  # noqa: F401
