"""Named types for the annotations of kprune's public calls."""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

# A Keras model: Sequential, Functional or a user's own class.
Model: TypeAlias = keras.Model
# A Keras callback.
Callback: TypeAlias = keras.callbacks.Callback
# What NumPy turns into an array, or a tensor.
ArrayLike: TypeAlias = np.typing.ArrayLike | tf.Tensor
# Arrays by the name of a weight, of its shape each.
Weights: TypeAlias = Mapping[str, ArrayLike]
# The same as tensors, as criteria get them.
Tensors: TypeAlias = Mapping[str, tf.Tensor]
Scores: TypeAlias = Mapping[str, ArrayLike]
Masks: TypeAlias = Mapping[str, np.ndarray]
# What `fit` takes: arrays (x, y), a `tf.data.Dataset`, a `PyDataset` or an
# iterable of batches.
Data: TypeAlias = (
    tuple[Any, ...] | tf.data.Dataset | keras.utils.PyDataset | Iterable[Any]
)
# What `compile` takes as a loss.
Loss: TypeAlias = (
    str | keras.losses.Loss | Callable[..., Any] | Mapping[str, Any] | list[Any]
)
# A function of (objective, weights, masks) that returns scores, or its name.
Criterion: TypeAlias = str | Callable[..., Scores]
# A path to a file or directory.
Path: TypeAlias = str | os.PathLike[str]
