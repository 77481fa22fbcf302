"""After TFMOT's "Pruning in Keras example", on the digits."""

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
model.fit(train_images, train_labels, epochs=4, validation_split=0.1, verbose=0)
_, baseline_model_accuracy = model.evaluate(test_images, test_labels, verbose=0)
keras_file = os.path.join(folder, "baseline.h5")
keras.models.save_model(model, keras_file, include_optimizer=False)

prune_low_magnitude = tfmot.sparsity.keras.prune_low_magnitude

batch_size = 32
epochs = 2
validation_split = 0.1
num_images = train_images.shape[0] * (1 - validation_split)
end_step = np.ceil(num_images / batch_size).astype(np.int32) * epochs
pruning_params = {
    "pruning_schedule": tfmot.sparsity.keras.PolynomialDecay(
        initial_sparsity=0.50,
        final_sparsity=0.80,
        begin_step=0,
        end_step=end_step,
        frequency=2,
    )
}
model_for_pruning = prune_low_magnitude(model, **pruning_params)
model_for_pruning.compile(
    optimizer=keras.optimizers.Adam(0.01), loss=loss, metrics=["accuracy"]
)
model_for_pruning.summary(print_fn=lambda line: None)
model_for_pruning.fit(
    train_images,
    train_labels,
    batch_size=batch_size,
    epochs=epochs,
    validation_split=validation_split,
    callbacks=[tfmot.sparsity.keras.UpdatePruningStep()],
    verbose=0,
)
_, pruned_model_accuracy = model_for_pruning.evaluate(
    test_images, test_labels, verbose=0
)

model_for_export = tfmot.sparsity.keras.strip_pruning(model_for_pruning)
pruned_keras_file = os.path.join(folder, "pruned.h5")
keras.models.save_model(
    model_for_export, pruned_keras_file, include_optimizer=False
)


def gzipped_size(file):
    with zipfile.ZipFile(file + ".zip", "w", zipfile.ZIP_DEFLATED) as f:
        f.write(file)
    return os.path.getsize(file + ".zip")


baseline_size = gzipped_size(keras_file)
pruned_size = gzipped_size(pruned_keras_file)

converter = tf.lite.TFLiteConverter.from_keras_model(model_for_export)
converter.optimizations = [tf.lite.Optimize.DEFAULT]
quantized_and_pruned_tflite_model = converter.convert()


def evaluate_model(interpreter):
    input_index = interpreter.get_input_details()[0]["index"]
    output_index = interpreter.get_output_details()[0]["index"]
    prediction_digits = []
    for test_image in test_images:
        test_image = np.expand_dims(test_image, axis=0).astype(np.float32)
        interpreter.set_tensor(input_index, test_image)
        interpreter.invoke()
        output = interpreter.tensor(output_index)
        prediction_digits.append(np.argmax(output()[0]))
    return (np.array(prediction_digits) == test_labels).mean()


interpreter = tf.lite.Interpreter(
    model_content=quantized_and_pruned_tflite_model
)
interpreter.allocate_tensors()
tflite_accuracy = evaluate_model(interpreter)
