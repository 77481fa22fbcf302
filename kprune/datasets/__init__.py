"""The data sets of the pruning literature, ready for `fit`.

To add one, add a row with its normalization constants to `catalogue.py`.
"""

from kprune.datasets.catalogue import Info, info, names
from kprune.datasets.loading import load, load_arrays

__all__ = ["Info", "info", "load", "load_arrays", "names"]
