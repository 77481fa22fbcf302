"""Finds the kept weights on a path from an input to an output.

All other kept weights do not affect the output: their unit has no input or no
output left, or is linked to such units only. The effective sparsity counts them
as removed.

The paths are found in a copy of the model that is linear and nowhere negative:
every kept entry is one, every other parameter is zero, and activations and
normalization pass their inputs on. On an input of ones, with R the sum of the
outputs,

    a kept weight is on a path  iff  dR/dw > 0

since nothing can cancel. A bias carries no path: it only adds a constant.
"""

import keras
import numpy as np
import tensorflow as tf

from kprune.graph.costs.inputs import specs
from kprune.graph.paths import connections, counting
from kprune.graph.paths.operations import CallLog, name
from kprune.masking import precision
from kprune.runtime import keras_internals


def find(model, variables, kept, inputs=None):
    """Finds the kept entries of each weight that lie on a path.

    Args:
        model: A built Keras model. It is not modified.
        variables: Dict from weight name to the model's variable. All other
            parameters count as zero.
        kept: Dict from weight name to a boolean array.
        inputs: A batch, of which only shapes and dtypes are read.

    Returns:
        Dict from weight name to a boolean array of the weight's shape.

    Raises:
        Exception: Any error of a model that cannot be copied or traced.
        ValueError: If the paths through a layer, or input shapes, are unknown.
    """
    for weight, variable in variables.items():
        if not keras.backend.is_float_dtype(variable.dtype):
            raise ValueError(f"{weight} is stored as {variable.dtype}")
    structure, _ = specs(model, inputs)
    ones = keras.tree.map_structure(
        lambda spec: tf.ones((1, *spec.shape[1:]), spec.dtype), structure
    )
    masks = [tf.constant(kept[weight]) for weight in variables]
    twin, twin_of = precision.copy_in(model, "float32")
    own = [twin_of(variable) for variable in variables.values()]
    compute = _following(twin, own)
    if not _is_known(twin):
        compute = _traced(compute, ones, masks)
    found = compute(ones, masks)
    return {
        weight: on_path.numpy()
        for weight, on_path in zip(variables, found, strict=True)
    }


def count(model, variables, kept, inputs=None):
    """Returns the number of paths of kept entries from inputs to outputs, a
    float; a convolution has a way for each position of its window.

    Args:
        model, variables, kept, inputs: As for `find`.

    Raises:
        Exception: As `find` does.
        ValueError: If the model has layers or operations of its own classes,
            or the number is not finite.
    """
    ones, twin, twin_of = counting_twin(model, inputs)
    own = [twin_of(variable) for variable in variables.values()]
    entries = [tf.cast(kept[weight], tf.float64) for weight in variables]
    with keras.StatelessScope(list(zip(own, entries, strict=True))):
        outputs = keras.tree.flatten(twin(ones, training=False))
    total = float(sum(tf.reduce_sum(z) for z in outputs))
    if not np.isfinite(total):
        raise ValueError("there are more paths than a float64 holds")
    return round(total) if total < 2**53 else total


def counting_twin(model, inputs=None):
    """Returns what counts paths: ones to feed, a private copy of the model in
    float64, and a function from a variable of `model` to the copy's.

    On the ones, each value in the copy is the number of paths that lead to it.
    All variables of the copy are zero: the kernels that paths may pass are to
    be set to ones.

    Args:
        model, inputs: As for `find`.

    Raises:
        Exception: As `find` does.
        ValueError: If the model has layers or operations of its own classes.
    """
    structure, _ = specs(model, inputs)
    ones = keras.tree.map_structure(
        lambda spec: tf.ones(
            (1, *spec.shape[1:]),
            tf.float64 if spec.dtype.is_floating else spec.dtype,
        ),
        structure,
    )
    twin, twin_of = precision.copy_in(model, "float64")
    _carry_paths(twin, counting.of)
    if not _is_known(twin):
        raise ValueError("paths are counted through Keras' own layers only")
    return ones, twin, twin_of


def _following(twin, variables):
    """Returns a function from inputs and masks to the entries on a path."""
    log = _carry_paths(twin)

    def on_path(inputs, masks):
        entries = [tf.cast(mask, tf.float32) for mask in masks]
        mapping = list(zip(variables, entries, strict=True))
        with tf.GradientTape() as tape:
            tape.watch(entries)
            with keras.StatelessScope(mapping):
                outputs = keras.tree.flatten(twin(inputs, training=False))
            outputs = [z for z in outputs if z.dtype.is_floating]
            total = tf.add_n([tf.reduce_sum(z) for z in outputs])
        none = {"unconnected_gradients": tf.UnconnectedGradients.ZERO}
        if tf.executing_eagerly():
            counts = tape.gradient(total, entries, **none)
        else:  # A tape ignores the gradient overrides of `connections`.
            log.check(keras.tree.flatten(inputs), outputs)
            counts = tf.gradients(total, entries, **none)
        # Counts are whole numbers up to rounding, see `connections`.
        return [m & (n > 0.5) for m, n in zip(masks, counts, strict=True)]

    return on_path


def _is_known(model):
    """Returns whether a model consists of layers and operations that are known
    to carry paths.

    Such a model runs eagerly. The operations of any other have to be read off
    a traced graph, which takes ten times as long.
    """
    plain = (keras.Sequential, keras_internals.functional_class())
    found = keras_internals.all_layers(model)
    return type(model) in plain and all(
        type(one) in plain or connections.is_known(one)
        for one in [*found, *_operations(found)]
    )


def _traced(compute, ones, masks):
    """Returns the traced function; tracing runs `CallLog.check`."""
    function = tf.function(compute, autograph=False)
    return function.get_concrete_function(ones, masks)


def _carry_paths(model, rule=connections.of):
    """Changes a private copy, in place, so that it only carries paths; returns
    a `CallLog` of its layers."""
    log, known = CallLog(), set()
    found = keras_internals.all_layers(model)
    for one in [*found, *_operations(found)]:
        call = rule(one)
        if call is not None:
            known |= {id(v) for v in getattr(one, "weights", ())}
        one.call = log.watch(one, call or one.call, call is not None)
    for layer in sorted(found, key=lambda layer: len(layer.weights)):
        if any(id(v) not in known for v in layer.weights):
            raise ValueError(f"no paths are known through {name(layer)}")
    for variable in model.variables:
        if keras.backend.is_float_dtype(variable.dtype):
            variable.assign(keras.ops.zeros_like(variable))
    return log


def _operations(layers):
    """Returns the operations of graphs that are not layers, such as `a + b`."""
    return [
        operation
        for layer in layers
        for operation in getattr(layer, "operations", ())
        if not isinstance(operation, keras.layers.Layer)
    ]
