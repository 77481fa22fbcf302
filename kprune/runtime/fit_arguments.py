"""Validates what Keras takes in many forms: data, losses, activations."""

import itertools

import keras
import numpy as np
import tensorflow as tf

from kprune.runtime import checks
from kprune.runtime.words import shown

_FORMS = (
    "a tf.data.Dataset, arrays (x, y) or (x, y, sample_weight), a PyDataset "
    "or a generator of batches"
)
# Iterables that are not iterables of batches.
_NO_BATCHES = (
    *(str, bytes, dict, set, frozenset, range, np.ndarray),
    *(keras.Variable, keras.KerasTensor, keras.layers.Layer),
)


def data(name, value):
    """Returns data in a form that `fit` takes."""
    if isinstance(value, tf.distribute.DistributedDataset):
        raise ValueError(
            f"Expected `{name}` to be the data set as it was before "
            "`experimental_distribute_dataset`: each replica takes its share "
            "of each batch by itself. Received: a DistributedDataset."
        )
    kinds = tf.data.Dataset | keras.utils.PyDataset
    iterable = hasattr(type(value), "__iter__") and not tf.is_tensor(value)
    iterable = iterable and not isinstance(value, _NO_BATCHES)
    known = isinstance(value, kinds) or iterable
    if isinstance(value, list | tuple):
        known = bool(value)
    if not known:
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected {_FORMS}. "
            f"Received: {type(value).__name__}"
        )
    return value


def is_endless(value):
    """Returns whether data is known to be infinite."""
    if isinstance(value, tf.data.Dataset):
        return bool(value.cardinality() == tf.data.INFINITE_CARDINALITY)
    if isinstance(value, keras.utils.PyDataset):
        return value.num_batches is None
    return isinstance(value, itertools.count | itertools.cycle)


def finite_data(name, value):
    """Returns data that is not known to be infinite."""
    if is_endless(data(name, value)):
        raise ValueError(
            f"`{name}` has no end. Expected data that ends: take some of its "
            f"batches, `{name}.take(100)`. Received: {type(value).__name__}"
        )
    return value


def validation_data(name, value):
    """Returns finite data that can be read repeatedly, once per epoch."""
    if hasattr(finite_data(name, value), "__next__"):
        raise ValueError(
            f"`{name}` is read after each epoch. Expected arrays, a "
            f"tf.data.Dataset or a PyDataset. Received: {type(value).__name__}"
        )
    return value


def finite_dataset(name, value):
    """Returns a finite `tf.data.Dataset` of batches."""
    expected = "a tf.data.Dataset of batches (x, y)"
    kind = type(value).__name__
    checks.require(isinstance(value, tf.data.Dataset), name, kind, expected)
    return finite_data(name, value)


def training_data(name, value):
    """Returns a data set, or a function from a step to an infinite one."""
    if callable(value) and not isinstance(value, tf.data.Dataset):
        return checks.function(name, value, 1, "a step, to a data set")
    if not isinstance(value, tf.data.Dataset):
        raise ValueError(
            f"`{name}` should be a tf.data.Dataset of batches, or a function "
            "from a step to one. For arrays, use "
            "tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), "
            f"seed=0).batch(128). Received: {type(value).__name__}"
        )
    return value


def from_step(train, step):
    """Returns the data set that the function `train` returns for a step."""
    found = train(step)
    kinds = tf.data.Dataset | tf.distribute.DistributedDataset
    expected = "a function from a step to a tf.data.Dataset"
    kind = f"one to a {type(found).__name__}"
    checks.require(isinstance(found, kinds), "train", kind, expected)
    return found


def activation(name, value):
    """Returns an activation: a name that Keras knows or a function."""
    try:
        known = callable(keras.activations.get(value))
    except Exception:
        known = False
    known = known and not isinstance(value, type)
    expected = "an activation, a name that Keras knows or a function"
    return checks.require(known, name, value, expected)


def optimizer(name, value):
    """Returns an optimizer as `compile` takes it."""
    try:
        kinds = str | dict | keras.optimizers.Optimizer
        known = isinstance(value, kinds) and keras.optimizers.get(value)
    except Exception:
        known = False
    expected = "an optimizer, a name that Keras knows or an object"
    return checks.require(known, name, value, expected)


def callbacks(name, value):
    """Returns callbacks as a list, which is empty for `None`."""
    listed = isinstance(value, list | tuple | None)
    kind = keras.callbacks.Callback
    fits = listed and all(isinstance(one, kind) for one in value or ())
    checks.require(fits, name, value, "a list of Keras callbacks")
    return list(value or ())


def optimizer_object(name, value):
    """Returns a `keras.optimizers.Optimizer`."""
    kind = keras.optimizers.Optimizer
    return checks.instance(name, value, kind, "a Keras optimizer, an object")


def dtype(name, value):
    """Returns a dtype or a dtype policy, as Keras takes it."""
    try:
        known = isinstance(value, str | dict | keras.DTypePolicy)
        known = known and keras.dtype_policies.get(value) is not None
    except Exception:
        known = False
    return checks.require(known, name, value, 'a dtype, such as "float32"')


def loss(name, value):
    """Returns a loss, or a list or dict of losses, as `compile` takes it."""
    expected = "a loss as `compile` takes it: a name, a keras.losses.Loss, a "
    expected += "function of (y_true, y_pred), or a list or dict of these"
    return checks.require(_is_loss(value), name, value, expected)


def _is_loss(value):
    if isinstance(value, list | tuple):
        return bool(value) and all(
            one is None or _is_loss(one) for one in value
        )
    if isinstance(value, dict):
        named = bool(value) and all(isinstance(key, str) for key in value)
        return named and _is_loss(list(value.values()))
    if isinstance(value, str):
        try:
            return keras.losses.get(value) is not None
        except Exception:
            return False
    if isinstance(value, type):
        return issubclass(value, keras.losses.Loss)
    kinds = keras.layers.Layer | keras.metrics.Metric
    plain = callable(value) and not isinstance(value, kinds)
    return plain and checks.can_take(value, 2)


def are_arrays(value):
    """Returns whether data is a tuple (x, y) or (x, y, sample_weight) of arrays
    or structures of them, rather than batches."""
    flat = keras.tree.flatten(value) if isinstance(value, tuple) else []
    shaped = all(one is None or hasattr(one, "shape") for one in flat)
    return bool(flat) and shaped and len(value) in (2, 3)


def specs(name, value):
    """Returns the specs of the batches of data, or `None` if they are unknown
    before the data is read, or not dense.

    They are `keras.KerasTensor`s in a tuple (x, y) or (x, y, sample_weight).

    Raises:
        ValueError: If batches have another form, or arrays differ in length.
    """
    if isinstance(value, tf.data.Dataset):
        return _as_specs(name, value.element_spec, lambda spec: spec.shape)
    if not isinstance(value, list | tuple) or not are_arrays(tuple(value)):
        return None
    whole = tuple(one for one in value if one is not None)
    lengths = {np.shape(one)[:1] for one in keras.tree.flatten(whole)}
    if len(lengths) != 1 or lengths & {(), (0,)}:
        raise ValueError(
            f"Expected arrays in `{name}` of the same number of examples, at "
            f"least one. Received shapes: {shapes(whole)}"
        )
    return _as_specs(name, whole, lambda one: (None, *np.shape(one)[1:]))


def shapes(structure):
    """Returns the structure of shapes of arrays or specs, for errors."""
    return keras.tree.map_structure(lambda one: tuple(one.shape), structure)


def _as_specs(name, structure, shape):
    if not isinstance(structure, tuple) or len(structure) not in (2, 3):
        raise ValueError(
            f"Expected batches (x, y) or (x, y, sample_weight) of `{name}`. "
            f"Received: {shown(structure)}"
        )
    flat = keras.tree.flatten(structure)
    if any(isinstance(one, _NOT_DENSE) for one in flat):
        return None

    def spec(one):
        dtype = tf.as_dtype(one.dtype)
        return keras.KerasTensor(tuple(shape(one)), dtype.name)

    found = keras.tree.map_structure(spec, structure)
    for one in keras.tree.flatten(found[1:]):
        if one.dtype == "string" or "complex" in one.dtype:
            raise ValueError(
                f"Expected labels and weights in `{name}` that are numbers. "
                f"Received: dtype {one.dtype}"
            )
    return found


_NOT_DENSE = (
    *(tf.RaggedTensor, tf.RaggedTensorSpec),
    *(tf.SparseTensor, tf.SparseTensorSpec),
)
