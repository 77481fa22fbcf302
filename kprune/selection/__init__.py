"""Sparse selection: the weights stay as they are, which ones is learned."""

from kprune.selection.biprop import Biprop, biprop
from kprune.selection.choice import Choice, TopK
from kprune.selection.chosen import harden, selected_masks, sparsity
from kprune.selection.edge_popup import EdgePopup, edge_popup
from kprune.selection.gates import learned_gates
from kprune.selection.global_selection import GlobalSelection
from kprune.selection.neuron_supermask import neuron_supermask
from kprune.selection.selecting import select
from kprune.selection.stack import SupermaskStack
from kprune.selection.supermask import Supermask, supermask
from kprune.selection.wrapper import Selected
from kprune.selection.zhou_actions import (
    ONE_ACTIONS,
    ZERO_ACTIONS,
    zhou_values,
)
from kprune.selection.zhou_criteria import CRITERIA, zhou_masks

__all__ = [
    "CRITERIA",
    "ONE_ACTIONS",
    "ZERO_ACTIONS",
    "Biprop",
    "Choice",
    "EdgePopup",
    "GlobalSelection",
    "Selected",
    "Supermask",
    "SupermaskStack",
    "TopK",
    "biprop",
    "edge_popup",
    "harden",
    "learned_gates",
    "neuron_supermask",
    "select",
    "selected_masks",
    "sparsity",
    "supermask",
    "zhou_masks",
    "zhou_values",
]
