"""Neurons of fully connected networks: stack, class sums, ranks."""

from kprune.scoring.neurons.class_sums import ClassSums, class_sums
from kprune.scoring.neurons.ranks import (
    break_ties,
    class_ranks,
    places,
    rank_scores,
)
from kprune.scoring.neurons.stack import (
    Read,
    hidden_layers,
    masks_of,
    output_layer,
    set_masks,
)

__all__ = [
    "ClassSums",
    "Read",
    "break_ties",
    "class_ranks",
    "class_sums",
    "hidden_layers",
    "masks_of",
    "output_layer",
    "places",
    "rank_scores",
    "set_masks",
]
