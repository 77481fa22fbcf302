"""Redraws variables by the initializers of their layers."""

import keras
import numpy as np

from kprune.runtime import seeds


def initializer(layer, role):
    """Returns the initializer of a layer's variable, or `None` if unknown.

    Args:
        layer: The Keras layer that owns the variable.
        role: The variable's name in the layer: `"kernel"`, `"moving_mean"` ...
    """
    if isinstance(layer, keras.layers.RMSNormalization) and role == "scale":
        return keras.initializers.Ones()
    # Keras has `depthwise_initializer` for the kernel of a depthwise layer.
    other = {"kernel": "depthwise"}.get(role, role)
    for name in (role, role.removesuffix("_kernel"), other):
        found = getattr(layer, f"{name}_initializer", None)
        if isinstance(found, keras.initializers.Initializer):
            return found
    return None


def draw(layer, role, shape, seed, name):
    """Returns new initial values of a layer's variable, a float32 array.

    The draw depends on the seed and on `name`, the variable's name in the
    model. `role` is as in `initializer`. Raises `ValueError` if the layer has
    no initializer for the variable.
    """
    found = initializer(layer, role)
    if found is None:
        raise ValueError(
            f"Layer {layer.name!r} does not tell how to draw {name!r}. "
            f"Expected a keras.initializers.Initializer in its attribute "
            f"`{role}_initializer`. Received: "
            f"{getattr(layer, f'{role}_initializer', None)!r}"
        )
    config = found.get_config()
    if "seed" in config:
        stream = seeds.stream(seed, "reinitialize", name)
        config["seed"] = int(stream.integers(2**31))
    again = type(found).from_config(config)
    values = np.array(again(tuple(shape), dtype="float32"))
    if role == "bias" and getattr(layer, "unit_forget_bias", False):
        units = shape[-1] // 4  # The second of an LSTM's four gates forgets.
        values[..., units : 2 * units] = 1.0
    return values
