"""Pipelines of photographs, decoded during training.

The functions are those of `memory.py`. Photographs are shuffled while they are
compressed and are not cached: decoded at 224 x 224, ImageNet takes 190 GB, and
each pass crops other parts.
"""

import tensorflow as tf

from kprune.datasets import randomness, storage
from kprune.datasets.augmentation import (
    random_resized_crop,
    resize_and_center_crop,
)

# Compressed photographs in the shuffle buffer: up to 1 GB of ImageNet.
_BUFFER = 8192
_FILES = 16  # Files read at a time, and photographs read from each in turn.
_SHORTER_SIDE = 256  # Before the centre crop of 224, as in He et al. (2016).


def read(info, data_dir=None, validation=0.0):
    """Returns the parts of a set as pairs (builder, split), without reading.

    The images held out for validation are the first on disk, where
    tensorflow-datasets stored them in a fixed random order.
    """
    builder = storage.builder(info, data_dir)
    stored_as = builder.info.file_format.value
    if stored_as != "tfrecord":
        raise ValueError(
            f"{info.name!r} should be stored as 'tfrecord' to be read in "
            f"order. Received: {stored_as!r} in {str(builder.data_dir)!r}. "
            "Give another folder as `data_dir=`, for it to be built in again."
        )
    held_out = round(validation * builder.info.splits["train"].num_examples)
    parts = ["train", info.test_split]
    if validation:
        parts[:1] = [f"train[{held_out}:]", f"train[:{held_out}]"]
    return [(builder, part) for part in parts]


def size(part):
    """Returns the number of images of a part from `read`."""
    builder, split = part
    return builder.info.splits[split].num_examples


def training(info, part, normalize, augment, batching):
    """Returns batches whose order and augmentation change with each pass.

    Each worker reads all files, since the order depends on all of them, and
    decodes its own share. Arguments are as in `memory.training`.
    """
    pixels = info.input_shape[0]
    parse = _parser(part)

    def a_pass(key, first):
        def crop(place, record):
            image, label = parse(record)
            if augment:
                draw = tf.random.fold_in(key, place)
                image = random_resized_crop(image, pixels, draw)
            else:
                image = resize_and_center_crop(image, pixels, _SHORTER_SIDE)
            return image, label

        records = randomness.shuffled(_records(part, key), _BUFFER, key)
        numbered = records.enumerate()
        needed = numbered.take(batching.steps * batching.batch_size)
        ahead = needed.skip(first * batching.batch_size)
        own = ahead.filter(lambda place, _: batching.holds(place))
        images = own.map(crop, tf.data.AUTOTUNE)
        return _batches(
            images, normalize, batching.share_size, batching.drop_remainder
        )

    return batching.passes(a_pass).prefetch(tf.data.AUTOTUNE)


def evaluation(info, part, normalize, batch_size):
    """Returns batches of all images in the order they are stored in."""
    pixels = info.input_shape[0]
    parse = _parser(part)

    def crop(record):
        image, label = parse(record)
        return resize_and_center_crop(image, pixels, _SHORTER_SIDE), label

    images = _records(part).apply(
        tf.data.experimental.assert_cardinality(size(part))
    )
    images = images.map(crop, tf.data.AUTOTUNE)
    batches = _batches(images, normalize, batch_size)
    return batches.prefetch(tf.data.AUTOTUNE)


def _records(part, key=None):
    # tensorflow-datasets can shuffle files by a Python number, but not by a
    # tensor such as the key of a pass.
    builder, split = part
    files = builder.info.splits[split].file_instructions
    names = tf.constant([file.filename for file in files])
    skips = tf.constant([file.skip for file in files], tf.int64)
    takes = tf.constant([file.take for file in files], tf.int64)
    order = tf.range(len(files))
    if key is not None:
        order = randomness.permutation(len(files), key)

    # TensorFlow 2.21 crashes if a count is the second output of an op such as
    # `tf.unstack`. Arguments of a function are safe.
    def read(name, skip, take):
        return tf.data.TFRecordDataset(name).skip(skip).take(take)

    rows = tuple(tf.gather(column, order) for column in (names, skips, takes))
    return tf.data.Dataset.from_tensor_slices(rows).interleave(
        read, _FILES, _FILES, tf.data.AUTOTUNE, deterministic=True
    )


def _parser(part):
    import tensorflow_datasets as tfds

    features = part[0].info.features
    decoders = {"image": tfds.decode.SkipDecoding()}

    def parse(record):
        example = features.deserialize_example(record, decoders=decoders)
        image = tf.io.decode_jpeg(example["image"], channels=3)
        return image, tf.cast(example["label"], tf.int32)

    return parse


def _batches(images, normalize, batch_size, drop_remainder=False):
    batches = images.batch(batch_size, drop_remainder)
    return batches.map(
        lambda images, labels: (normalize(images), labels), tf.data.AUTOTUNE
    )
