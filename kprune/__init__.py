"""kprune: pruning for Keras 3 on TensorFlow."""

from kprune import (
    analysis,
    callbacks,
    datasets,
    experiment,
    learned,
    models,
    tickets,
    training,
)
from kprune.analysis import sanity
from kprune.analysis.report import report, summary
from kprune.analysis.sensitivity import sensitivity
from kprune.deploy.comparison import compare
from kprune.deploy.exporting import export
from kprune.deploy.quantization import quantize
from kprune.deploy.runtimes.packed import load_packed
from kprune.deploy.shrink import compact, shrink
from kprune.experiment.compression.compressing import compress
from kprune.learned import tfmot
from kprune.learned.select import select
from kprune.masking import masks
from kprune.masking.layouts import register_layer
from kprune.masking.masked import Masked
from kprune.masking.wrapping import get_masks, set_masks, strip, wrap
from kprune.pruning import (
    allocation,
    criteria,
    granularity,
    kept_weights,
    recipes,
    schedules,
    testing,
)
from kprune.pruning.chain import Chain
from kprune.pruning.granularity import (
    NM,
    Block,
    Channel,
    Kernel,
    ResidualBlock,
)
from kprune.pruning.neurons.prune_and_build import prune_and_build
from kprune.pruning.prune import prune
from kprune.pruning.pruner import Pruner
from kprune.pruning.score import score
from kprune.runtime.methods import methods
from kprune.runtime.version import __version__
from kprune.scoring.batches import class_balanced
from kprune.scoring.config import ScoringConfig
from kprune.scoring.objective import Objective

__all__ = [
    "NM",
    "Block",
    "Chain",
    "Channel",
    "Kernel",
    "Masked",
    "Objective",
    "Pruner",
    "ResidualBlock",
    "ScoringConfig",
    "__version__",
    "allocation",
    "analysis",
    "callbacks",
    "class_balanced",
    "compact",
    "compare",
    "compress",
    "criteria",
    "datasets",
    "experiment",
    "export",
    "get_masks",
    "granularity",
    "kept_weights",
    "learned",
    "load_packed",
    "masks",
    "methods",
    "models",
    "prune",
    "prune_and_build",
    "quantize",
    "recipes",
    "register_layer",
    "report",
    "sanity",
    "schedules",
    "score",
    "select",
    "sensitivity",
    "set_masks",
    "shrink",
    "strip",
    "summary",
    "testing",
    "tfmot",
    "tickets",
    "training",
    "wrap",
]
