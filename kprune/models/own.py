"""Builds or loads a user's model by name: from a function or a file."""

import keras

from kprune.runtime import (
    checks,
    keras_internals,
    lookup,
    own_names,
    saved_models,
)

_OFFERED = ("classes", "input_shape", "seed", "initializer")


def is_own(name):
    """Returns whether a name is `"module:function"` or a `.keras` file."""
    is_file = isinstance(name, str) and name.endswith(".keras")
    return is_file or own_names.is_name(name)


def get(name, options):
    """Builds or loads the model of a name.

    Args:
        name: String, as for `is_own`.
        options: Dict of arguments. A function receives `classes`,
            `input_shape`, `seed` and `initializer` only if it has such
            parameters, and all others in any case. A file ignores these four
            and accepts no others.

    Raises:
        ValueError: If the result is not a built model, or an option is unknown.
    """
    offered = {k: v for k, v in options.items() if k in _OFFERED}
    rest = {k: v for k, v in options.items() if k not in _OFFERED}
    if own_names.is_name(name):
        model = own_names.called(name, "model", offered, rest)
    else:
        lookup.check_options(rest, (), f"the model {name!r}, a file")
        model = saved_models.load(name, compile=False)
    fits = isinstance(model, keras.Model) and model.built
    expected = "a keras.Model that is built"
    return checks.require(fits, f"model {name!r}", model, expected)


def check_logits(model, name):
    """Raises `ValueError` if a graph of layers ends in a softmax, of which the
    default loss, that of logits, would take a second one."""
    layers = ()
    if keras_internals.is_graph(model):
        layers = keras_internals.last_layers(model)
    if any(keras_internals.activation_name(x) == "softmax" for x in layers):
        raise ValueError(
            f"The model {name!r} ends in a softmax, but the default loss reads "
            "logits. Expected a last layer without activation, or a loss of "
            "your own under `training.loss`. Received: the layer "
            f"{layers[-1].name!r}"
        )
