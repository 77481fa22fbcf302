"""Finds sublayers, and substitutes layers."""

import contextlib
import re
import threading
import types

import keras

from kprune.runtime import identity

_BOOKKEEPING = {
    "_layers",
    "_functional",
    "_tracker",
    "_tracked",
    "_operations",
    "_operations_by_depth",
    "_nodes_by_depth",
}
# TensorFlow's. `_self_` alone would also hide a layer `_self_attention`.
_OF_TRACKABLE = ("_self_unconditional_", "_self_saveable_", "_self_extra_")
_OF_WORDS = (keras.layers.StringLookup, keras.layers.TextVectorization)
_HELD = (keras.layers.Layer, keras.KerasTensor)

# Held while a user's objects are changed temporarily (a function's name, a
# model's `compiled`): another thread would restore the temporary value.
changing = threading.RLock()


def default_name(layer):
    """Returns the name Keras gives a layer of this class: `conv2d`."""
    name = re.sub(r"\W+", "", type(layer).__name__)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def all_layers(model):
    """Returns a model and all layers below it."""
    return list(model._flatten_layers())


def attributes(layer):
    """Returns the (name, value) pairs of a layer's attributes that may hold
    sublayers or symbolic tensors of its graph.

    Omits Keras' and TensorFlow's own bookkeeping (lists of all sublayers,
    nodes, checkpoint dependencies).
    """
    if not layer._layers:  # Keras lists no sublayers.
        return []
    return [
        (name, value)
        for name, value in vars(layer).items()
        if not name.startswith(_OF_TRACKABLE)
        and name not in _BOOKKEEPING
        and not name.endswith("bound_nodes")
        and isinstance(value, (*_HELD, list, tuple, dict))
    ]


def swap_children(parent, replace):
    """Replaces sublayers and symbolic tensors in a built layer's attributes.

    A built layer refuses new state, and setting an attribute does not remove
    the old value from Keras' list of sublayers. So this rewrites both the
    attribute and that list in place, which keeps the order of the variables.
    """
    swapped = identity.ByIdentity()

    def new(value):
        if isinstance(value, _HELD):
            if value not in swapped:
                swapped[value] = replace(value)
            return swapped[value]
        if isinstance(value, tuple):
            value = getattr(value, "__wrapped__", value)  # TF wraps tuples.
            items = [new(item) for item in value]
            if all(a is b for a, b in zip(items, value, strict=True)):
                return value
            named = hasattr(value, "_fields")
            return type(value)(*items) if named else tuple(items)
        if isinstance(value, list):
            for i, item in enumerate(value):
                if (changed := new(item)) is not item:
                    list.__setitem__(value, i, changed)
        elif isinstance(value, dict):
            for key, item in value.items():
                if (changed := new(item)) is not item:
                    dict.__setitem__(value, key, changed)
        return value

    for name, value in attributes(parent):
        changed = new(value)
        if changed is not value:
            object.__setattr__(parent, name, changed)
    track_anew(parent, swapped)


def track_anew(parent, swapped):
    """Replaces layers in Keras' list of sublayers."""
    parent._layers[:] = [swapped.get(x, x) for x in parent._layers]
    stored = getattr(parent._tracker, "stored_ids", {}).get("layers")
    if stored is not None:
        stored.update(id(layer) for layer in parent._layers)


def set_trainable_alone(layer, value):
    """Sets `trainable` of a layer, but not of its sublayers."""
    layer._trainable = value


def take_call_signature(wrapper, layer):
    """Makes Keras see the arguments of `layer.call` in a wrapper's `call`.

    `(*args, **kwargs)` would hide which argument is a mask, and that tensors
    and flags are separate arguments.
    """
    for name in (
        "_call_signature",
        "call_signature_parameters",
        "_call_has_training_arg",
        "_call_has_mask_arg",
        "_call_context_args",
        "_call_has_context_arg",
    ):
        if hasattr(layer, name):
            wrapper.__dict__[name] = getattr(layer, name)


def take_input_shape(wrapper, layer):
    """Copies a layer's `input_shape` argument to its wrapper, which Keras reads
    from the first layer of a Sequential model."""
    shape = getattr(layer, "_input_shape_arg", None)
    if shape is not None and not hasattr(wrapper, "_input_shape_arg"):
        wrapper._input_shape_arg = shape


def take_rematerialization(wrapper, layer):
    """Makes a wrapper rematerialize in place of the layers below it.

    A call that is recomputed for its gradient passes none to a tensor from
    outside, such as a masked weight.
    """
    for one in all_layers(layer):
        mode = getattr(one, "_remat_mode", None)
        if mode is not None:
            wrapper._remat_mode = wrapper._remat_mode or mode
            one._remat_mode = None


@contextlib.contextmanager
def known_objects(holders):
    """Lets Keras deserialize the users' functions and classes by name.

    A copy goes through configs, which hold names. Keras cannot find a lambda, a
    local function or an unregistered class by name. Within the block it finds
    those of the `holders` (layers, losses, metrics) and their attributes.
    """
    with changing:
        known, renamed = _named_apart(holders)
        try:
            with keras.saving.custom_object_scope(known):
                yield
        finally:
            for function, name in renamed:
                function.__name__ = name


def _named_apart(holders):
    """Returns a dict of objects by name, and a list of (function, original
    name) of the functions that it has renamed."""
    known, renamed = {}, []
    for holder in holders:
        for value in [holder, *getattr(holder, "__dict__", {}).values()]:
            if not isinstance(value, types.FunctionType):
                value = type(value)
                if not hasattr(value, "from_config"):
                    continue
            name = value.__name__
            registered = keras.saving.get_registered_name(value) != name
            builtin = (value.__module__ or "").startswith("keras.")
            # Keras finds its own objects, but not `keras.ops` in a `Lambda`.
            builtin = builtin and not isinstance(holder, keras.layers.Lambda)
            if name in known or registered or builtin:
                continue
            if isinstance(value, types.FunctionType):
                renamed.append((value, value.__name__))
                name = value.__name__ = f"kprune_{len(renamed)}_{name}"
            known[name] = value
    return known, renamed


def activation_name(layer):
    """Returns the name of a layer's activation, such as `"softmax"`, or
    `None`."""
    if isinstance(layer, keras.layers.Softmax):
        return "softmax"
    activation = getattr(layer, "activation", None)
    return getattr(activation, "__name__", None)


def make_linear(layer):
    """Removes the activation of a layer in place; only for private copies."""
    if hasattr(layer, "activation"):
        layer.activation = keras.activations.linear
    else:
        layer.call = lambda inputs, *args, **kwargs: inputs


def smallest_vocabulary(model):
    """Returns the smallest `input_dim` of the model's embeddings, or 2."""
    layers = [x for x in model._flatten_layers() if hasattr(x, "input_dim")]
    sizes = [
        x.input_dim for x in layers if isinstance(x, keras.layers.Embedding)
    ]
    return min(sizes, default=2)


def vocabulary(model):
    """Returns the vocabulary of a model's lookup layers, sorted, or a default
    one if it has none."""
    words = {
        word
        for layer in model._flatten_layers()
        if isinstance(layer, _OF_WORDS)
        for word in layer.get_vocabulary()
        if isinstance(word, str)
    }
    return sorted(words) or ["a", "b", "c"]
