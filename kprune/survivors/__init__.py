"""What becomes of the weights that stay when others are pruned."""

from kprune.survivors.centroids import Centroids, centroids
from kprune.survivors.coreset import coreset
from kprune.survivors.fan_in import reinitialize, rescale_variance
from kprune.survivors.isometry import isometry
from kprune.survivors.rescale import rescale

__all__ = [
    "Centroids",
    "centroids",
    "coreset",
    "isometry",
    "reinitialize",
    "rescale",
    "rescale_variance",
]
