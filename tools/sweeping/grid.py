"""What tools/comparison reads of a sweep's plan."""

from kprune.experiment.sweep.grid import DENSE, variants  # noqa: F401
