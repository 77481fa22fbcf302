"""`tfmot.clustering.keras` on Keras 3: trains few distinct weights."""

from kprune.learned.tfmot.clustering.keras import experimental
from kprune.learned.tfmot.clustering.keras.cluster import (
    cluster_scope,
    cluster_weights,
    strip_clustering,
)
from kprune.learned.tfmot.clustering.keras.cluster_config import (
    CentroidInitialization,
)
from kprune.learned.tfmot.clustering.keras.clusterable_layer import (
    ClusterableLayer,
)

__all__ = [
    "CentroidInitialization",
    "ClusterableLayer",
    "cluster_scope",
    "cluster_weights",
    "experimental",
    "strip_clustering",
]
