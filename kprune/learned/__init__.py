"""Sparsity learned by gradient descent.

Reparametrization (STR, L0) trains weights together with their sparsity.
Selection (supermasks, edge-popup, biprop) freezes the weights and learns which
of them to use. `tfmot` has the API of the TensorFlow Model Optimization
toolkit, `kprune.tfmot`.
"""

from kprune.learned.binary_sign import binary_sign
from kprune.learned.biprop import Biprop, biprop
from kprune.learned.edge_popup import EdgePopup, edge_popup
from kprune.learned.gates import learned_gates
from kprune.learned.gem_miner import Gem, GemMiner, gem_miner
from kprune.learned.global_selection import GlobalSelection
from kprune.learned.hard_concrete import HardConcrete, hard_concrete
from kprune.learned.hopfield import HopfieldStack
from kprune.learned.learned_mask import LearnedMask, TopK
from kprune.learned.neuron_supermask import neuron_supermask
from kprune.learned.recycling import WeightRecycling
from kprune.learned.reparametrized import Reparametrized
from kprune.learned.results import (
    effective_weights,
    selected_masks,
    sparsity,
    to_masked,
    zeros,
)
from kprune.learned.select import select
from kprune.learned.selected import Selected
from kprune.learned.soft_threshold import SoftThreshold, soft_threshold
from kprune.learned.supermask import Supermask, supermask
from kprune.learned.supsup import SupermaskStack
from kprune.learned.unnamed_tasks import train_unnamed
from kprune.masking.sparsity_logger import SparsityLogger

__all__ = [
    "Biprop",
    "EdgePopup",
    "Gem",
    "GemMiner",
    "GlobalSelection",
    "HardConcrete",
    "HopfieldStack",
    "LearnedMask",
    "Reparametrized",
    "Selected",
    "SoftThreshold",
    "SparsityLogger",
    "Supermask",
    "SupermaskStack",
    "TopK",
    "WeightRecycling",
    "binary_sign",
    "biprop",
    "edge_popup",
    "effective_weights",
    "gem_miner",
    "hard_concrete",
    "learned_gates",
    "neuron_supermask",
    "select",
    "selected_masks",
    "soft_threshold",
    "sparsity",
    "supermask",
    "to_masked",
    "train_unnamed",
    "zeros",
]
