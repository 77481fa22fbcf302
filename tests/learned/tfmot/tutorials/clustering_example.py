"""After TFMOT's "Weight clustering in Keras example", on the digits."""

import os
import tempfile
import zipfile

import digit_arrays
import keras
import kprune.tfmot as tfmot
import numpy as np
import tensorflow as tf

folder = tempfile.mkdtemp()
(train_images, train_labels), (test_images, test_labels) = (
    digit_arrays.load_data()
)

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.layers.InputLayer(input_shape=(8, 8)),
        keras.layers.Reshape(target_shape=(8, 8, 1)),
        keras.layers.Conv2D(
            filters=12, kernel_size=(3, 3), activation=tf.nn.relu
        ),
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
_, baseline_model_accuracy = model.evaluate(test_images, test_labels, verbose=0)
keras_file = os.path.join(folder, "baseline.h5")
keras.models.save_model(model, keras_file, include_optimizer=False)

cluster_weights = tfmot.clustering.keras.cluster_weights
CentroidInitialization = tfmot.clustering.keras.CentroidInitialization
clustering_params = {
    "number_of_clusters": 16,
    "cluster_centroids_init": CentroidInitialization.LINEAR,
}
clustered_model = cluster_weights(model, **clustering_params)
clustered_model.compile(
    loss=loss,
    optimizer=keras.optimizers.Adam(learning_rate=1e-3),
    metrics=["accuracy"],
)
clustered_model.fit(
    train_images,
    train_labels,
    batch_size=50,
    epochs=1,
    validation_split=0.1,
    verbose=0,
)
_, clustered_model_accuracy = clustered_model.evaluate(
    test_images, test_labels, verbose=0
)

final_model = tfmot.clustering.keras.strip_clustering(clustered_model)
clustered_keras_file = os.path.join(folder, "clustered.h5")
keras.models.save_model(
    final_model, clustered_keras_file, include_optimizer=False
)


def gzipped_size(file):
    with zipfile.ZipFile(file + ".zip", "w", zipfile.ZIP_DEFLATED) as f:
        f.write(file)
    return os.path.getsize(file + ".zip")


baseline_size = gzipped_size(keras_file)
clustered_size = gzipped_size(clustered_keras_file)
distinct = [
    len(np.unique(layer.get_weights()[0]))
    for layer in final_model.layers
    if layer.get_weights()
]

converter = tf.lite.TFLiteConverter.from_keras_model(final_model)
tflite_clustered_model = converter.convert()
