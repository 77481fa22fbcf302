"""Calls of the TFMOT shim: wrappers, schedules, and off again."""

import keras

import kprune
from faults.arguments.calls import Fresh, call

sparsity = kprune.tfmot.sparsity.keras
clustering = kprune.tfmot.clustering.keras
KMEANS = clustering.CentroidInitialization.KMEANS_PLUS_PLUS


def calls(world):
    """Returns calls of `kprune.tfmot`."""
    schedule = {"begin_step": 0, "end_step": 8, "frequency": 2}
    pruned = sparsity.prune_low_magnitude(world.model)
    clustered = clustering.cluster_weights(world.model, 3)
    return [
        call(sparsity.ConstantSparsity, target_sparsity=0.5, **schedule),
        call(
            sparsity.PolynomialDecay,
            initial_sparsity=0.1,
            final_sparsity=0.5,
            power=3,
            **schedule,
        ),
        call(
            sparsity.prune_low_magnitude,
            to_prune=world.model,
            pruning_schedule=sparsity.ConstantSparsity(0.5, 0),
            block_size=(2, 1),
            block_pooling_type="MAX",
            pruning_policy=None,
            sparsity_m_by_n=None,
        ),
        call(
            sparsity.prune_low_magnitude,
            "prune_low_magnitude of a layer",
            to_prune=Fresh(lambda: keras.layers.Dense(2)),
            sparsity_m_by_n=(2, 4),
        ),
        call(sparsity.strip_pruning, model=pruned),
        call(
            clustering.experimental.cluster_weights,
            to_cluster=world.model,
            number_of_clusters=4,
            cluster_centroids_init=KMEANS,
            preserve_sparsity=False,
            cluster_per_channel=False,
        ),
        call(clustering.strip_clustering, model=clustered),
    ]
