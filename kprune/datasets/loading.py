"""`load`: turns a name into pipelines for `fit`."""

import numbers

import numpy as np
import tensorflow as tf

from kprune.datasets import catalogue, memory, streaming
from kprune.datasets.batching import Batching
from kprune.datasets.normalization import normalizer
from kprune.runtime import checks, paths
from kprune.runtime.doors import checked
from kprune.runtime.types import Path


@checked(
    seed=None,
    data_dir=checks.optional(paths.path),
    drop_remainder=checks.boolean,
)
def load(
    name: str,
    batch_size: int = 128,
    *,
    augment: bool | None = None,
    normalization: str | None = "default",
    validation: float = 0.0,
    seed: int = 0,
    data_dir: Path | None = None,
    drop_remainder: bool = False,
    start: int | None = None,
    shard: tuple[int, int] | None = None,
) -> tuple[tf.data.Dataset, ...]:
    """Loads a data set as batches of inputs and labels.

    The order and augmentation of training batches change with each pass. They
    are determined by `seed` and the number of the pass: two loads with one seed
    give the same batches, whatever the seed of `tf.random.set_seed`.

    Args:
        name: String, one of `kprune.datasets.names()`. All but `"digits"` are
            read by tensorflow-datasets, which downloads missing files. Or your
            own data set: `"module:function"`, a function without arguments
            that returns `((x_train, y_train), (x_test, y_test))`; the path of
            an `.npz` file with `x_train`, `y_train`, `x_test` and `y_test`; or
            the path of a folder with `train` and `test`, each with a folder of
            images per class. Your own set is held in memory; uint8 inputs are
            scaled to [0, 1], all others are unchanged.
        batch_size: Integer, number of images in a batch, over all workers.
        augment: Boolean, whether to augment the training images. Defaults to
            the usual choice for the set: yes for CIFAR, ImageNet, Imagenette
            and Tiny-ImageNet (random crops and flips), no for all others.
        normalization: String, the constants to normalize with:
            `"default"`, `"half"` (to [-1, 1]), `"unit"` (to [0, 1]), or
            another of the set's own, such as `"synflow"`. Your own sets have
            only `"default"`. `None` keeps the stored pixel values.
        validation: Float in [0, 1), the fraction of the training images to
            hold out. The same images are held out for every `seed`.
        seed: Integer, for the order and augmentation.
        data_dir: Path of the directory of tensorflow-datasets. Defaults to
            `TFDS_DATA_DIR`, else to the default of tensorflow-datasets.
            `tiny-imagenet-200.zip` is taken from its `downloads/manual` if it
            is there, else downloaded.
        drop_remainder: Boolean, whether to leave out the last training batch
            if it is smaller than the others.
        start: Integer >= 0, the step to resume at: training batches counted
            from 0 over all passes. The training set is then endless, begins
            there each time it is read, and has, bit for bit, the batches that
            a set without `start` yields pass after pass. Earlier passes are not
            read; earlier photographs of the first pass are read, but not
            decoded. `None` yields one pass.
        shard: Tuple `(index, count)`: worker `index` of `count` gets rows
            `index * n / count` to `(index + 1) * n / count` of each training
            batch of `n` rows, bit for bit. `count` must divide `batch_size`,
            and the size of the last batch of a pass unless `drop_remainder`.
            Validation and test sets are not split. Of photographs, each worker
            reads all files and decodes its share.

    Returns:
        `(train, test)`, or `(train, validation, test)` if `validation` is not
        zero. Each is a `tf.data.Dataset` of `(x, y)`, with `x` float32
        `(batch, height, width, channels)` and `y` int32 `(batch,)`.
        `len(train)` is the number of steps in a pass, unless `start` is given.

    Raises:
        ValueError: If an argument is out of range, or a name is unknown.
        RuntimeError: If the set is not on disk and cannot be downloaded.

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
    shard = (0, 1) if shard is None else shard
    _check(info, batch_size, validation, seed, start, shard)
    source = _source(info)
    train, *others = source.read(info, data_dir, validation)
    batching = Batching(
        source.size(train), batch_size, seed, drop_remainder, start, shard
    )
    batches = source.training(info, train, normalize, augment, batching)
    return batches, *(
        source.evaluation(info, part, normalize, batch_size) for part in others
    )


@checked(data_dir=checks.optional(paths.path))
def load_arrays(
    name: str,
    *,
    normalization: str | None = "default",
    data_dir: Path | None = None,
) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Loads a whole data set as arrays, neither shuffled nor augmented.

    Args:
        name: As in `load`.
        normalization: As in `load`.
        data_dir: As in `load`.

    Returns:
        `((x_train, y_train), (x_test, y_test))`, each `x` float32 of shape
        `(examples, *input_shape)` and each `y` int32 of shape `(examples,)`.

    Raises:
        ValueError: If a name is unknown, or the set does not fit in memory.
        RuntimeError: If the set is not on disk and cannot be downloaded.

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

    def gathered(part):
        # Batch by batch: each step of the normalization would otherwise
        # allocate memory for all images at once.
        batches = memory.evaluation(info, part, normalize, 1000)
        return np.concatenate([x for x, _ in batches.as_numpy_iterator()])

    return tuple(
        (gathered(part), part[1]) for part in memory.read(info, data_dir)
    )


def _source(info):
    return streaming if info.augmentation == "resized_crop" else memory


def _whether_to_augment(info, augment):
    known = isinstance(augment, bool | None)
    checks.require(known, "augment", augment, "True, False or None")
    if augment and info.augmentation is None:
        raise ValueError(
            f"No augmentation is usual for {info.name!r}, so kprune has none. "
            "Leave `augment` out, and map your own over the training set."
        )
    return info.augmentation is not None if augment is None else augment


def _check(info, batch_size, validation, seed, start, shard):
    checks.integer("batch_size", batch_size, 1)
    checks.instance("seed", seed, numbers.Integral, "an integer")
    why = ", the share of the training images to hold out"
    checks.number("validation", validation, "[0, 1)", why)
    whole, held_out = info.train_size, round(validation * info.train_size)
    expected = "a share of which no part is left empty; this one leaves "
    expected += f"{held_out} of the {whole} training images for validation"
    some = not validation or 0 < held_out < whole
    checks.require(some, "validation", validation, expected)
    if start is not None:
        checks.integer("start", start, 0, ", a step, or None")
    fits = isinstance(shard, tuple | list) and len(shard) == 2
    fits = fits and all(isinstance(n, numbers.Integral) for n in shard)
    fits = fits and 0 <= shard[0] < shard[1]
    expected = "(index, count), integers with 0 <= index < count, or None"
    checks.require(fits, "shard", shard, expected)
    expected = "the images of all workers together, a multiple of their number"
    even = batch_size % shard[1] == 0
    checks.require(even, "batch_size", batch_size, f"{expected}, {shard[1]}")
