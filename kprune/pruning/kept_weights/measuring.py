"""Observes the inputs of a pruned model's layers, in order."""

import contextlib
import inspect

import keras
import tensorflow as tf

from kprune.masking import weights
from kprune.runtime import examples, identity, keras_internals
from kprune.runtime.words import one_line, shown
from kprune.scoring.batches import Batches
from kprune.scoring.inputs import as_tensors
from kprune.scoring.observer import Reached


def batches(data, objective):
    """Returns a function that yields the inputs of each batch.

    Args:
        data: What `fit` takes, or `None`.
        objective: A `kprune.Objective`, or `None`.

    Raises:
        ValueError: If both are given, or neither.
    """
    if (data is None) == (objective is None):
        raise ValueError(
            "What layers read is measured on calibration data. Expected "
            "`data` or `objective`, one of them. Received: "
            f"data={shown(data)}, objective={shown(objective)}"
        )
    if objective is not None:
        return lambda: (x for x, *_ in objective.batches)
    found = Batches(data)
    return lambda: (found.at(place)[0] for place in range(found.count()))


def layers_of(model, kind):
    """Returns the layers of a class in a model, including nested ones."""
    layers = map(weights.unwrapped, keras_internals.all_layers(model))
    found = identity.ByIdentity((x, 1) for x in layers if isinstance(x, kind))
    return [*found]


class Walker:
    """Runs a model in inference mode and observes the inputs of layers.

    Args:
        model: A built Keras model. It is not modified.
        layers: List of the layers to observe.
        batches: Function that yields inputs of the model.

    Attributes:
        shown: Dict from variable to the value to compute with instead.
    """

    def __init__(self, model, layers, batches):
        self._model, self._batches = model, batches
        self._layers = identity.ByIdentity((x, True) for x in layers)
        self.shown = identity.ByIdentity()
        self._calls = identity.ByIdentity()

    def order(self):
        """Returns the observed layers in the order of their first calls."""
        self._calls = identity.ByIdentity()

        def count(layer, x, valid, show):
            del x, valid, show
            self._calls[layer] = self._calls.get(layer, 0) + 1

        self._run(next(iter(self._batches())), count)
        return [*self._calls]

    def run(self, see, only=None):
        """Runs the model on all batches.

        Args:
            see: Function of (layer, x, valid, show), called before each call
                of a layer with its input, the positions of it that are not
                padding (or `None`), and a function of (variable, value) that
                replaces a variable for the rest of the batch.
            only: The single layer to observe; the model stops after its last
                call. Call `order` first.
        """
        for x in self._batches():
            self._run(x, see, only)

    def check_called(self, layers):
        """Raises `ValueError` unless `layers` has all observed layers."""
        missing = [x.name for x in self._layers if x not in layers]
        if missing:
            raise ValueError(
                "The model does not call these layers where they can be "
                "measured: in inference mode, outside of loops and of "
                f"`tf.function`s of its own. Received: {missing}"
            )

    def _run(self, x, see, only=None):
        left = self._calls.get(only, 0)

        def observer(layer, call, args, kwargs):
            nonlocal left
            looked_at = layer in self._layers and only in (None, layer)
            if not looked_at or not tf.executing_eagerly():
                return call(*args, **kwargs)
            given = _arguments(call, args, kwargs)
            read, valid = given["inputs"], given.get("mask")
            if valid is None:
                valid = keras_internals.padding_of(read)
            see(layer, read, valid, lambda *pair: scope.add_update(pair))
            left -= 1
            if only is not None and not left:
                raise Reached(args, kwargs, [])
            return call(**given)

        layers = keras_internals.all_layers(self._model)
        shown = [*self.shown.items()]
        with (
            keras_internals.stateless(self._model, shown) as scope,
            keras_internals.observed(layers),
            keras_internals.observing(observer),
            contextlib.suppress(Reached),
        ):
            self._on(as_tensors(x))

    def _on(self, x):
        try:
            self._model(x, training=False)
        except Exception as error:
            shapes = keras.tree.map_structure(examples.shape, x)
            raise ValueError(
                f"The data does not fit model {self._model.name!r}. Received "
                f"inputs of shape {shapes}: {one_line(error)}"
            ) from error


def _arguments(call, args, kwargs):
    """Returns the arguments of a call by name, with `training=False`."""
    signature = inspect.signature(call)
    given = signature.bind(*args, **kwargs).arguments
    if "training" in signature.parameters:
        given["training"] = False
    return given
