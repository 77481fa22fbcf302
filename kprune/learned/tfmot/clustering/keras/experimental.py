"""Clustering with the options that TFMOT calls experimental."""

from typing import Any

import keras

from kprune.learned.tfmot.clustering.keras import cluster
from kprune.learned.tfmot.clustering.keras.cluster_config import (
    CentroidInitialization,
)


def cluster_weights(
    to_cluster: keras.layers.Layer | list[keras.layers.Layer],
    number_of_clusters: int,
    cluster_centroids_init: (
        CentroidInitialization | str
    ) = CentroidInitialization.KMEANS_PLUS_PLUS,
    preserve_sparsity: bool = False,
    cluster_per_channel: bool = False,
    **kwargs: Any,
) -> Any:
    """Wraps a layer or model as `cluster_weights`, with further options.

    Args:
        to_cluster, number_of_clusters, cluster_centroids_init: As for
            `kprune.tfmot.clustering.keras.cluster_weights`; at least 3
            clusters with `preserve_sparsity`.
        preserve_sparsity: Whether one centroid is zero, and entries that start
            at it stay zero. Defaults to `False`.
        cluster_per_channel: Whether each output channel of a `Conv2D` has its
            own centroids. Defaults to `False`.
        **kwargs: Arguments of the wrapper.

    Returns:
        As `cluster_weights`.
    """
    return cluster.cluster_weights(
        to_cluster,
        number_of_clusters,
        cluster_centroids_init,
        preserve_sparsity=preserve_sparsity,
        cluster_per_channel=cluster_per_channel,
        **kwargs,
    )
