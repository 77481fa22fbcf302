"""Finds calls that are `tf.function`s, whose traces keep old state."""

import contextlib
import threading

import keras
import tensorflow as tf


def traced_layers(layer):
    """Returns the layers of a model, or of a layer, whose `call` is one."""
    kind = tf.types.experimental.PolymorphicFunction
    return [x for x in layer._flatten_layers() if isinstance(x.call, kind)]


def forget_traces(layers):
    """Lets the calls of layers be traced anew, from now on."""
    for layer in layers:
        vars(layer)["call"] = _fresh(layer.call)


@contextlib.contextmanager
def traced_anew(layers):
    """Lets the calls of layers be traced anew within the block.

    A trace holds the tensors that a `StatelessScope` showed in place of
    variables, and has none of the updates that it held back. The calls of
    before are back when the last block of all threads has ended.
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
_observed = {}  # As `_inside`.
_inside = {}  # By layer: its own `call` of before, how many blocks it is in.


@contextlib.contextmanager
def observed(layers):
    """Lets calls of layers within the block be seen by `observing`.

    Layers whose `call` is a `tf.function` are left out: `traced_anew` makes
    theirs anew. Other threads' calls go on as before.
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
    """Hands this thread's calls of `observed` layers to a function of (layer,
    call, args, kwargs) that returns what the layer does."""
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
    """Returns the mask that Keras hands on with a tensor, or `None`."""
    return getattr(tensor, "_keras_mask", None)


def set_padding(tensor, mask):
    """Lets Keras hand on a mask with a tensor."""
    tensor._keras_mask = mask


@contextlib.contextmanager
def stateless(model, shown=(), collect_losses=False):
    """Runs a model whose variables have other values, or that keeps its state:
    a `keras.StatelessScope` for calls that may be `tf.function`s."""
    scope = keras.StatelessScope(shown, collect_losses=collect_losses)
    with traced_anew(traced_layers(model)), scope:
        yield scope


def _fresh(call):
    return call._clone(None)  # With its options.
