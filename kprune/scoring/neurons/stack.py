"""Finds the dense layers of a network and how they connect."""

import dataclasses

import keras

from kprune.masking import weights, wrapping
from kprune.runtime import keras_internals, seeds, user_warnings


@dataclasses.dataclass(frozen=True, eq=False)
class Read:
    """A dense layer and what it reads.

    `name` is its kernel's, `operation` the layer in the graph (it, or its
    wrapper), `features` a model from the network's inputs to what it is given.
    """

    name: str
    layer: keras.layers.Dense
    operation: keras.layers.Layer
    features: keras.Model


def output_layer(model):
    """Returns the output layer of a graph of layers, as a `Read`.

    Raises:
        ValueError: Unless it is one dense layer of several units.
    """
    found = []
    if keras_internals.is_graph(model):
        found = keras_internals.output_layers(model)
    read = _read(model, found)
    if read is None or read.layer.units < 2:
        layers = [getattr(layer, "name", layer) for layer in found]
        raise ValueError(
            "Neurons are scored by their weights to the classes. Expected a "
            "Sequential or Functional model whose one output layer is a "
            "`keras.layers.Dense` of two or more units. Received: "
            f"{type(model).__name__} {model.name!r} with output layers {layers}"
        )
    return read


def hidden_layers(model):
    """Returns the dense layers below the output layer, each a `Read`, and it
    last.

    Goes back from the output layer through what has no weights, for as long
    as there is one dense layer before, each of whose units is one input.
    """
    found = [output_layer(model)]
    while True:
        below = _read(model, keras_internals.output_layers(found[0].features))
        if below is None or below.layer.units != found[0].layer.kernel.shape[0]:
            return found
        found.insert(0, below)


def masks_of(model, reads):
    """Returns the masks of dense layers that are to lose neurons, boolean
    arrays by the name of the kernel.

    Raises:
        ValueError: If one of them has no mask.
    """
    found = wrapping.get_masks(model)
    for read in reads:
        if read.name not in found:
            raise ValueError(
                f"Weight {read.name!r} is frozen and cannot be pruned. "
                "Expected all hidden layers and the output layer to be "
                "trainable."
            )
    return {read.name: found[read.name] for read in reads}


def set_masks(model, masks, sparsity):
    """Sets masks of a model, with a warning if a layer loses all neurons."""
    empty = user_warnings.describe_collapse(masks, f"sparsity {sparsity}")
    if empty is not None:
        user_warnings.warn(empty)
    wrapping.set_masks(model, masks)


def _read(model, layers):
    """Returns a layer as a `Read`, or `None` unless it is a dense one."""
    if len(layers) != 1:
        return None
    layer = weights.unwrapped(layers[0])
    names = {id(w.variable): w.name for w in weights.find(model)}
    if not isinstance(layer, keras.layers.Dense):
        return None
    if id(layer.kernel) not in names or keras_internals.calls(layers[0]) > 1:
        return None
    sequential = isinstance(model, keras.Sequential)
    given = model.inputs[0] if sequential else model.input
    with seeds.untouched():
        features = keras.Model(given, layers[0].input, name="features")
    return Read(names[id(layer.kernel)], layer, layers[0], features)
