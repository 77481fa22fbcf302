"""What the tests of the data sets share: made-up images, and reading."""

import numpy as np
import tensorflow as tf


class Cifar:
    """Answers as tensorflow-datasets does when asked for a whole split.

    Args:
        train, test: Integers, how many images of 32 x 32 x 3 to draw.
    """

    def __init__(self, train, test):
        draw = np.random.RandomState(0)
        shape = (train + test, 32, 32, 3)
        self.images = draw.randint(1, 256, shape, np.uint8)
        self.labels = draw.randint(0, 10, train + test)
        self.parts = {"train": slice(train), "test": slice(train, None)}

    def as_dataset(self, split, batch_size, as_supervised):
        assert (batch_size, as_supervised) == (-1, True)
        part = self.parts[split]
        return tf.constant(self.images[part]), tf.constant(self.labels[part])


def collect(dataset):
    """Returns all images of a pass, and all labels."""
    x, y = zip(*dataset.as_numpy_iterator(), strict=True)
    return np.concatenate(x), np.concatenate(y)


def rows(x):
    """Returns the set of the images, as bytes."""
    return {image.tobytes() for image in x}


def assert_same_batches(these, those):
    """Asserts that two lists of batches are equal, and not empty."""
    assert len(these) == len(those) > 0
    for (x, y), (x_other, y_other) in zip(these, those, strict=True):
        np.testing.assert_array_equal(y, y_other)
        np.testing.assert_array_equal(x, x_other)
