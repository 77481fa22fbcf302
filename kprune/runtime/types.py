"""Named types for the annotations of kprune's public calls."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import keras
import numpy as np
import tensorflow as tf

# A function or class that a decorator returns with the same signature.
T = TypeVar("T")
# A Keras model: Sequential, Functional or a user's own class.
Model: TypeAlias = keras.Model
# A Keras callback.
Callback: TypeAlias = keras.callbacks.Callback
# A tensor, or a value that NumPy converts to an array.
ArrayLike: TypeAlias = np.typing.ArrayLike | tf.Tensor
# Dicts from a weight's name to an array of its shape.
Weights: TypeAlias = Mapping[str, ArrayLike]
# The same as tensors, as criteria get them.
Tensors: TypeAlias = Mapping[str, tf.Tensor]
Scores: TypeAlias = Mapping[str, ArrayLike]
Masks: TypeAlias = Mapping[str, np.ndarray]
# Data as `fit` takes it: arrays (x, y), a `tf.data.Dataset`, a `PyDataset` or
# an iterable of batches.
Data: TypeAlias = (
    tuple[Any, ...] | tf.data.Dataset | keras.utils.PyDataset | Iterable[Any]
)
# A loss as `compile` takes it.
Loss: TypeAlias = (
    str | keras.losses.Loss | Callable[..., Any] | Mapping[str, Any] | list[Any]
)
# A function of (objective, weights, masks) that returns scores, or its name.
Criterion: TypeAlias = str | Callable[..., Scores]
# The shape of one example, without the batch axis.
Shape: TypeAlias = Sequence[int] | np.ndarray
# An initializer as a layer or `kprune.models.initializers.get` takes it.
Initializer: TypeAlias = (
    str | keras.initializers.Initializer | Callable[..., Any] | dict[str, Any]
)
# An activation as a layer takes it.
Activation: TypeAlias = str | Callable[..., Any] | None
# A path to a file or directory.
Path: TypeAlias = str | os.PathLike[str]
