"""Reads a command's inputs and labels from a data set or a file."""

import numpy as np
import tensorflow as tf

from kprune import datasets
from kprune.cli.flags import define_data_dir
from kprune.runtime import array_files


def define(flags, what, batch_size):
    """Defines the flags that name and read data.

    Args:
        flags: A `kprune.cli.flags.Flags`.
        what: String, the purpose of the data, for the help.
        batch_size: Integer, the default of `--batch_size`.
    """
    names = ", ".join(datasets.names())
    flags.string("data", None, f"Data set {what}: {names}.")
    text = "Instead: a NumPy file with arrays x and y, as the model takes them."
    flags.string("npz", None, text)
    flags.allow_one(["data", "npz"], "one of --data and --npz")
    text = "The constants that --data is normalized with."
    flags.string("normalization", "default", text)
    flags.integer("batch_size", batch_size, "Examples in a batch.", least=1)
    define_data_dir(flags)


def define_json(flags):
    """Defines `--json`, for a command that measures a model."""
    text = "Whether to print a line of JSON, with all digits."
    flags.boolean("json", False, text)


def train(flags, seed):
    """Returns training data for `kprune.prune`, or `None` without a flag."""
    if flags.npz is not None:
        return read(flags.npz)
    if flags.data is None:
        return None
    found, *_ = datasets.load(
        flags.data,
        flags.batch_size,
        normalization=flags.normalization,
        seed=seed,
        data_dir=flags.data_dir,
    )
    return found


def test(flags):
    """Returns test batches and labels, or `None` without a flag."""
    if flags.npz is not None:
        x, y = read(flags.npz)
        batches = tf.data.Dataset.from_tensor_slices((x, y))
        return batches.batch(flags.batch_size), y
    if flags.data is None:
        return None
    return test_set(flags, flags.data, flags.normalization)


def test_set(flags, name, normalization):
    """Returns the test batches of a data set, and an array of its labels."""
    *_, found = datasets.load(
        name,
        flags.batch_size,
        normalization=normalization,
        data_dir=flags.data_dir,
    )
    return found, np.arange(datasets.info(name).classes)


def read(path):
    """Returns the arrays x and y of a NumPy file, of equal length."""
    found = array_files.read(path)
    if not {"x", "y"} <= set(found):
        raise ValueError(
            f"Expected arrays x and y in {path}. Received: "
            f"{', '.join(found) or 'none'}"
        )
    x, y = found["x"], found["y"]
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y) or not len(x):
        raise ValueError(
            f"Expected as many x as y in {path}. Received shapes: {x.shape} "
            f"and {y.shape}"
        )
    return x, y
