"""Sanity checks: does a method learn more than a sparsity for each layer?

Frankle et al., 2021, Pruning neural networks at initialization: Why are we
missing the mark? https://arxiv.org/abs/2009.08576. Su et al., 2020,
Sanity-checking pruning methods: Random tickets can win the jackpot,
https://arxiv.org/abs/2009.11094.
"""

from kprune.analysis.sanity.checking import CHECKS, checked, invert
from kprune.analysis.sanity.data import corrupt
from kprune.analysis.sanity.reinitialization import (
    reinitialize,
    shuffle_weights,
)
from kprune.analysis.sanity.shuffling import random_same_counts, shuffle
from kprune.analysis.sanity.verdicts import Verdict, verdict

__all__ = [
    "CHECKS",
    "Verdict",
    "checked",
    "corrupt",
    "invert",
    "random_same_counts",
    "reinitialize",
    "shuffle",
    "shuffle_weights",
    "verdict",
]
