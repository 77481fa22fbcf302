"""A user's own models by name: from a function or a file."""

import keras

from kprune.runtime import checks, lookup, own_names, saved_models

_OFFERED = ("classes", "input_shape", "seed", "initializer")


def is_own(name):
    """Whether a name is of a function, `"module:function"`, or of a file."""
    is_file = isinstance(name, str) and name.endswith(".keras")
    return is_file or own_names.is_name(name)


def get(name, options):
    """Returns the model of a name, built.

    Args:
        name: String, as `is_own` has it.
        options: Dict. Of `classes`, `input_shape`, `seed` and `initializer` a
            function is given those it has parameters for, and all others.

    Raises:
        ValueError: If it is no built model, or an option is not known.
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
