"""kprune: pruning for Keras 3 on TensorFlow."""

from kprune import (
    allocation,
    analysis,
    callbacks,
    criteria,
    datasets,
    dynamic,
    experiment,
    granularity,
    literature,
    masks,
    models,
    recipes,
    regularization,
    sanity,
    schedules,
    selection,
    soft,
    survivors,
    testing,
    tickets,
    training,
)
from kprune.batches import class_balanced
from kprune.comparison import compare
from kprune.export import export
from kprune.granularity import NM, Block, Channel
from kprune.in_turn import InTurn
from kprune.layouts import register_layer
from kprune.masking import get_masks, set_masks, strip, wrap
from kprune.objective import Objective
from kprune.probe import Probe
from kprune.prune_and_build import pab
from kprune.pruner import Pruner
from kprune.pruning import prune, score
from kprune.recipes import methods
from kprune.report import report, summary
from kprune.selection import select
from kprune.shrink import compact, shrink
from kprune.version import __version__
from kprune.wrapper import Masked

__all__ = [
    "NM",
    "Block",
    "Channel",
    "InTurn",
    "Masked",
    "Objective",
    "Probe",
    "Pruner",
    "__version__",
    "allocation",
    "analysis",
    "callbacks",
    "class_balanced",
    "compact",
    "compare",
    "criteria",
    "datasets",
    "dynamic",
    "experiment",
    "export",
    "get_masks",
    "granularity",
    "literature",
    "masks",
    "methods",
    "models",
    "pab",
    "prune",
    "recipes",
    "register_layer",
    "regularization",
    "report",
    "sanity",
    "schedules",
    "score",
    "select",
    "selection",
    "set_masks",
    "shrink",
    "soft",
    "strip",
    "summary",
    "survivors",
    "testing",
    "tickets",
    "training",
    "wrap",
]
