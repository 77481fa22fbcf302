"""Keeps traces and copies of a model for the next scoring call.

Traces, and copies of the model in another precision, are handed from call to
call. An attribute of the model holds them, so they live as long as it does.
They are reused only if the model still has the same layers, variables and
settings. The settings of user-defined classes cannot be compared, so nothing
is kept of models with such layers.
"""

import keras
import numpy as np

from kprune.masking import layer_copies
from kprune.masking.masked import Masked
from kprune.runtime import keras_internals

_PLACE = "_kprune_kept"
_MOST = 4  # Per model, of different losses, scoring configs and weights.
_LARGEST = 2**28  # Bytes of a copy: 33 million weights in float64.
# These depend on state that is neither a setting nor a variable.
_OPEN = (
    "FlaxLayer",
    "JaxLayer",
    "Lambda",
    "TFSMLayer",
    "TorchModuleWrapper",
)
_KNOWN = ("keras.", "kprune.", "tensorflow.")


class Reusable:
    """Base class of objects kept from call to call, with their key and the
    state of their model.

    Attributes:
        twin: The copy of the model to compute with, or `None`.
    """

    twin = None
    origin = None

    def trim(self):
        """Drops what would pile up over calls; returns whether to keep it."""
        return True

    def renew(self):
        """Adapts the values of `twin`, just assigned from the model's."""


class _Kept:
    """`Reusable` objects by key. A class hides the dict, as Keras and
    TensorFlow track layers and variables inside dicts."""

    def __init__(self):
        self.by_key = {}


def take(model, key, make):
    """Returns the object kept under a key, with the model's current values, or
    `make()` if there is none that fits.

    The object is removed, so that only the caller uses it, until `leave` puts
    it back. The key `None` fits nothing.
    """
    state = None if key is None else _state(model)
    found = _kept(model).pop(key, None)
    if state is None or found is None or found.origin[1] != state:
        found = make()
        found.origin = (key, state)
    elif found.twin is not None:
        for values in (layer_copies.values, layer_copies.states):
            pairs = zip(values(model), values(found.twin), strict=True)
            for source, target in pairs:
                target.assign(source)
        found.renew()
    return found


def leave(model, made):
    """Keeps an object that `take` returned for the next call of `take`."""
    key, state = made.origin
    if state is None or not made.trim() or _size(made.twin) > _LARGEST:
        return
    kept = _kept(model)
    kept.pop(key, None)
    kept[key] = made
    while len(kept) > _MOST:
        kept.pop(next(iter(kept)), None)


def _kept(model):
    return vars(model).setdefault(_PLACE, _Kept()).by_key


def _size(twin):
    variables = [] if twin is None else twin.variables
    return sum(np.prod(v.shape) * np.dtype(v.dtype).itemsize for v in variables)


class _State:
    """The state a trace of a model depends on: its layers and variables, by
    identity, and their settings."""

    def __init__(self, layers, variables):
        calls = [type(layer).call for layer in layers]
        self._objects = [*layers, *variables, *calls]
        self._set = [_settings(layer) for layer in layers]
        self._set += [(v.trainable, v.dtype) for v in variables]
        self._set.append((keras.config.floatx(), keras.config.epsilon()))

    def __eq__(self, other):
        ones, others = self._objects, other._objects
        return (
            len(ones) == len(others)
            and all(a is b for a, b in zip(ones, others, strict=True))
            and self._set == other._set
        )

    __hash__ = None  # type: ignore[assignment]


def _state(model):
    """Returns the `_State` of a model, `None` if that cannot be compared."""
    layers = keras_internals.all_layers(model)
    if not all(map(_is_closed, layers)):
        return None
    return _State(layers, model.variables)


def _is_closed(layer):
    """Returns whether settings and variables determine what a layer does."""
    cls = type(layer)
    known = (keras.Sequential, keras_internals.functional_class(), Masked)
    if cls not in known and cls is not getattr(keras.layers, cls.__name__, 0):
        return False
    if cls.__name__ in _OPEN or hasattr(cls, "adapt"):
        return False
    if layer.dtype_policy.quantization_mode is not None:
        return False
    functions = filter(callable, vars(layer).values())
    return all(_module(one).startswith(_KNOWN) for one in functions)


def _module(function):
    own = getattr(function, "__module__", None)
    return own or type(function).__module__ or ""


def _settings(layer):
    if keras_internals.is_graph(layer):  # Its layers are compared themselves.
        return layer.trainable, layer.dtype_policy.name
    config = layer.get_config()
    if isinstance(layer, Masked):
        config.pop("notes", None)
    return repr(config)


def key(model, loss, compiled, names, scoring):
    """Returns the key of derivatives, `None` if they cannot be kept.

    Args:
        model: The Keras model.
        loss: As `compile` takes it.
        compiled: Whether the loss is the compiled one, with its loss weights.
        names: The names of the weights to differentiate by.
        scoring: A `ScoringConfig`.
    """
    found = loss_key(loss)
    if found is None:
        return None
    shares = repr(keras_internals.loss_weights(model)) if compiled else None
    return found, shares, tuple(names), scoring.of_a_trace


def loss_key(loss):
    """Returns a key that identifies a loss, as `compile` takes it, or `None`
    for one with a user-defined function or class."""
    paths = keras.tree.flatten_with_path(loss)
    found = tuple((path, _one_loss(one)) for path, one in paths)
    return None if any(one is None for _, one in found) else found


def _one_loss(loss):
    if isinstance(loss, keras.losses.Loss):
        known = type(loss) is getattr(keras.losses, type(loss).__name__, None)
        told = type(loss).__name__, loss.dtype, repr(loss.get_config())
        return told if known else None
    own = _module(keras.losses.mean_squared_error)
    named = loss is None or isinstance(loss, str)  # Names of Keras' losses.
    return (loss,) if named or _module(loss) == own else None
