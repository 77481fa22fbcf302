"""After TFMOT's "Sparsity preserving clustering Keras example"."""

import digit_arrays
import keras
import kprune.tfmot as tfmot
import numpy as np
from kprune.tfmot.clustering.keras.experimental import cluster

(train_images, train_labels), (test_images, test_labels) = (
    digit_arrays.load_data()
)

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.layers.InputLayer(input_shape=(8, 8)),
        keras.layers.Reshape(target_shape=(8, 8, 1)),
        keras.layers.Conv2D(filters=12, kernel_size=(3, 3), activation="relu"),
        keras.layers.MaxPooling2D(pool_size=(2, 2)),
        keras.layers.Flatten(),
        keras.layers.Dense(10),
    ]
)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(
    optimizer=keras.optimizers.Adam(0.02), loss=loss, metrics=["accuracy"]
)
model.fit(train_images, train_labels, validation_split=0.1, epochs=6, verbose=0)

prune_low_magnitude = tfmot.sparsity.keras.prune_low_magnitude
pruning_params = {
    "pruning_schedule": tfmot.sparsity.keras.ConstantSparsity(
        0.5, begin_step=0, frequency=5
    )
}
pruned_model = prune_low_magnitude(model, **pruning_params)
pruned_model.compile(
    loss=loss,
    optimizer=keras.optimizers.Adam(learning_rate=1e-3),
    metrics=["accuracy"],
)
pruned_model.fit(
    train_images,
    train_labels,
    epochs=2,
    validation_split=0.1,
    callbacks=[tfmot.sparsity.keras.UpdatePruningStep()],
    verbose=0,
)


def kernel_sparsity(model):
    return [
        np.mean(layer.get_weights()[0] == 0)
        for layer in model.layers
        if layer.get_weights()
    ]


stripped_pruned_model = tfmot.sparsity.keras.strip_pruning(pruned_model)
pruned_sparsity = kernel_sparsity(stripped_pruned_model)
stripped_pruned_model_copy = keras.models.clone_model(stripped_pruned_model)
stripped_pruned_model_copy.set_weights(stripped_pruned_model.get_weights())

CentroidInitialization = tfmot.clustering.keras.CentroidInitialization
clustering_params = {
    "number_of_clusters": 8,
    "cluster_centroids_init": CentroidInitialization.KMEANS_PLUS_PLUS,
}
clustered_model = tfmot.clustering.keras.cluster_weights(
    stripped_pruned_model, **clustering_params
)
sparsity_clustered_model = cluster.cluster_weights(
    stripped_pruned_model_copy, preserve_sparsity=True, **clustering_params
)
for one in (clustered_model, sparsity_clustered_model):
    one.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    one.fit(
        train_images, train_labels, epochs=1, validation_split=0.1, verbose=0
    )

strip_clustering = tfmot.clustering.keras.strip_clustering
clustered_sparsity = kernel_sparsity(strip_clustering(clustered_model))
final_model = strip_clustering(sparsity_clustered_model)
final_sparsity = kernel_sparsity(final_model)
distinct = [
    len(np.unique(layer.get_weights()[0]))
    for layer in final_model.layers
    if layer.get_weights()
]
final_model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
_, final_accuracy = final_model.evaluate(test_images, test_labels, verbose=0)
