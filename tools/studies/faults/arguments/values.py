"""Values that fit almost nowhere."""

import decimal
import fractions
import math
import pathlib

import keras
import numpy as np
import tensorflow as tf

# Arguments of which a huge integer takes no time.
_NUMBERS_ALONE = ("seed", "every", "begin", "end", "batch_size", "window")


def draw(rng, world, argument):
    """Returns the name of a wrong value and the value."""
    table = _VALUES
    if argument in _NUMBERS_ALONE:
        table = {**table, "10**9": lambda world: 10**9}
    names = list(table)
    name = names[rng.integers(len(names))]
    return name, table[name](world)


def _raises(*args, **kwargs):
    raise ZeroDivisionError("This function always raises.")


def _gives_none(*args, **kwargs):
    return None


def _gives_nan(*args, **kwargs):
    return math.nan


def _gives_a_dict(*args, **kwargs):
    return {"fc1/kernel": np.full((4, 6), 2.0), "fc2/kernel": None}


def _no_argument():
    return 0


def _one_argument(one):
    return one


def _endless():
    while True:
        yield np.ones((4, 4), "float32"), np.zeros(4, int)


def _unbuilt(world):
    return keras.Sequential([keras.layers.Dense(2)])


def _dataset(x, y):
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(4)


_INPUTS, _LABELS = np.ones((8, 4), "float32"), np.zeros(8, int)
_NAN = np.full((8, 4), np.nan, "float32")
_CONSTANTS = {
    "None": None,
    "True": True,
    "False": False,
    "0": 0,
    "3": 3,
    "-1": -1,
    "2.5": 2.5,
    "inf": math.inf,
    "-inf": -math.inf,
    "nan": math.nan,
    "1+2j": 1 + 2j,
    "float16": np.float16(0.5),
    "1.0": 1.0,
    "1e300": 1e300,
    "5e-324": 5e-324,
    "boolean of NumPy": np.bool_(True),
    "integer of NumPy": np.int64(2),
    "Fraction": fractions.Fraction(1, 3),
    "Decimal": decimal.Decimal("0.5"),
    "empty string": "",
    "string": "word",
    "string with NUL": "w\0rd",
    "pattern that is none": "(",
    "name of a layer": "fc1",
    "name of a weight": "fc2/kernel",
    "pattern": "fc.*",
    "half an epoch": "0.5ep",
    "200%": "200%",
    "no step": "0it",
    "bytes": b"word",
    "empty list": [],
    "[1]": [1],
    "[None]": [None],
    "list of strings": ["a", "b"],
    "mixed list": ["a", 3, None],
    "list of lists": [[1, 2], [3]],
    "empty dict": {},
    "dict": {"a": 1},
    "dict of shares": {"fc1": 0.5},
    "dict of shares > 1": {"fc1": 2.0},
    "dict of a strange name": {"fc9/kernel": 0.5},
    "dict by numbers": {1: 2},
    "dict of None": {None: None},
    "set": {1, 2},
    "empty tuple": (),
    "tuple": (1, 2, 3),
    "tuple of strings": ("a", "b"),
    "range": range(3),
    "Ellipsis": ...,
    "slice": slice(None),
    "object": object(),
    "module": math,
    "type int": int,
    "type Layer": keras.layers.Dense,
    "type Model": keras.Model,
    "type Exception": ValueError,
    "function of nothing": _no_argument,
    "function of one": _one_argument,
    "function that gives None": _gives_none,
    "function that gives NaN": _gives_nan,
    "function that gives a dict": _gives_a_dict,
    "function that raises": _raises,
    "empty array": np.array([]),
    "array of no dimension": np.array(1.0),
    "array": np.ones((2, 3)),
    "array of integers": np.arange(3),
    "array of strings": np.array(["a", "b"]),
    "array of objects": np.array([None, "a"], object),
    "complex array": np.ones((8, 4), complex),
    "array of NaN": _NAN,
    "arrays of two lengths": (_INPUTS, _LABELS[:3]),
    "arrays with NaN": (_NAN, _LABELS),
    "arrays of another shape": (np.ones((8, 3), "float32"), _LABELS),
    "arrays of strings": (np.array(["a"] * 8), _LABELS),
    "labels out of range": (_INPUTS, _LABELS + 99),
    "labels that are strings": (_INPUTS, np.array(["a"] * 8)),
    "four arrays": (_INPUTS, _LABELS, _LABELS, _LABELS),
    "empty arrays": (_INPUTS[:0], _LABELS[:0]),
    "string of NumPy": np.str_("word"),
    "date of NumPy": np.datetime64("2020-01-01"),
    "masked array": np.ma.masked_array([1, 2], [True, False]),
}
_MADE = {
    "scalar tensor": lambda world: tf.constant(1.0),
    "tensor": lambda world: tf.constant([1.0, 2.0]),
    "tensor of strings": lambda world: tf.constant(["a", "b"]),
    "ragged tensor": lambda world: tf.ragged.constant([[1.0], [2.0, 3.0]]),
    "sparse tensor": lambda world: tf.sparse.from_dense([[1.0, 0.0]]),
    "variable": lambda world: tf.Variable(1.0),
    "Keras variable": lambda world: keras.Variable(np.ones(3)),
    "symbol": lambda world: keras.Input((4,)),
    "generator": lambda world: (i for i in range(3)),
    "endless generator": lambda world: _endless(),
    "iterator": lambda world: iter([]),
    "directory": lambda world: str(world.directory),
    "path of a directory": lambda world: world.directory,
    "path of a file": lambda world: world.file,
    "path of nothing": lambda world: pathlib.Path(world.directory, "no", "way"),
    "model that is not built": _unbuilt,
    "model": lambda world: world.model,
    "wrapped model": lambda world: world.wrapped,
    "learned model": lambda world: world.learned,
    "model without weights": lambda world: world.weightless,
    "dict of masks": lambda world: world.masks,
    "masks of other shapes": lambda world: {
        name: mask[:2] for name, mask in world.masks.items()
    },
    "masks that keep nothing": lambda world: {
        name: mask & False for name, mask in world.masks.items()
    },
    "layer": lambda world: keras.layers.Dense(2),
    "optimizer": lambda world: keras.optimizers.SGD(0.1),
    "loss": lambda world: keras.losses.MeanSquaredError(),
    "metric": lambda world: keras.metrics.Mean(),
    "callback": lambda world: keras.callbacks.Callback(),
    "data set": lambda world: _dataset(_INPUTS, _LABELS),
    "empty data set": lambda world: _dataset(_INPUTS[:0], _LABELS[:0]),
    "endless data set": lambda world: _dataset(_INPUTS, _LABELS).repeat(),
    "data set of NaN": lambda world: _dataset(_NAN, _LABELS),
    "data set of inputs": lambda world: _dataset(_INPUTS, _LABELS).map(
        lambda x, y: x
    ),
    "data set of dicts": lambda world: _dataset(_INPUTS, _LABELS).map(
        lambda x, y: {"x": x, "y": y}
    ),
    "data set, not batched": lambda world: _dataset(_INPUTS, _LABELS).unbatch(),
    "data set of strings": lambda world: tf.data.Dataset.from_tensors("a"),
}
_VALUES = {
    **{n: lambda world, v=v: v for n, v in _CONSTANTS.items()},
    **_MADE,
}
