"""Dynamic sparse training: masks that move while the network trains.

One updater (`Updater`) drops and grows weights; a method of the literature is
a subclass that overrides the piece in which its paper differs. The callback
`kprune.callbacks.DynamicSparseTraining` runs them.
"""

from kprune.dynamic.deepr import DeepR, SoftDeepR
from kprune.dynamic.dns import DNS
from kprune.dynamic.dsr import DSR
from kprune.dynamic.flops import TrainingFlops, training_flops
from kprune.dynamic.methods import METHODS, get
from kprune.dynamic.moment import Change, Moment
from kprune.dynamic.rigl import RigL
from kprune.dynamic.snfs import SNFS
from kprune.dynamic.sparse_evolutionary import SET
from kprune.dynamic.static import Static
from kprune.dynamic.updater import Updater

__all__ = [
    "DNS",
    "DSR",
    "METHODS",
    "SET",
    "SNFS",
    "Change",
    "DeepR",
    "Moment",
    "RigL",
    "SoftDeepR",
    "Static",
    "TrainingFlops",
    "Updater",
    "get",
    "training_flops",
]
