"""After TFMOT's "Pruning comprehensive guide", with its calls in its order.

Changed beside the import: weights are saved as `.weights.h5`, the only suffix
that Keras 3 takes.
"""

import importlib.util
import os
import tempfile
import zipfile

import keras
import kprune.tfmot as tfmot
import numpy as np
import tensorflow as tf

# TensorFlow does not bring TensorBoard any more.
has_tensorboard = importlib.util.find_spec("tensorboard") is not None

input_shape = [20]
x_train = np.random.RandomState(0).normal(size=(8, 20)).astype(np.float32)
y_train = keras.utils.to_categorical(np.arange(8), num_classes=20)
folder = tempfile.mkdtemp()


def setup_model():
    return keras.Sequential(
        [
            keras.layers.Dense(20, input_shape=input_shape),
            keras.layers.Flatten(),
        ]
    )


def setup_pretrained_weights():
    model = setup_model()
    model.compile(loss="categorical_crossentropy", optimizer="adam")
    model.fit(x_train, y_train, verbose=0)
    path = os.path.join(folder, "pretrained.weights.h5")
    model.save_weights(path)
    return path


def gzipped_size(model):
    path = os.path.join(folder, "sized.h5")
    model.save(path, include_optimizer=False)
    with zipfile.ZipFile(path + ".zip", "w", zipfile.ZIP_DEFLATED) as f:
        f.write(path)
    return os.path.getsize(path + ".zip")


pretrained_weights = setup_pretrained_weights()

# A whole model.
base_model = setup_model()
base_model.load_weights(pretrained_weights)
model_for_pruning = tfmot.sparsity.keras.prune_low_magnitude(base_model)
whole_names = [layer.name for layer in model_for_pruning.layers]
np.testing.assert_array_equal(
    model_for_pruning.predict(x_train, verbose=0),
    base_model.predict(x_train, verbose=0),
)


# Some layers, of a model that there is.
def apply_pruning_to_dense(layer):
    if isinstance(layer, keras.layers.Dense):
        return tfmot.sparsity.keras.prune_low_magnitude(layer)
    return layer


model_for_pruning = keras.models.clone_model(
    base_model, clone_function=apply_pruning_to_dense
)
cloned_kinds = [type(layer).__name__ for layer in model_for_pruning.layers]

# Some layers, as the model is made: Functional, then Sequential.
i = keras.Input(shape=(20,))
x = tfmot.sparsity.keras.prune_low_magnitude(keras.layers.Dense(10))(i)
o = keras.layers.Flatten()(x)
functional = keras.Model(inputs=i, outputs=o)
sequential = keras.Sequential(
    [
        tfmot.sparsity.keras.prune_low_magnitude(
            keras.layers.Dense(20, input_shape=input_shape)
        ),
        keras.layers.Flatten(),
    ]
)
assert sequential.built


# A layer of one's own, with the bias.
class MyDenseLayer(keras.layers.Dense, tfmot.sparsity.keras.PrunableLayer):
    def get_prunable_weights(self):
        return [self.kernel, self.bias]


own = keras.Sequential(
    [
        tfmot.sparsity.keras.prune_low_magnitude(
            MyDenseLayer(20, input_shape=input_shape)
        ),
        keras.layers.Flatten(),
    ]
)
own_weights = [v.name for v, *_ in own.layers[0].pruning_vars]

# Training with `fit`.
model_for_pruning = tfmot.sparsity.keras.prune_low_magnitude(
    base_model, tfmot.sparsity.keras.ConstantSparsity(0.5, 1, frequency=1)
)
log_dir = os.path.join(folder, "logs")
callbacks = [tfmot.sparsity.keras.UpdatePruningStep()]
if has_tensorboard:
    callbacks.append(tfmot.sparsity.keras.PruningSummaries(log_dir=log_dir))
model_for_pruning.compile(
    loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"]
)
model_for_pruning.fit(
    x_train, y_train, callbacks=callbacks, epochs=2, verbose=0
)
fit_sparsity = np.mean(model_for_pruning.layers[0].get_weights()[0] == 0)

# Training in a loop of one's own.
model_for_pruning = tfmot.sparsity.keras.prune_low_magnitude(
    base_model, tfmot.sparsity.keras.ConstantSparsity(0.75, 1, frequency=1)
)
loss = keras.losses.CategoricalCrossentropy()
optimizer = keras.optimizers.Adam()
unused_arg = -1
model_for_pruning.optimizer = optimizer
step_callback = tfmot.sparsity.keras.UpdatePruningStep()
step_callback.set_model(model_for_pruning)
step_callback.on_train_begin()
for _ in range(2):
    for _ in range(2):
        step_callback.on_train_batch_begin(batch=unused_arg)
        with tf.GradientTape() as tape:
            outputs = model_for_pruning(x_train, training=True)
            loss_value = loss(y_train, outputs)
        trained = model_for_pruning.trainable_variables
        grads = tape.gradient(loss_value, trained)
        optimizer.apply_gradients(zip(grads, trained, strict=True))
    step_callback.on_epoch_end(batch=unused_arg)
loop_sparsity = np.mean(model_for_pruning.layers[0].get_weights()[0] == 0)

# A file, and back.
keras_model_file = os.path.join(folder, "pruned.h5")
model_for_pruning.save(keras_model_file, include_optimizer=True)
with tfmot.sparsity.keras.prune_scope():
    loaded_model = keras.models.load_model(keras_model_file)
np.testing.assert_array_equal(
    loaded_model.predict(x_train, verbose=0),
    model_for_pruning.predict(x_train, verbose=0),
)

# Export.
model_for_export = tfmot.sparsity.keras.strip_pruning(model_for_pruning)
export_names = [layer.name for layer in model_for_export.layers]
stripped_size = gzipped_size(model_for_export)
wrapped_size = gzipped_size(model_for_pruning)

# Blocks that fill a register.
model_for_pruning = tfmot.sparsity.keras.prune_low_magnitude(
    setup_model(), block_size=[1, 16]
)
