"""Keys for passes over the data, and orders drawn from a key.

`tf.data.Dataset.shuffle` and `.random` mix the seed of `tf.random.set_seed`
into their own. The order of the images would then change with the seed that a
network is initialized from, and their effects could not be separated. So these
functions call the underlying ops, which take both halves of the seed.

A key is a seed of `tf.random.stateless_*`: an int64 tensor of shape `(2,)`.
"""

import tensorflow as tf

_KEYS = 2  # The second half of the seed that the keys are drawn from.


def key_of_the_pass(seed):
    """Returns a data set of one key, which yields key `k` of
    `keys_of_all_passes` when it is read for the `k`-th time."""
    variant = tf.raw_ops.RandomDatasetV2(
        seed=tf.constant(seed, tf.int64),
        seed2=tf.constant(_KEYS, tf.int64),
        seed_generator=tf.raw_ops.DummySeedGenerator(),
        output_types=[tf.int64],
        output_shapes=[[]],
        rerandomize_each_iteration=True,
    )
    draws = tf.data.experimental.from_variant(
        variant, tf.TensorSpec([], tf.int64)
    )
    return draws.batch(2, drop_remainder=True).take(1)


def keys_of_all_passes(seed):
    """Returns an endless data set of keys, equal each time it is read."""
    # Inside a function, the data set that counts its reads is created anew for
    # each reader. Skipping a key takes four microseconds.
    start = tf.data.Dataset.from_tensors(seed)
    return start.flat_map(lambda _: key_of_the_pass(seed).repeat())


def permutation(size, key):
    """Returns the numbers from 0 to `size - 1`, shuffled by a key."""
    return tf.random.experimental.stateless_shuffle(tf.range(size), key)


def shuffled(dataset, buffer_size, key):
    """Shuffles a data set by a key, with a buffer of `buffer_size` elements."""
    specs = tf.nest.flatten(dataset.element_spec)
    variant = tf.raw_ops.ShuffleDatasetV3(
        input_dataset=tf.data.experimental.to_variant(dataset),
        buffer_size=tf.constant(buffer_size, tf.int64),
        seed=key[0],
        seed2=key[1],
        seed_generator=tf.raw_ops.DummySeedGenerator(),
        output_types=[spec.dtype for spec in specs],
        output_shapes=[spec.shape for spec in specs],
        reshuffle_each_iteration=False,
    )
    return tf.data.experimental.from_variant(variant, dataset.element_spec)
