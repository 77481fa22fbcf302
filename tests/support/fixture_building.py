"""A user's own code of the fixtures: classes, data and trainings.

Files name this module as that of the class `Subclassed` and of the function
`flip`. Where an argument of kprune is renamed, change it here; the files stay.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import kprune

CLASSES = 3


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def labels(count, seed=0):
    return np.random.default_rng(seed).integers(0, CLASSES, count)


def logits_loss():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


# Models as a user has them, before kprune touches them.


def sequential():
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, "relu", name="fc1"),
            layers.BatchNormalization(name="bn1"),
            layers.Dense(8, "relu", name="fc2"),
            layers.Dense(CLASSES, name="fc3"),
        ],
        name="sequential_dense",
    )


def dense_chain():
    """No batch normalization: for methods that want dense layers alone."""
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, "relu", name="fc1"),
            layers.Dense(8, "relu", name="fc2"),
            layers.Dense(CLASSES, name="fc3"),
        ],
        name="dense_chain",
    )


def residual():
    inputs = keras.Input((6, 6, 2), name="image")
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv1")(
        inputs
    )
    x = layers.BatchNormalization(name="bn1")(x)
    shortcut = x = layers.Activation("relu", name="relu1")(x)
    x = layers.SeparableConv2D(4, 3, padding="same", name="sep")(x)
    x = layers.Add(name="add")([x, shortcut])
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = layers.Dense(CLASSES, name="fc")(x)
    return keras.Model(inputs, outputs, name="residual")


def recurrent():
    inputs = keras.Input((5,), dtype="int32", name="tokens")
    x = layers.Embedding(11, 4, mask_zero=True, name="embed")(inputs)
    x = layers.Bidirectional(layers.GRU(3, return_sequences=True), name="gru")(
        x
    )
    x = layers.LSTM(4, name="lstm")(x)
    return keras.Model(
        inputs, layers.Dense(CLASSES, name="fc")(x), name="recurrent"
    )


def attention():
    inputs = keras.Input((5, 4), name="sequence")
    x = layers.MultiHeadAttention(2, 3, name="attention")(inputs, inputs)
    x = layers.LayerNormalization(name="norm")(inputs + x)
    x = layers.EinsumDense("abc,cd->abd", (5, 4), name="einsum")(x)
    x = layers.Conv1D(4, 3, name="conv")(x)
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(
        inputs, layers.Dense(CLASSES, name="fc")(x), name="attention"
    )


def nested():
    """A shared layer, a nested graph, a frozen layer, default names."""
    block = keras.Sequential(
        [keras.Input((6,)), layers.Dense(6, "relu"), layers.Dense(6)],
        name="block",
    )
    shared = layers.Dense(6, "tanh", name="shared")
    inputs = keras.Input((6,), name="x")
    x = shared(shared(block(inputs)))
    frozen = layers.Dense(6, name="frozen")
    x = frozen(x)
    frozen.trainable = False
    return keras.Model(
        inputs, layers.Dense(CLASSES, name="fc")(x), name="nested"
    )


@keras.saving.register_keras_serializable("fixtures")
class Subclassed(keras.Model):
    """A user's subclassed model, with layers in attributes and a list."""

    def __init__(self, width=6, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.first = layers.Dense(width, "relu")
        self.blocks = [layers.Dense(width, "relu"), layers.Dense(width, "relu")]
        self.norm = layers.BatchNormalization()
        self.last = layers.Dense(CLASSES, name="last")

    def call(self, x, training=False):
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.last(self.norm(x, training=training))

    def get_config(self):
        return {**super().get_config(), "width": self.width}


def subclassed():
    model = Subclassed()
    model(normal(2, 6))
    return model


# Data that begins at any step, the same in each process.


def train_from(step, examples=40, batch=8):
    x, y = normal(examples, 6, seed=3), labels(examples, 4)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(batch)
    return data.repeat().skip(step)


def flip(x, seed):
    """What a user augments with: the sign of a row, by the seed."""
    draws = tf.random.stateless_uniform((tf.shape(x)[0], 1), seed)
    return tf.where(draws < 0.5, -x, x)


# Trainings that are killed and gone on with: `kprune.training.fit`.

EPOCHS, STEPS_PER_EPOCH, EVERY, KILLED_AFTER = 3, 5, "4it", 9


def _static(model, sparsity=0.5, **options):
    return kprune.prune(model, "random", sparsity, seed=1, **options)


def _dynamic(name, **options):
    def build():
        model = _static(sequential())
        return model, [
            kprune.callbacks.DynamicSparseTraining(name, seed=2, **options)
        ]

    return build


def _gmp():
    model = kprune.wrap(sequential())
    callback = kprune.callbacks.GradualPruning(
        "gmp", 0.6, begin=0, end="100%", every="3it"
    )
    return model, [callback]


def _greg2():
    model = kprune.wrap(sequential())
    callback = kprune.callbacks.GrowingRegularization(
        "greg2",
        0.5,
        every="1it",
        increment=0.05,
        ceiling=0.2,
        stabilize="2it",
        pick_increment=0.01,
        pick_ceiling=0.03,
    )
    return model, [callback]


def _group_lasso():
    model = kprune.wrap(sequential())
    data = train_from(0).take(STEPS_PER_EPOCH)
    return model, [kprune.callbacks.regularization.GroupLasso(data=data)]


def _early_bird():
    model = kprune.wrap(sequential())
    callback = kprune.callbacks.EarlyBird(
        "magnitude", 0.5, window=2, tolerance=0.0, stop=False
    )
    return model, [callback, keras.callbacks.EarlyStopping("loss", patience=9)]


def _global_selection():
    model = kprune.select(dense_chain(), "biprop", sparsity=0.5, seed=1)
    return model, [kprune.learned.GlobalSelection(0.5, epochs=2)]


def _hard_concrete():
    model = kprune.learned.hard_concrete(dense_chain(), examples=40, seed=1)
    return model, [kprune.learned.SparsityLogger()]


TRAININGS = {
    "rigl": _dynamic("rigl", every="3it"),
    "dsr": _dynamic("dsr", every="3it"),
    "soft_deepr": _dynamic("soft_deepr"),
    "dns": _dynamic("dns"),
    "gmp": _gmp,
    "greg2": _greg2,
    "group_lasso": _group_lasso,
    "early_bird": _early_bird,
    "global_selection": _global_selection,
    "hard_concrete": _hard_concrete,
}


class Killed(Exception):
    """Stands for a SIGKILL."""


class Kill(keras.callbacks.Callback):
    """Ends a training after a number of batches."""

    def __init__(self, batches):
        super().__init__()
        self.left = batches

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise Killed


def train(name, directory=None, killed_after=10**9):
    """Trains as `TRAININGS` says; goes on from checkpoints in `directory`.

    Returns:
        (model, dict of lists): Keras' history of the whole run.
    """
    keras.backend.clear_session()
    keras.utils.set_random_seed(5)
    model, callbacks = TRAININGS[name]()
    optimizer = keras.optimizers.Adam(0.01)
    if name == "dsr":
        optimizer = kprune.training.TorchSGD(0.05, momentum=0.9)
    model.compile(optimizer, logits_loss(), metrics=["accuracy"])
    checkpoint = None
    if directory is not None:
        checkpoint = kprune.callbacks.Checkpoint(directory, EVERY, keep=1)
    history = kprune.training.fit(
        model,
        train_from,
        EPOCHS,
        steps_per_epoch=STEPS_PER_EPOCH,
        checkpoint=checkpoint,
        callbacks=[*callbacks, Kill(killed_after)],
        verbose=0,
    )
    return model, history.history
