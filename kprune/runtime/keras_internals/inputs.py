"""Specs and examples of a model's inputs."""

import keras
import tensorflow as tf

from kprune.runtime.keras_internals.graphs import is_graph
from kprune.runtime.keras_internals.layers import (
    smallest_vocabulary,
    vocabulary,
)


def input_specs(model):
    """Returns the structure of a model's inputs, as `keras.KerasTensor`s.

    Raises `ValueError` for a subclassed model without a single known input.
    """
    if is_graph(model):
        inputs = model.inputs
        structure = getattr(model, "_inputs_struct", None)
        if structure is None:
            structure = inputs[0] if len(inputs) == 1 else inputs
        return keras.tree.map_structure(
            lambda t: keras.KerasTensor(t.shape, t.dtype, sparse=t.sparse),
            structure,
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
    """Returns the list of a model's input specs, one per argument of a call.

    For a subclassed model, only shapes are known; the specs are those that
    Keras exports it with. The list is empty if it never recorded its inputs.
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


def infer(model, *arguments, training=False, **options):
    """Calls a model in inference mode, whether or not its `call` takes
    `training`. Without that argument, layers that augment images would."""
    return model(*arguments, **options, **mode(model, training))


def mode(model, training):
    """Returns `{"training": training}`, or an empty dict if the model's `call`
    does not take that argument."""
    return {"training": training} if model._call_has_training_arg else {}


def serving_signature(model):
    """Returns the input signature with which Keras exports a model.

    Keras refuses a subclassed model that was built but never called, as one
    that is loaded from a file. It is called here, on symbols.
    """
    from keras.src.export.export_utils import get_input_signature

    if model.built and not is_graph(model) and not model._called:
        arguments = call_arguments(model)
        if arguments:
            infer(model, *arguments)
    return get_input_signature(model)


def random_inputs(model, specs, rng, examples, size):
    """Returns random inputs for a structure of specs.

    Args:
        model: Keras model, whose vocabularies and embeddings give the range
            of strings and integers.
        specs: Structure of symbolic tensors.
        rng: A `numpy.random.Generator`.
        examples, size: The size of an open batch dimension, and of any other
            open dimension.
    """
    words = vocabulary(model)
    top = smallest_vocabulary(model)

    def draw(spec):
        if not isinstance(spec, keras.KerasTensor):
            return spec
        batch, *rest = spec.shape
        shape = [batch or examples, *(size if n is None else n for n in rest)]
        dtype = keras.backend.standardize_dtype(spec.dtype)
        if dtype == "string":
            x = tf.constant(rng.choice(words, shape))
        elif keras.backend.is_float_dtype(dtype):
            x = keras.ops.cast(rng.normal(size=shape), dtype)
        else:
            top_here = 2 if dtype == "bool" else top
            x = keras.ops.cast(rng.integers(0, top_here, shape), dtype)
        return tf.sparse.from_dense(x) if spec.sparse else x

    return keras.tree.map_structure(draw, specs)


def check_inputs(model, x):
    """Raises `ValueError` if the shapes of inputs do not fit a graph model."""
    if not is_graph(model):
        return
    expected = keras.tree.flatten(input_specs(model))
    received = keras.tree.flatten(x)
    fits = len(expected) == len(received) and all(
        map(_fits, expected, received)
    )
    if not fits:
        raise ValueError(
            f"`data` does not fit model {model.name!r}. Expected inputs of "
            f"shape {[tuple(e.shape) for e in expected]}. Received: "
            f"{[a.shape for a in received]}"
        )


def _fits(spec, x):
    """Returns whether an array has the expected shape, up to a last axis of
    size 1, which Keras adds or drops."""
    expected, received = list(spec.shape), list(x.shape)
    if len(expected) == len(received) + 1 and expected[-1] == 1:
        received.append(1)
    elif len(received) == len(expected) + 1 and received[-1] == 1:
        received.pop()
    return len(expected) == len(received) and all(
        n in (None, m) for n, m in zip(expected, received, strict=True)
    )
