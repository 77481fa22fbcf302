"""Pipelines of data sets that fit in memory.

The images stay one uint8 tensor, of 1.2 GB for Tiny-ImageNet, the largest set.
The pipelines shuffle and batch indices and gather each batch at once, so they
neither copy nor buffer single images.
"""

import numpy as np
import tensorflow as tf

from kprune.datasets import own, randomness, storage
from kprune.datasets.augmentation import crop_and_flip

# The held-out images are the same whatever the seed of a run.
_HOLD_OUT_SEED = 0


def read(info, data_dir=None, validation=0.0):
    """Reads the parts of a set: training, validation (unless 0) and test.

    Each part is `(images, labels)`, with int32 labels. The images held out for
    validation are random, but always the same.
    """
    if own.is_own(info.name):
        splits = own.read(info.name)
    elif info.tfds is None:
        splits = storage.read_digits()
    else:
        builder = storage.builder(info, data_dir)
        splits = {
            "train": _decoded(builder, "train"),
            "test": _decoded(builder, info.test_split),
        }
    images, labels = splits["train"]
    held_out = round(validation * len(labels))
    # NumPy never changes RandomState's streams, but may change default_rng's.
    order = np.random.RandomState(_HOLD_OUT_SEED).permutation(len(labels))
    parts = [(images, labels)]
    if validation:
        parts = [
            (images[rows], labels[rows])
            for rows in (np.sort(order[held_out:]), np.sort(order[:held_out]))
        ]
    return [(x, y.astype(np.int32)) for x, y in [*parts, splits["test"]]]


def size(part):
    """Returns the number of images of a part from `read`."""
    return len(part[1])


def training(info, part, normalize, augment, batching):
    """Returns batches whose order and augmentation change with each pass.

    Args:
        info: `Info` of the data set.
        part: A pair of arrays, from `read`.
        normalize: Function from stored images to the network's inputs.
        augment: Boolean, whether to crop and flip.
        batching: `Batching` of the part.
    """
    del info
    gather = _gatherer(part)

    def a_pass(key, first):
        order = randomness.permutation(batching.size, key)
        rows = tf.data.Dataset.from_tensor_slices(order).batch(
            batching.batch_size, batching.drop_remainder
        )
        return (
            rows.enumerate()
            .skip(first)
            .map(lambda k, rows: (rows, tf.random.fold_in(key, k)))
        )

    def batch(rows, draw):
        images, labels = gather(batching.share(rows))
        if augment:
            images = crop_and_flip(images, draw, shard=batching.shard)
        return normalize(images), labels

    batches = batching.passes(a_pass).map(batch, tf.data.AUTOTUNE)
    return batches.prefetch(tf.data.AUTOTUNE)


def evaluation(info, part, normalize, batch_size):
    """Returns batches of all images in the order they are stored in."""
    del info
    gather = _gatherer(part)

    def batch(rows):
        images, labels = gather(rows)
        return normalize(images), labels

    rows = tf.data.Dataset.range(len(part[1])).batch(batch_size)
    return rows.map(batch, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _decoded(builder, split):
    whole = builder.as_dataset(split=split, batch_size=-1, as_supervised=True)
    return tuple(tensor.numpy() for tensor in whole)


def _gatherer(part):
    # tf.data runs on the CPU: images on a GPU would be copied back per batch.
    with tf.device("CPU:0"):
        images, labels = map(tf.constant, part)
    return lambda rows: (tf.gather(images, rows), tf.gather(labels, rows))
