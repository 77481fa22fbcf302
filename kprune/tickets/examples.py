"""Labelled examples in memory, addressed by index."""

import keras
import tensorflow as tf

from kprune.runtime import checks, examples, seeds
from kprune.scoring import batches


class Examples:
    """Arrays of examples, of which subsets are read in batches.

    The arguments are those of `kprune.tickets.Training`.

    Attributes:
        x: The inputs, an array or a structure of arrays without lists.
        y: The labels.
    """

    def __init__(self, data, batch_size, augment=None, seed=0):
        if not isinstance(data, (tuple, list)) or len(data) != 2:
            raise ValueError(
                "Expected arrays (x, y): an example is known by its place in "
                f"them. Received: {type(data).__name__}"
            )
        known = augment is None or callable(augment)
        expected = "a function of a batch of inputs and a seed"
        checks.require(known, "augment", augment, expected)
        (self.x, self.y), self._count = batches.arrays_of(data)
        ragged = any(map(examples.is_ragged, keras.tree.flatten(self.x)))
        expected = "arrays whose examples have one shape, padded if need be"
        checks.require(not ragged, "data", "ragged inputs", expected)
        # `tf.data` would convert lists to tensors.
        self.x = keras.tree.lists_to_tuples(self.x)
        self._batch_size = batch_size
        self._augment = augment
        self._seed = seed

    def __len__(self):
        return self._count

    def steps(self, places):
        """Returns the number of batches that examples at `places` fill."""
        return -(-len(places) // self._batch_size)

    def inputs(self, places):
        """Returns a data set of inputs in the order of `places`."""

        def generate():
            for part in self._parts(places):
                yield (_rows(self.x, part),)

        length = tf.data.experimental.assert_cardinality(self.steps(places))
        return _dataset(generate, (_specs(self.x),)).apply(length)

    def training(self, places, level):
        """Returns a function from a step to an endless data set to train on.

        Each epoch passes over the examples in a different order, determined by
        the seed, the level and the epoch.
        """
        steps = self.steps(places)

        def generate(step):
            while True:
                epoch, done = divmod(step, steps)
                order = seeds.stream(self._seed, "order", level, epoch)
                for part in self._parts(order.permutation(places), done):
                    draw = seeds.stream(self._seed, "augment", level, step)
                    key = draw.integers(2**31, size=2)
                    yield _rows(self.x, part), self.y[part], key
                    step += 1

        def augmented(x, y, key):
            return (x if self._augment is None else self._augment(x, key)), y

        spec = (*_specs((self.x, self.y)), tf.TensorSpec((2,), tf.int64))
        return lambda step: (
            _dataset(lambda: generate(step), spec)
            .map(augmented, num_parallel_calls=2, deterministic=True)
            .prefetch(2)
        )

    def _parts(self, places, first=0):
        """Yields the places of each batch, from batch number `first` on."""
        size = self._batch_size
        starts = range(first * size, len(places), size)
        return (places[start : start + size] for start in starts)


def _dataset(generate, specs):
    return tf.data.Dataset.from_generator(generate, output_signature=specs)


def _rows(arrays, places):
    return keras.tree.map_structure(lambda a: a[places], arrays)


def _specs(arrays):
    return keras.tree.map_structure(
        lambda a: tf.TensorSpec((None, *a.shape[1:]), a.dtype), arrays
    )
