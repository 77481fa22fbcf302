"""Checks of what `fit` and `compile` take: data in any form, and losses."""

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
# They can be iterated over, and are no batches.
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
    return checks.require(known, name, value, _FORMS)


def is_endless(value):
    """Whether data says that it has no end."""
    if isinstance(value, tf.data.Dataset):
        return bool(value.cardinality() == tf.data.INFINITE_CARDINALITY)
    if isinstance(value, keras.utils.PyDataset):
        return value.num_batches is None
    return isinstance(value, itertools.count | itertools.cycle)


def finite_data(name, value):
    """Returns data that has an end, as far as it tells."""
    if is_endless(data(name, value)):
        raise ValueError(
            f"`{name}` has no end. Expected data that ends: take some of its "
            f"batches, `{name}.take(100)`. Received: {type(value).__name__}"
        )
    return value


def dataset(name, value):
    """Returns a `tf.data.Dataset` of batches."""
    expected = "a tf.data.Dataset of batches"
    return checks.instance(name, value, tf.data.Dataset, expected)


def training_data(name, value):
    """Returns a data set, or a function from a step to an endless one."""
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


def loss(name, value):
    """Returns a loss as `compile` takes it; several in a list or dict."""
    expected = "a loss as `compile` takes it: a name, a keras.losses.Loss, a "
    expected += "function of (y_true, y_pred), or a list or dict of these"
    return checks.require(_is_loss(value), name, value, expected)


def _is_loss(value):
    if isinstance(value, list | tuple):
        return bool(value) and all(
            one is None or _is_loss(one) for one in value
        )
    if isinstance(value, dict):
        return bool(value) and _is_loss(list(value.values()))
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


def specs(value):
    """Returns the specs of the batches of data, `keras.KerasTensor` in a tuple
    (x, y) or (x, y, sample_weight), or `None` where reading alone tells them.

    Raises:
        ValueError: If batches have another form.
    """
    if isinstance(value, tf.data.Dataset):
        element = value.element_spec
        return _as_specs(element, lambda spec: spec.shape)
    arrays = isinstance(value, list | tuple) and bool(value)
    if arrays and all(one is None or _has_shapes(one) for one in value):
        whole = tuple(one for one in value if one is not None)
        return _as_specs(whole, lambda one: (None, *np.shape(one)[1:]))
    return None


def shapes(found):
    """Returns the shapes of specs, in words."""
    return keras.tree.map_structure(lambda one: tuple(one.shape), found)


def _has_shapes(value):
    return all(hasattr(one, "shape") for one in keras.tree.flatten(value))


def _as_specs(structure, shape):
    if not isinstance(structure, tuple) or len(structure) not in (2, 3):
        raise ValueError(
            "Expected batches (x, y) or (x, y, sample_weight) to validate on. "
            f"Received: {shown(structure)}"
        )
    flat = keras.tree.flatten(structure)
    if any(
        isinstance(one, tf.RaggedTensorSpec | tf.RaggedTensor) for one in flat
    ):
        return None
    if any(
        isinstance(one, tf.SparseTensorSpec | tf.SparseTensor) for one in flat
    ):
        return None

    def spec(one):
        dtype = keras.backend.standardize_dtype(one.dtype)
        return keras.KerasTensor(tuple(shape(one)), dtype)

    return keras.tree.map_structure(spec, structure)
