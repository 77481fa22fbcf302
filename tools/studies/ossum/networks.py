"""Networks of the experiments: made, pruned, trained, and measured."""

import itertools

import keras
import numpy as np
import tensorflow as tf

import kprune
from kprune.pruning import kept_weights

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
BATCH_SIZE = 128  # The paper does not say.
PAB = {"pab": "ossum", "linear_pab": "linear_ossum", "log_pab": "log_ossum"}


def pruned(model, method, width, data, seed):
    """Returns a plain network of the same kind with so many neurons in each
    hidden layer, which `model` has of one width, scored on arrays (x, y).

    A method is a recipe of neurons, `"coreset"`, or one of `PAB`.
    """
    if method in PAB:
        widths = [width] * len(model.layers[2:-1])
        return built(model, method, widths, data, seed)
    sparsity = 1 - width / model.layers[2].units
    if method == "coreset":
        chosen = kept_weights.coreset(model, sparsity, data, seed=seed)
        return sliced(kprune.strip(chosen), kprune.get_masks(chosen))
    objective = kprune.Objective(model, data, LOSS, seed=seed)
    masks = kprune.recipes.get(method).masks(objective, sparsity)
    return sliced(model, masks)


def built(model, method, widths, data, seed):
    """Returns a network of these widths that prune-and-build makes, by one of
    the methods in `PAB`; all else is as for `pruned`."""
    first = model.layers[2]
    return kprune.prune_and_build(
        widths,
        first.units,
        data,
        model.output_shape[-1],
        first.activation,
        None if first.bias.numpy().any() else first.kernel_initializer,
        criterion=PAB[method],
        seed=seed,
    )


def sliced(model, masks):
    """Returns a plain network of what the masks of neurons keep."""
    layers = model.layers[2:]
    kept = [np.flatnonzero(masks[f"{x.name}/kernel"].any(0)) for x in layers]
    small = keras.models.Model.from_config(
        _with_units(model.get_config(), layers, kept)
    )
    before = np.arange(layers[0].kernel.shape[0])
    for layer, now, here in zip(layers, small.layers[2:], kept, strict=True):
        kernel = layer.kernel.numpy()[np.ix_(before, here)]
        now.set_weights([kernel, layer.bias.numpy()[here]])
        before = here
    return small


def _with_units(config, layers, kept):
    units = {x.name: len(k) for x, k in zip(layers, kept, strict=True)}
    for layer in config["layers"]:
        if layer["name"] in units:
            layer["config"]["units"] = units[layer["name"]]
            layer.pop("build_config", None)
    return config


def train(model, data, phases, seed):
    """Trains a plain network on arrays (x, y), in an order of the seed.

    Phases are tuples (optimizer, learning rate, epochs), optimizer `"sgd"`
    (momentum 0.9, kept from phase to phase) or `"adam"`.
    """
    x, y = data
    batches = tf.data.Dataset.from_tensor_slices((x, y))
    batches = batches.shuffle(len(x), seed=seed).batch(BATCH_SIZE)
    for name, group in itertools.groupby(phases, key=lambda phase: phase[0]):
        optimizer = keras.optimizers.Adam()
        if name == "sgd":
            optimizer = keras.optimizers.SGD(momentum=0.9)
        model.compile(optimizer, LOSS)
        for _, rate, epochs in group:
            optimizer.learning_rate = rate
            model.fit(batches, epochs=epochs, verbose=0)


def accuracy(model, data):
    """Returns the share of examples that a network is right on, in percent."""
    x, y = data
    logits = model.predict(x, batch_size=1000, verbose=0)
    return 100 * float(np.mean(np.argmax(logits, axis=1) == y))
