"""Pipelines of the sets of photographs: read and decoded as training goes.

The same functions as in `memory.py`. Photographs are shuffled while they are
still compressed, and are not cached: decoded, ImageNet takes 190 GB at 224 x
224, and each pass cuts out other parts.
"""

import tensorflow as tf

from kprune.datasets import randomness, storage
from kprune.datasets.augmentation import (
    random_resized_crop,
    resize_and_center_crop,
)

# Compressed photographs to draw the next one from: up to 1 GB of ImageNet.
_BUFFER = 8192
_SHORTER_SIDE = 256  # Before the centre crop of 224, as in He et al. (2016).


def read(info, data_dir=None, validation=0.0):
    """Returns the set's parts, none of them read yet.

    Args:
        info: `Info` of the data set.
        data_dir: String, where tensorflow-datasets keeps its files.
        validation: Float in [0, 1), the fraction of training images to hold
            out. They are the first on disk, which tensorflow-datasets wrote
            in an order shuffled once and for all.

    Returns:
        List of `(builder, split)`: the training part, the validation part if
        `validation` is not zero, and the test part.
    """
    builder = storage.builder(info, data_dir)
    held_out = round(validation * builder.info.splits["train"].num_examples)
    parts = ["train", info.test_split]
    if validation:
        parts = [
            f"train[{held_out}:]",
            f"train[:{held_out}]",
            info.test_split,
        ]
    return [(builder, part) for part in parts]


def training(info, part, normalize, batch_size, seed, augment, drop_remainder):
    """Returns batches in another order, and augmented anew, each pass.

    Args:
        info: `Info` of the data set.
        part: A builder and a split, from `read`.
        normalize: Function from images of 0 to 255 to the network's input.
        batch_size: Integer.
        seed: Integer.
        augment: Boolean.
        drop_remainder: Boolean, whether to leave out the last batch if it is
            smaller than the others.
    """
    size = info.input_shape[0]
    photographs = randomness.shuffled(_encoded(part, seed), _BUFFER, seed)

    def crop(photograph, draw):
        encoded, label = photograph
        image = tf.io.decode_jpeg(encoded, channels=3)
        if augment:
            image = random_resized_crop(image, size, draw)
        else:
            image = resize_and_center_crop(image, size, _SHORTER_SIDE)
        return image, tf.cast(label, tf.int32)

    images = tf.data.Dataset.zip(photographs, randomness.seeds(seed))
    images = images.map(crop, tf.data.AUTOTUNE)
    return _batches(images, normalize, batch_size, drop_remainder)


def evaluation(info, part, normalize, batch_size):
    """Returns all images in the order in which they are stored.

    Args:
        info: `Info` of the data set.
        part: A builder and a split, from `read`.
        normalize: Function from images of 0 to 255 to the network's input.
        batch_size: Integer.
    """

    def crop(encoded, label):
        image = tf.io.decode_jpeg(encoded, channels=3)
        image = resize_and_center_crop(
            image, info.input_shape[0], _SHORTER_SIDE
        )
        return image, tf.cast(label, tf.int32)

    images = _encoded(part).map(crop, tf.data.AUTOTUNE)
    return _batches(images, normalize, batch_size)


def _encoded(part, seed=None):
    import tensorflow_datasets as tfds

    builder, split = part
    return builder.as_dataset(
        split=split,
        shuffle_files=seed is not None,
        decoders={"image": tfds.decode.SkipDecoding()},
        read_config=tfds.ReadConfig(
            shuffle_seed=seed, try_autocache=False, skip_prefetch=True
        ),
        as_supervised=True,
    )


def _batches(images, normalize, batch_size, drop_remainder=False):
    batches = images.batch(batch_size, drop_remainder)
    batches = batches.map(
        lambda images, labels: (normalize(images), labels), tf.data.AUTOTUNE
    )
    return batches.prefetch(tf.data.AUTOTUNE)
