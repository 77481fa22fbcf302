"""Normalizes stored pixels for the network's input."""

import dataclasses

import tensorflow as tf

from kprune.runtime.lookup import choose


@dataclasses.dataclass(frozen=True)
class Standardize:
    """Standardizes images in [0, 1] by constants, one per channel.

        y = (x - mean) / std

    Args:
        mean: Tuple of floats, one per channel, for images in [0, 1].
        std: Tuple of floats, likewise.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        # Broadcasting over three channels takes both ops six times as long as
        # broadcasting over the batch.
        mean = tf.broadcast_to(self.mean, images.shape[1:])
        std = tf.broadcast_to(self.std, images.shape[1:])
        return (images - mean) / std


def per_image(images):
    """Standardizes each image by its own mean and standard deviation.

    RigL does so before its crop, so that its mean leaves out the border that
    the crop adds.

    Args:
        images: Float32 tensor `(batch, height, width, channels)` in [0, 1].
    """
    # The op bounds the deviation from below, for pixels from 0 to 255.
    return tf.image.per_image_standardization(255.0 * images)


def as_stored(images):
    """Returns the inputs unchanged."""
    return images


def normalizer(info, name):
    """Returns a function from stored pixels to the network's inputs.

    Args:
        info: `Info` of the data set.
        name: String, one of `info.normalizations`, or `None` for the stored
            pixel values in float32.
    """
    if name is None:
        return lambda images: tf.cast(images, tf.float32)
    what = f"normalization of {info.name!r}"
    normalize = choose(name, info.normalizations, what)
    return lambda images: normalize(tf.cast(images, tf.float32) / info.white)
