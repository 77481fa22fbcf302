"""What a binary reads of inputs and labels: a known data set, or a file."""

import numpy as np
import tensorflow as tf
from absl import flags

import kprune


class LabelledData:
    """The flags `--data`, `--npz` and `--normalization`, and what they name.

    Args:
        what: String, what the data are for.
    """

    def __init__(self, what):
        names = ", ".join(kprune.datasets.names())
        self._data = flags.DEFINE_string(
            "data", None, f"Data set {what}: {names}."
        )
        self._npz = flags.DEFINE_string(
            "npz",
            None,
            "Instead: a NumPy file with arrays x and y, as the model takes "
            "them.",
        )
        self._normalization = flags.DEFINE_string(
            "normalization",
            "default",
            "The constants that --data is normalized with.",
        )
        flags.register_multi_flags_validator(
            ["data", "npz"],
            lambda values: not (values["data"] and values["npz"]),
            "Expected one of --data and --npz",
        )

    def train(self, batch_size, seed, data_dir):
        """Returns training data as `kprune.prune` takes them, or `None`."""
        if self._npz.value is not None:
            return read(self._npz.value)
        if self._data.value is None:
            return None
        train, *_ = kprune.datasets.load(
            self._data.value,
            batch_size,
            normalization=self._normalization.value,
            seed=seed,
            data_dir=data_dir,
        )
        return train

    def test(self, batch_size, data_dir):
        """Returns test data as `test_set` does, or `None`."""
        if self._npz.value is not None:
            x, y = read(self._npz.value)
            batches = tf.data.Dataset.from_tensor_slices((x, y))
            return batches.batch(batch_size), y
        if self._data.value is None:
            return None
        return test_set(
            self._data.value, self._normalization.value, batch_size, data_dir
        )


def test_set(name, normalization, batch_size, data_dir):
    """Returns a data set of test batches, and the labels there are in it."""
    *_, test = kprune.datasets.load(
        name, batch_size, normalization=normalization, data_dir=data_dir
    )
    return test, np.arange(kprune.datasets.info(name).classes)


def read(path):
    """Returns the arrays x and y of a NumPy file.

    Raises:
        ValueError: If they are not there, or are of different lengths.
    """
    try:
        with np.load(path) as file:
            found = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, AttributeError) as error:
        raise ValueError(
            f"Expected a file that numpy.savez wrote. Received: {path}: {error}"
        ) from error
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
