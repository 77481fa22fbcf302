"""Clustering with the options that TFMOT calls experimental."""

from kprune.learned.tfmot.clustering.keras import cluster
from kprune.learned.tfmot.clustering.keras.cluster_config import (
    CentroidInitialization,
)


def cluster_weights(
    to_cluster,
    number_of_clusters,
    cluster_centroids_init=CentroidInitialization.KMEANS_PLUS_PLUS,
    preserve_sparsity=False,
    cluster_per_channel=False,
    **kwargs,
):
    """Wraps a layer or model to be clustered, as `cluster_weights` does.

    Args:
        to_cluster, number_of_clusters, cluster_centroids_init: As there.
        preserve_sparsity: Whether what is nearest to zero to begin with stays
            zero. Defaults to `False`.
        cluster_per_channel: Whether each output channel of a `Conv2D` has
            centroids of its own. Defaults to `False`.
        **kwargs: Arguments of the wrapper.

    Returns:
        As `cluster_weights` does.
    """
    return cluster.cluster_weights(
        to_cluster,
        number_of_clusters,
        cluster_centroids_init,
        preserve_sparsity=preserve_sparsity,
        cluster_per_channel=cluster_per_channel,
        **kwargs,
    )
