"""Copies models into another floating-point type."""

import keras

from kprune.masking import cloning, layer_copies

_FLOATS = ("float16", "bfloat16", "float32", "float64")


def copy_in(model, dtype):
    """Returns a plain copy of a model that computes in `dtype`, `"float32"` or
    `"float64"`, and a function from a variable of `model` to the copy's."""
    policy = keras.config.dtype_policy()
    # The constructor of a subclassed model uses the global policy.
    keras.config.set_dtype_policy(dtype)
    try:
        twin = cloning.plain_copy(model, lambda config: _in(dtype, config))
    finally:
        keras.config.set_dtype_policy(policy)
    places = {id(v): i for i, v in enumerate(layer_copies.values(model))}
    own = layer_copies.values(twin)
    return twin, lambda variable: own[places[id(variable)]]


def _in(dtype, config):
    """Rewrites each floating-point dtype in a (nested) layer config."""
    if isinstance(config, dict):
        if str(config.get("class_name", "")).endswith("DTypePolicy"):
            return keras.dtype_policies.serialize(keras.DTypePolicy(dtype))
        return {
            key: dtype
            if key == "dtype" and value in _FLOATS
            else _in(dtype, value)
            for key, value in config.items()
        }
    if isinstance(config, (list, tuple)):
        return type(config)(_in(dtype, item) for item in config)
    return config
