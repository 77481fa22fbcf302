"""Rules that update kept weights after pruning."""

from kprune.pruning.kept_weights.biases import correct_biases
from kprune.pruning.kept_weights.centroids import Centroids, centroids
from kprune.pruning.kept_weights.cluster import cluster
from kprune.pruning.kept_weights.fan_in import (
    reinitialize,
    rescale,
    rescale_variance,
)
from kprune.pruning.kept_weights.isometry import isometry
from kprune.pruning.kept_weights.recalibration import recalibrate
from kprune.pruning.kept_weights.reconstruction import reconstruct
from kprune.pruning.kept_weights.surgery import surgeon
from kprune.pruning.neurons.coreset import coreset

__all__ = [
    "Centroids",
    "centroids",
    "cluster",
    "coreset",
    "correct_biases",
    "isometry",
    "recalibrate",
    "reconstruct",
    "reinitialize",
    "rescale",
    "rescale_variance",
    "surgeon",
]
