"""One subnetwork, chosen by its scores, of weights that are never trained."""

import keras
import numpy as np
import tensorflow as tf

import kprune
from kprune import learned
from subnetworks.training import moved, optimizer, values

_LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
_FROZEN = ("kernel", "bias", "gamma", "beta")


def subnetwork(build, experiment, seed, dataset):
    """Trains the scores of a network and measures what they choose.

    Args:
        build: Function that returns a plain network of logits.
        experiment: Dict with `method`, `sparsity` and `options` of
            `kprune.select`, `training` (with `batch_size`, and `global_epochs`
            for one ranking of all weights), and `draws`, its tests.
        seed: Integer, of the scores and the order of the data.
        dataset: Arguments of `kprune.datasets.load`.

    Returns:
        Dict with the accuracies in percent, `untrained` (that the weights
        have), `test` (the mean of the draws), `plain` (once stripped) and
        `epochs`, with `sparsity` and `moved`, how many weights moved.
    """
    model = build()
    training, sparsity = experiment["training"], experiment.get("sparsity")
    train, test = kprune.datasets.load(
        **dataset, batch_size=training["batch_size"], seed=seed
    )
    steps = training.get("steps_per_epoch")
    train = train.take(steps) if steps else train
    untrained = accuracy(model, test)
    options = experiment.get("options", {})
    net = kprune.select(
        model, experiment["method"], sparsity, seed=seed, **options
    )
    before = values(net, *_FROZEN)
    steps = int(train.cardinality())
    net.compile(optimizer(training, steps), _LOSS, metrics=["accuracy"])
    callbacks = []
    if "global_epochs" in training:
        epochs = training["global_epochs"]
        callbacks.append(learned.GlobalSelection(sparsity, epochs))
    if "recycling" in training:
        callbacks.append(learned.WeightRecycling(**training["recycling"]))
    history = net.fit(
        train,
        epochs=training["epochs"],
        validation_data=test,
        callbacks=callbacks,
        verbose=0,
    ).history
    draws = [accuracy(net, test) for _ in range(experiment["draws"])]
    return {
        "untrained": untrained,
        "test": float(np.mean(draws)),
        "plain": accuracy(kprune.strip(net), test),
        "epochs": [100 * share for share in history["val_accuracy"]],
        "sparsity": learned.sparsity(net),
        "moved": moved(before, values(net, *_FROZEN)),
    }


def accuracy(model, test):
    """Returns the share of a data set that a model is right on, in percent."""

    @tf.function
    def right(x, y):
        found = tf.argmax(model(x, training=False), -1, y.dtype)
        return tf.reduce_sum(tf.cast(found == y, "int64"))

    counts = [(int(right(x, y)), len(y)) for x, y in test]
    hits, sizes = zip(*counts, strict=True)
    return 100 * sum(hits) / sum(sizes)
