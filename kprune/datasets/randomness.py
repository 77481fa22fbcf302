"""tf.data's shuffle and random numbers, seeded by their argument alone.

`tf.data.Dataset.shuffle` and `.random` mix the seed of `tf.random.set_seed`
into their own. The order of the images would then change with the seed that a
network is initialized from, and the two could not be studied apart. So these
call the ops beneath, which take both halves of the seed.

Each pass over such a data set draws afresh, and goes on from the pass before.
"""

import tensorflow as tf

# The second half of the seeds: one stream for each use.
_ORDER, _DRAWS = 1, 2


def shuffled(dataset, buffer_size, seed):
    """Returns the elements of `dataset` in another order each pass.

    Args:
        dataset: `tf.data.Dataset`.
        buffer_size: Integer, how many elements to draw the next one from.
        seed: Integer.
    """
    variant = tf.raw_ops.ShuffleDatasetV3(
        input_dataset=tf.data.experimental.to_variant(dataset),
        buffer_size=tf.constant(buffer_size, tf.int64),
        seed=tf.constant(seed, tf.int64),
        seed2=tf.constant(_ORDER, tf.int64),
        seed_generator=tf.raw_ops.DummySeedGenerator(),
        output_types=[spec.dtype for spec in _specs(dataset)],
        output_shapes=[spec.shape for spec in _specs(dataset)],
        reshuffle_each_iteration=True,
    )
    return tf.data.experimental.from_variant(variant, dataset.element_spec)


def seeds(seed):
    """Returns an endless data set of seeds for stateless random ops.

    Args:
        seed: Integer.

    Returns:
        `tf.data.Dataset` of int64 tensors of shape `(2,)`.
    """
    variant = tf.raw_ops.RandomDatasetV2(
        seed=tf.constant(seed, tf.int64),
        seed2=tf.constant(_DRAWS, tf.int64),
        seed_generator=tf.raw_ops.DummySeedGenerator(),
        output_types=[tf.int64],
        output_shapes=[[]],
        rerandomize_each_iteration=True,
    )
    draws = tf.data.experimental.from_variant(
        variant, tf.TensorSpec([], tf.int64)
    )
    return draws.batch(2, drop_remainder=True)


def _specs(dataset):
    return tf.nest.flatten(dataset.element_spec)
