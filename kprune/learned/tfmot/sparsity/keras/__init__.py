"""`tfmot.sparsity.keras` on Keras 3: magnitude pruning during training."""

from kprune.learned.tfmot.sparsity.keras import pruning_wrapper
from kprune.learned.tfmot.sparsity.keras.prunable_layer import PrunableLayer
from kprune.learned.tfmot.sparsity.keras.prune import (
    prune_low_magnitude,
    prune_scope,
    strip_pruning,
)
from kprune.learned.tfmot.sparsity.keras.pruning_callbacks import (
    PruningSummaries,
    UpdatePruningStep,
)
from kprune.learned.tfmot.sparsity.keras.pruning_policy import (
    PruneForLatencyOnXNNPack,
    PruningPolicy,
)
from kprune.learned.tfmot.sparsity.keras.pruning_schedule import (
    ConstantSparsity,
    PolynomialDecay,
    PruningSchedule,
)

__all__ = [
    "ConstantSparsity",
    "PolynomialDecay",
    "PrunableLayer",
    "PruneForLatencyOnXNNPack",
    "PruningPolicy",
    "PruningSchedule",
    "PruningSummaries",
    "UpdatePruningStep",
    "prune_low_magnitude",
    "prune_scope",
    "pruning_wrapper",
    "strip_pruning",
]
