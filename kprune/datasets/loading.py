"""`load`: from a name to the pipelines that `fit` takes."""

import numbers

import numpy as np

from kprune.datasets import catalogue, memory, streaming
from kprune.datasets.normalization import normalizer


def load(
    name,
    batch_size=128,
    *,
    augment=None,
    normalization="default",
    validation=0.0,
    seed=0,
    data_dir=None,
    drop_remainder=False,
):
    """Loads a data set as batches of inputs and labels.

    Training batches come in another order, and augmented anew, each pass. Both
    follow from `seed` and the number of passes begun: two loads with one seed
    give the same batches, whatever `tf.random.set_seed` was given. (Of
    `imagenet2012` and `imagenette`, the order of the files depends on it.) A
    run that resumes at epoch `k` goes there by `for _ in range(k):
    next(iter(train))`.

    Args:
        name: String, one of `kprune.datasets.names()`. All but `"digits"` are
            read by tensorflow-datasets, which downloads what is not on disk.
        batch_size: Integer.
        augment: Boolean, whether to augment the training images. Defaults to
            what is usual for the set: yes for CIFAR and ImageNet (random
            crops and flips), no for the others.
        normalization: String, the constants to normalize with:
            `"default"`, `"half"` (to [-1, 1]), `"unit"` (to [0, 1]), or one
            that the set has besides, such as `"synflow"`. `None` leaves the
            pixel values as they are stored.
        validation: Float in [0, 1), the fraction of the training images to
            hold out. The same images are held out for every `seed`.
        seed: Integer, of the order and the augmentation.
        data_dir: String, where tensorflow-datasets keeps its files. Defaults
            to `TFDS_DATA_DIR`, or to what tensorflow-datasets defaults to.
        drop_remainder: Boolean, whether to leave out the last training batch
            if it is smaller than the others.

    Returns:
        `(train, test)`, or `(train, validation, test)` if `validation` is not
        zero. Each is a `tf.data.Dataset` of `(x, y)`, with `x` float32
        `(batch, height, width, channels)` and `y` int32 `(batch,)`.

    Raises:
        ValueError: If an argument is out of range, or a name unknown.
        RuntimeError: If the set is neither on disk nor to be downloaded.

    Example:

    >>> train, test = kprune.datasets.load("digits", batch_size=32)
    >>> len(train), len(test)
    (45, 12)
    """
    info = catalogue.info(name)
    normalize = normalizer(info, normalization)
    augment = _whether_to_augment(info, augment)
    _check(info, batch_size, validation, seed)
    source = _source(info)
    train, *others = source.read(info, data_dir, validation)
    batches = source.training(
        info, train, normalize, batch_size, seed, augment, drop_remainder
    )
    return batches, *(
        source.evaluation(info, part, normalize, batch_size) for part in others
    )


def load_arrays(name, *, normalization="default", data_dir=None):
    """Loads a small data set as arrays: all of it, unshuffled, unaugmented.

    Args:
        name: String, one of `kprune.datasets.names()`.
        normalization: As in `load`.
        data_dir: As in `load`.

    Returns:
        `((x_train, y_train), (x_test, y_test))`, each `x` float32 and each
        `y` int32.

    Raises:
        ValueError: If a name is unknown, or the set does not fit in memory.
        RuntimeError: If the set is neither on disk nor to be downloaded.

    Example:

    >>> (x, y), _ = kprune.datasets.load_arrays("digits")
    >>> x.shape, y.shape
    ((1437, 8, 8, 1), (1437,))
    """
    info = catalogue.info(name)
    normalize = normalizer(info, normalization)
    if _source(info) is not memory:
        raise ValueError(
            f"{name!r} is read from disk as training goes; it is too large for "
            "arrays. Use `kprune.datasets.load`."
        )
    parts = memory.read(info, data_dir)
    return tuple(
        (_gathered(memory.evaluation(info, part, normalize, 1000)), part[1])
        for part in parts
    )


def _gathered(batches):
    # Batch by batch: in one piece, each step of the normalization would take
    # the memory of all images anew.
    return np.concatenate([x for x, _ in batches.as_numpy_iterator()])


def _source(info):
    return streaming if info.augmentation == "resized_crop" else memory


def _whether_to_augment(info, augment):
    if augment not in (None, True, False):
        raise ValueError(
            f"`augment` should be True, False or None. Received: {augment!r}"
        )
    if augment and info.augmentation is None:
        raise ValueError(
            f"No augmentation is usual for {info.name!r}, so kprune has none. "
            "Leave `augment` out, and map your own over the training set."
        )
    return info.augmentation is not None if augment is None else augment


def _check(info, batch_size, validation, seed):
    if not isinstance(batch_size, numbers.Integral) or batch_size < 1:
        raise ValueError(
            "`batch_size` should be a positive integer. "
            f"Received: {batch_size!r}"
        )
    if not isinstance(seed, numbers.Integral):
        raise ValueError(f"`seed` should be an integer. Received: {seed!r}")
    if not isinstance(validation, numbers.Real) or not 0 <= validation < 1:
        raise ValueError(
            "`validation` should be a fraction of the training images, in "
            f"[0, 1). Received: {validation!r}"
        )
    held_out = round(validation * info.train_size)
    if validation and not 0 < held_out < info.train_size:
        raise ValueError(
            f"`validation={validation!r}` leaves {held_out} of the "
            f"{info.train_size} training images of {info.name!r} for "
            "validation: one part would be empty."
        )
