"""Wraps a model's layers for clustering, and unwraps them."""

import contextlib
from typing import Any

import keras

from kprune.learned.tfmot.clustering.keras.cluster_config import (
    CentroidInitialization,
)
from kprune.learned.tfmot.clustering.keras.cluster_wrapper import (
    ClusterWeights,
    check_arguments,
    check_known,
)
from kprune.learned.tfmot.clustering.keras.clusterable_layer import (
    clusterable_weights,
    has_weights_to_cluster,
)
from kprune.learned.tfmot.wrapping import check_graph, check_kind, each_layer
from kprune.masking import cloning, wrapping
from kprune.runtime import types, user_warnings
from kprune.runtime.doors import checked


def cluster_weights(
    to_cluster: keras.layers.Layer | list[keras.layers.Layer],
    number_of_clusters: int,
    cluster_centroids_init: (
        CentroidInitialization | str
    ) = CentroidInitialization.KMEANS_PLUS_PLUS,
    **kwargs: Any,
) -> Any:
    """Wraps a trained layer or model to fine-tune it with few distinct weights.

    Each weight tensor computes with `number_of_clusters` distinct values, its
    centroids. Training changes both the centroids and the assignment of
    weights to them. Train the model as usual, then call `strip_clustering`.

    Args:
        to_cluster: A Keras layer, a list of layers, or a Sequential or
            Functional model. A model is not modified (in TFMOT the result
            shares its layers); single layers are wrapped themselves.
        number_of_clusters: Integer >= 2, the number of values of each tensor.
        cluster_centroids_init: A `CentroidInitialization`. Defaults to
            `KMEANS_PLUS_PLUS`.
        **kwargs: `preserve_sparsity` and `cluster_per_channel`, as for
            `experimental.cluster_weights`, and arguments of the wrapper.

    Returns:
        A wrapped layer, a list of them, or a model that is not compiled. A
        layer with no more weights than clusters is returned unwrapped, with a
        warning.

    Raises:
        ValueError: If an argument is invalid, or a layer is of a class that
            TFMOT does not cluster.

    Example:

    >>> clustering = kprune.tfmot.clustering.keras
    >>> linear = clustering.CentroidInitialization.LINEAR
    >>> clustered = clustering.cluster_weights(model, 8, linear)
    >>> clustered.compile("adam", "sparse_categorical_crossentropy")
    >>> history = clustered.fit(train, verbose=0)
    >>> plain = clustering.strip_clustering(clustered)
    """
    per_channel = kwargs.get("cluster_per_channel", False)
    check_arguments(
        number_of_clusters,
        cluster_centroids_init,
        kwargs.get("preserve_sparsity", False),
        per_channel,
    )

    def wrapped(layer):
        done = isinstance(layer, ClusterWeights | keras.layers.InputLayer)
        if done or not isinstance(layer, keras.layers.Layer):
            return None
        check_known(layer)
        if not has_weights_to_cluster(layer):
            return None
        if _is_small(layer, number_of_clusters, per_channel):
            return None
        return ClusterWeights(
            layer, number_of_clusters, cluster_centroids_init, **kwargs
        )

    check_kind("to_cluster", to_cluster)
    if isinstance(to_cluster, list):
        return [wrapped(layer) or layer for layer in to_cluster]
    if not isinstance(to_cluster, keras.Model):
        return wrapped(to_cluster) or to_cluster
    check_graph("to_cluster", to_cluster, "kprune.kept_weights.cluster")
    for layer in each_layer(to_cluster):
        if not isinstance(layer, ClusterWeights):
            check_known(layer)
    with cloning.strategy_scope(to_cluster):
        copy = cloning.plain_copy(to_cluster)
        return cloning.replace_layers(copy, wrapped)


@checked()
def strip_clustering(model: types.Model) -> types.Model:
    """Returns a plain Keras model with the clustered weights.

    Args:
        model: A model with layers of `cluster_weights`. It is not modified.

    Returns:
        A Keras model with its original names, compiled like `model` with a
        fresh optimizer if `model` is compiled.
    """
    return wrapping.strip(model)


def cluster_scope() -> contextlib.AbstractContextManager[Any]:
    """Returns a scope for loading saved clustered models.

    It is not required: Keras 3 finds kprune's registered classes by itself.
    """
    return keras.saving.custom_object_scope({"ClusterWeights": ClusterWeights})


def _is_small(layer, clusters, per_channel):
    """Returns whether a built layer has too few weights to cluster, and warns
    if so."""
    if not layer.built:
        return False
    is_2d = isinstance(layer, keras.layers.Conv2D)
    for name, variable in clusterable_weights(layer).items():
        shape = tuple(variable.shape)
        size = keras.ops.size(variable)
        size = int(size) // (shape[-1] if per_channel and is_2d else 1)
        if size <= clusters:
            user_warnings.warn(
                f"{layer.name}/{name} has {size} entries"
                f"{' for each channel' if per_channel and is_2d else ''}, no "
                f"more than number_of_clusters={clusters}: the layer is left "
                "as it is."
            )
            return True
    return False
