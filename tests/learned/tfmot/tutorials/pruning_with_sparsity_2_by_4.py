"""After TFMOT's "Structural pruning of weights with 2 by 4 sparsity"."""

import digit_arrays
import keras
import kprune.tfmot as tfmot
import numpy as np
import tensorflow as tf

prune_low_magnitude = tfmot.sparsity.keras.prune_low_magnitude
(train_images, train_labels), (test_images, test_labels) = (
    digit_arrays.load_data()
)

pruning_params_2_by_4 = {"sparsity_m_by_n": (2, 4)}
pruning_params_sparsity_0_5 = {
    "pruning_schedule": tfmot.sparsity.keras.ConstantSparsity(
        target_sparsity=0.5, begin_step=0, frequency=5
    )
}

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        prune_low_magnitude(
            keras.layers.Conv2D(
                8,
                5,
                padding="same",
                activation="relu",
                input_shape=(8, 8, 1),
                name="pruning_sparsity_0_5",
            ),
            **pruning_params_sparsity_0_5,
        ),
        keras.layers.MaxPooling2D((2, 2), (2, 2), padding="same"),
        prune_low_magnitude(
            keras.layers.Conv2D(
                12, 5, padding="same", name="structural_pruning"
            ),
            **pruning_params_2_by_4,
        ),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
        keras.layers.MaxPooling2D((2, 2), (2, 2), padding="same"),
        keras.layers.Flatten(),
        prune_low_magnitude(
            keras.layers.Dense(
                32, activation="relu", name="structural_pruning_dense"
            ),
            **pruning_params_2_by_4,
        ),
        keras.layers.Dropout(0.4),
        keras.layers.Dense(10),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(0.01),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(
    train_images[..., np.newaxis],
    train_labels,
    batch_size=32,
    epochs=6,
    verbose=0,
    callbacks=tfmot.sparsity.keras.UpdatePruningStep(),
    validation_split=0.1,
)
_, pruned_model_accuracy = model.evaluate(
    test_images[..., np.newaxis], test_labels, verbose=0
)

model = tfmot.sparsity.keras.strip_pruning(model)

converter = tf.lite.TFLiteConverter.from_keras_model(model)
interpreter = tf.lite.Interpreter(
    model_content=converter.convert(), experimental_preserve_all_tensors=True
)
interpreter.allocate_tensors()
detail = [
    x for x in interpreter.get_tensor_details() if tuple(x["shape"]) == (32, 48)
]
# Outputs first, inputs last: four in a row are four of one output.
dense_weights = interpreter.tensor(detail[0]["index"])()
