"""A user's own code of the fixtures: what goes on from their files.

Files name this module as that of the class `Subclassed` and of the function
`flip`. Where an argument of kprune is renamed, change it here; the files stay.
Their archive has the program that wrote them.
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


def dense_chain(*middle, name="dense_chain"):
    """No batch normalization: for methods that want dense layers alone."""
    first = keras.Input((6,)), layers.Dense(8, "relu", name="fc1")
    last = (
        layers.Dense(8, "relu", name="fc2"),
        layers.Dense(CLASSES, name="fc3"),
    )
    return keras.Sequential([*first, *middle, *last], name=name)


def sequential():
    norm = layers.BatchNormalization(name="bn1")
    return dense_chain(norm, name="sequential_dense")


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

EPOCHS, STEPS_PER_EPOCH, EVERY = 3, 5, "4it"


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
    when = {"begin": 0, "end": "100%", "every": "3it"}
    callback = kprune.callbacks.GradualPruning("gmp", 0.6, **when)
    return kprune.wrap(sequential()), [callback]


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
    options = {"window": 2, "tolerance": 0.0, "stop": False}
    callback = kprune.callbacks.EarlyBird("magnitude", 0.5, **options)
    stopping = keras.callbacks.EarlyStopping("loss", patience=9)
    return kprune.wrap(sequential()), [callback, stopping]


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


def train(name, directory):
    """Goes on with one of the `TRAININGS` from its checkpoints.

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
    checkpoint = kprune.callbacks.Checkpoint(directory, EVERY, keep=1)
    history = kprune.training.fit(
        model,
        train_from,
        EPOCHS,
        steps_per_epoch=STEPS_PER_EPOCH,
        checkpoint=checkpoint,
        callbacks=callbacks,
        verbose=0,
    )
    return model, history.history


# Searches for tickets, kept in a directory.


def _search_for(directory, optimizer=None, loss=None, **training):
    """Returns a compiled model, and what a search trains it on."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(6)
    model = sequential()
    if optimizer is None:
        spec = {"name": "cosine", "warm_up": "2it"}
        rate = kprune.training.learning_rates.get(spec, 0.01, 5, 10)
        optimizer = keras.optimizers.Adam(rate)
    model.compile(optimizer, loss or logits_loss(), metrics=["accuracy"])
    given = {"data": train_from, "epochs": 1, "steps_per_epoch": 5, **training}
    training = kprune.tickets.Training(directory=directory, verbose=0, **given)
    return model, training


def search_imp(directory):
    """The usual search: names for all arguments, rewound, with a schedule."""
    options = {"levels": 2, "fraction": 0.3, "rewind_to": "3it"}
    given = _search_for(directory, epochs=2, checkpoint="2it")
    return kprune.tickets.imp(*given, **options)


def search_functions(directory):
    """Functions and objects of kprune's: the directory names their modules."""
    return kprune.tickets.imp(
        *_search_for(
            directory,
            kprune.training.TorchSGD(0.05, momentum=0.9),
            kprune.training.SmoothedCrossentropy(0.1),
        ),
        kprune.criteria.get("magnitude"),
        levels=1,
        fraction=0.4,
        rewind_weights="trained",
        learning_rate="last",
        granularity=kprune.granularity.Weight(),
        allocation=kprune.allocation.get("uniform"),
        exclude=["fc3"],
    )


def search_by_layer(directory):
    """Fractions by layer, which are written as texts of rational numbers."""
    model, training = _search_for(directory, keras.optimizers.Adam(0.01))
    fractions = kprune.tickets.layer_fractions(model)
    how = {"rewind_weights": "init", "learning_rate": "restart"}
    options = {"levels": 1, "fraction": fractions, **how}
    return kprune.tickets.imp(model, training, **options)


def search_prac(directory):
    """PrAC: levels have arrays of their own, and stretch the schedule."""
    data = (normal(40, 6, seed=3), labels(40, 4))
    arrays = {"data": data, "batch_size": 8, "augment": flip}
    how = {"epochs": 4, "steps_per_epoch": None, "checkpoint": "3it", "seed": 1}
    options = {"levels": 1, "fraction": 0.3, "rewind_to": "1ep", "window": 2}
    given = _search_for(directory, **arrays, **how)
    return kprune.tickets.prac(*given, **options)


SEARCHES = {
    "imp": search_imp,
    "functions": search_functions,
    "by_layer": search_by_layer,
    "prac": search_prac,
}
