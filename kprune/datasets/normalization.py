"""Normalizes stored pixels for the network's input."""

import dataclasses

import tensorflow as tf

from kprune.runtime.lookup import choose


@dataclasses.dataclass(frozen=True)
class Standardize:
    """Centres and scales images in [0, 1] by constants, one per channel.

        y = (x - mean) / std

    Args:
        mean: Tuple of floats in the units of images in [0, 1].
        std: Tuple of floats in the same units.
    """

    mean: tuple
    std: tuple

    def __call__(self, images):
        # Broadcast over three channels, both ops take six times as long as
        # over the batch.
        mean = tf.broadcast_to(self.mean, images.shape[1:])
        std = tf.broadcast_to(self.std, images.shape[1:])
        return (images - mean) / std


def per_image(images):
    """Centres and scales each image by its own mean and deviation.

    RigL does so too, but before its crop: there the border that the crop
    brings in takes no part in the mean.

    Args:
        images: Float32 tensor `(batch, height, width, channels)` in [0, 1].
    """
    # The op bounds the deviation from below, in units of 0 to 255.
    return tf.image.per_image_standardization(255.0 * images)


def as_stored(images):
    """Leaves inputs as they are."""
    return images


def normalizer(info, name):
    """Returns the function from stored pixels to the network's input.

    Args:
        info: `Info` of the data set.
        name: String, one of `info.normalizations`, or `None` for the stored
            pixel values as they are, as float32.
    """
    if name is None:
        return lambda images: tf.cast(images, tf.float32)
    what = f"normalization of {info.name!r}"
    normalize = choose(name, info.normalizations, what)
    return lambda images: normalize(tf.cast(images, tf.float32) / info.white)
