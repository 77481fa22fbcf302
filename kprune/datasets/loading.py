"""`load`: from a name to the pipelines that `fit` takes."""

import numbers

import numpy as np

from kprune.datasets import catalogue, memory, streaming
from kprune.datasets.batching import Batching
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
    start=None,
    shard=None,
):
    """Loads a data set as batches of inputs and labels.

    Training batches come in another order, and augmented anew, each pass. Both
    follow from `seed` and the number of passes begun: two loads with one seed
    give the same batches, whatever `tf.random.set_seed` was given.

    A run that resumes after `k` steps passes `start=k`: its training set
    begins with the batch that the run had come to, and does not end. Passes
    that lie behind are not read. Within a pass of photographs, what lies
    behind is read, but not decoded.

    Args:
        name: String, one of `kprune.datasets.names()`. All but `"digits"` are
            read by tensorflow-datasets, which downloads what is not on disk.
        batch_size: Integer, images of a batch, of all workers together.
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
            `tiny-imagenet-200.zip` is looked for in its `downloads/manual`
            before it is downloaded.
        drop_remainder: Boolean, whether to leave out the last training batch
            if it is smaller than the others.
        start: Integer, the step to begin at: training batches counted from 0
            over all passes. The training set is then endless, begins there
            each time it is read, and holds, bit for bit, the batches that
            one without `start` gives pass after pass. `None` for a training
            set that ends after a pass.
        shard: Tuple `(index, count)`: of each training batch, worker `index`
            of `count` gets its rows from `index * n / count` on, for `n` rows
            in all, with the same bits. `count` must divide `batch_size`, and
            the last batch of a pass unless that is left out. Validation and
            test sets are whole on each worker. Of photographs, each worker
            reads all files and decodes its share.

    Returns:
        `(train, test)`, or `(train, validation, test)` if `validation` is not
        zero. Each is a `tf.data.Dataset` of `(x, y)`, with `x` float32
        `(batch, height, width, channels)` and `y` int32 `(batch,)`.
        `len(train)` is the number of steps in a pass, unless `start` is given.

    Raises:
        ValueError: If an argument is out of range, or a name unknown.
        RuntimeError: If the set is neither on disk nor to be downloaded.

    Example:

    >>> train, test = kprune.datasets.load("digits", batch_size=32)
    >>> len(train), len(test)
    (45, 12)

    The second of two workers resumes in the third pass, after 100 steps:

    >>> train, test = kprune.datasets.load(
    ...     "digits", 32, drop_remainder=True, start=100, shard=(1, 2)
    ... )
    >>> x, y = next(iter(train))
    >>> x.shape
    TensorShape([16, 8, 8, 1])
    """
    info = catalogue.info(name)
    normalize = normalizer(info, normalization)
    augment = _whether_to_augment(info, augment)
    _check(info, batch_size, validation, seed)
    shard = (0, 1) if shard is None else shard
    _check_position(batch_size, start, shard)
    source = _source(info)
    train, *others = source.read(info, data_dir, validation)
    batching = Batching(
        source.size(train), batch_size, seed, drop_remainder, start, shard
    )
    batches = source.training(info, train, normalize, augment, batching)
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
    if not _is_count(batch_size) or batch_size < 1:
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


def _check_position(batch_size, start, shard):
    if start is not None and not _is_count(start):
        raise ValueError(
            "`start` should be a step, an integer of 0 or more, or None. "
            f"Received: {start!r}"
        )
    if not (
        isinstance(shard, tuple | list)
        and len(shard) == 2
        and all(map(_is_count, shard))
        and shard[0] < shard[1]
    ):
        raise ValueError(
            "`shard` should be (index, count), two integers with 0 <= index "
            f"< count, or None. Received: {shard!r}"
        )
    if batch_size % shard[1]:
        raise ValueError(
            "`batch_size` is that of all workers together and should be a "
            f"multiple of their number, {shard[1]}. Received: {batch_size!r}"
        )


def _is_count(value):
    return isinstance(value, numbers.Integral) and value >= 0
