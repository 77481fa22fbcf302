"""Finds calls that are `tf.function`s, whose traces keep old state."""

import contextlib
import threading
from typing import Any

import keras
import tensorflow as tf


def traced_layers(layer):
    """Returns the layers in a model or layer whose `call` is a
    `tf.function`."""
    kind = tf.types.experimental.PolymorphicFunction
    return [x for x in layer._flatten_layers() if isinstance(x.call, kind)]


def forget_traces(layers):
    """Drops the traces of layers' calls; the next calls trace again."""
    for layer in layers:
        vars(layer)["call"] = _fresh(layer.call)


@contextlib.contextmanager
def traced_anew(layers):
    """Gives layers' calls fresh traces within the block.

    A trace holds the tensors that a `StatelessScope` substituted for
    variables, and lacks the updates that it held back. The original calls are
    restored when the last block of all threads ends.
    """
    with _lock:
        for layer in layers:
            before = vars(layer).get("call")
            _, count = _inside.setdefault(layer, (before, 0))
            _inside[layer] = (_inside[layer][0], count + 1)
        forget_traces(layers)
    try:
        yield
    finally:
        with _lock:
            for layer in layers:
                _leave(layer)


def _leave(layer):
    before, count = _inside.pop(layer)
    if count > 1:
        _inside[layer] = (before, count - 1)
        forget_traces([layer])
    elif before is None:
        vars(layer).pop("call", None)
    else:
        vars(layer)["call"] = before


_lock = threading.Lock()
_observer = threading.local()
# From a layer to (the `call` in its `__dict__` before or `None`, number of
# blocks it is in): for `observed` and for `traced_anew`.
_observed: dict[Any, Any] = {}
_inside: dict[Any, Any] = {}


@contextlib.contextmanager
def observed(layers):
    """Makes layers' calls within the block visible to `observing`.

    Skips layers whose `call` is a `tf.function`, which `traced_anew` replaces.
    Calls of other threads are not affected.
    """
    traced = tf.types.experimental.PolymorphicFunction
    layers = [x for x in layers if not isinstance(x.call, traced)]
    with _lock:
        for layer in layers:
            before, count = _observed.get(layer, (vars(layer).get("call"), 0))
            _observed[layer] = before, count + 1
            if count == 0:
                vars(layer)["call"] = _seen(layer, layer.call)
    try:
        yield
    finally:
        with _lock:
            for layer in layers:
                before, count = _observed.pop(layer)
                if count > 1:
                    _observed[layer] = before, count - 1
                elif before is None:
                    del vars(layer)["call"]
                else:
                    vars(layer)["call"] = before


@contextlib.contextmanager
def observing(function):
    """Passes this thread's calls of `observed` layers to a function of (layer,
    call, args, kwargs), whose result replaces the layer's."""
    outer = getattr(_observer, "function", None)
    _observer.function = function
    try:
        yield
    finally:
        _observer.function = outer


def _seen(layer, call):
    def observed_call(*args, **kwargs):
        function = getattr(_observer, "function", None)
        if function is None:
            return call(*args, **kwargs)
        return function(layer, call, args, kwargs)

    return observed_call


def padding_of(tensor):
    """Returns the mask that Keras propagates with a tensor, or `None`."""
    return getattr(tensor, "_keras_mask", None)


def set_padding(tensor, mask):
    """Sets the mask that Keras propagates with a tensor."""
    tensor._keras_mask = mask


@contextlib.contextmanager
def stateless(model, shown=(), collect_losses=False):
    """Opens a `keras.StatelessScope` in which calls of `model` work even if
    they are `tf.function`s. `shown` has pairs (variable, value in the scope);
    assignments do not change the model's state."""
    scope = keras.StatelessScope(shown, collect_losses=collect_losses)
    with traced_anew(traced_layers(model)), scope:
        yield scope


def _fresh(call):
    return call._clone(None)  # Keeps the options of the `tf.function`.
