"""Dynamic sparse training: masks that move during training.

`MaskUpdater` drops and grows weights; each method of the literature is a
subclass that overrides the parts in which its paper differs. The callback
`kprune.callbacks.DynamicSparseTraining` runs them.
"""

from kprune.callbacks.dynamic.acdc import ACDC
from kprune.callbacks.dynamic.cannistraci_hebb import CHT
from kprune.callbacks.dynamic.deepr import DeepR, SoftDeepR
from kprune.callbacks.dynamic.dns import DNS
from kprune.callbacks.dynamic.dpf import DPF
from kprune.callbacks.dynamic.dsr import DSR
from kprune.callbacks.dynamic.flops import TrainingFlops, training_flops
from kprune.callbacks.dynamic.granet import GraNet
from kprune.callbacks.dynamic.mest import MEST
from kprune.callbacks.dynamic.rigl import RigL
from kprune.callbacks.dynamic.snfs import SNFS
from kprune.callbacks.dynamic.sparse_evolutionary import SET
from kprune.callbacks.dynamic.srigl import SRigL
from kprune.callbacks.dynamic.static import Static
from kprune.callbacks.dynamic.top_kast import TopKAST
from kprune.callbacks.dynamic.training_state import MaskUpdate, TrainingState
from kprune.callbacks.dynamic.updater import MaskUpdater, get

__all__ = [
    "ACDC",
    "CHT",
    "DNS",
    "DPF",
    "DSR",
    "MEST",
    "SET",
    "SNFS",
    "DeepR",
    "GraNet",
    "MaskUpdate",
    "MaskUpdater",
    "RigL",
    "SRigL",
    "SoftDeepR",
    "Static",
    "TopKAST",
    "TrainingFlops",
    "TrainingState",
    "get",
    "training_flops",
]
