"""What a model takes: specs of its inputs, and examples of them."""

import math

import keras
import numpy as np

from kprune.runtime.keras_internals.graphs import is_graph


def input_specs(model):
    """Returns the structure of `keras.InputSpec`-like inputs of a model."""
    if is_graph(model):
        inputs = model.inputs
        structure = getattr(model, "_inputs_struct", None)
        if structure is None:
            structure = inputs[0] if len(inputs) == 1 else inputs
        return keras.tree.map_structure(
            lambda t: keras.KerasTensor(t.shape, t.dtype), structure
        )
    arguments = call_arguments(model)
    if len(arguments) != 1:
        raise ValueError(
            f"The input shape of model {model.name!r} is not known. Pass "
            "`data=`."
        )
    return keras.tree.map_structure(
        lambda t: keras.KerasTensor(t.shape, "float32"), arguments[0]
    )


def call_arguments(model):
    """Returns the input specs of a model, one for each argument of a call.

    Those of a subclassed model, known by shape only, are what Keras exports
    it with. They are none if it never recorded its inputs.
    """
    if is_graph(model):
        return [input_specs(model)]
    config = model.get_build_config() or {}
    shapes = list(config.get("shapes_dict", config).values())

    def spec(shape):
        if isinstance(shape, dict):
            return {name: spec(inner) for name, inner in shape.items()}
        if all(n is None or isinstance(n, int) for n in shape):
            return keras.KerasTensor(shape, model.input_dtype)
        return [spec(inner) for inner in shape]

    return [spec(shape) for shape in shapes if shape is not None]


def example_inputs(specs):
    """Returns a batch of two for a structure of input specs: waves, or zeros
    and ones for integers, with an open dimension taken as 64."""

    def example(spec):
        batch, *rest = spec.shape
        shape = [batch or 2] + [64 if n is None else n for n in rest]
        dtype = keras.backend.standardize_dtype(spec.dtype)
        places = np.arange(math.prod(shape)).reshape(shape)
        waves = np.sin(places) if "float" in dtype else places % 2
        return keras.ops.convert_to_tensor(waves, dtype)

    return keras.tree.map_structure(example, specs)


def check_inputs(model, x):
    """Raises `ValueError` if inputs cannot be what a graph model takes."""
    if not is_graph(model):
        return
    expected = keras.tree.flatten(input_specs(model))
    received = keras.tree.flatten(x)
    fits = len(expected) == len(received) and all(
        len(e.shape) == a.ndim
        and all(n in (None, m) for n, m in zip(e.shape, a.shape, strict=True))
        for e, a in zip(expected, received, strict=True)
    )
    if not fits:
        raise ValueError(
            f"`data` does not fit model {model.name!r}. Expected inputs of "
            f"shape {[tuple(e.shape) for e in expected]}. Received: "
            f"{[a.shape for a in received]}"
        )
