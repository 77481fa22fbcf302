"""`load`: turns a name into pipelines for `fit`."""

import numbers

import numpy as np

from kprune.datasets import catalogue, memory, streaming
from kprune.datasets.batching import Batching
from kprune.datasets.normalization import normalizer
from kprune.runtime import checks, paths
from kprune.runtime.doors import checked


@checked(
    seed=None,
    data_dir=checks.optional(paths.path),
    drop_remainder=checks.boolean,
)
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

    Args:
        name: String, one of `kprune.datasets.names()`. All but `"digits"` are
            read by tensorflow-datasets, which downloads what is not on disk.
            Or a data set of one's own: `"module:function"`, of a function
            without arguments that returns `((x_train, y_train), (x_test,
            y_test))`; the path of an `.npz` file with `x_train`, `y_train`,
            `x_test` and `y_test`; or the path of a folder with `train` and
            `test` in it, each with a folder of images for each class. It is
            held in memory, and its bytes are scaled to [0, 1], other
            numbers left as they are.
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
        start: Integer, the step to resume at: training batches counted from 0
            over all passes. The training set is then endless, begins there
            each time it is read, and holds, bit for bit, the batches that
            one without `start` gives pass after pass. Passes that lie behind
            are not read; within one, photographs are read, but not decoded.
            `None` for a training set that ends after a pass.
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
def load_arrays(name, *, normalization="default", data_dir=None):
    """Loads a small data set as arrays: all of it, unshuffled, unaugmented.

    Args:
        name: As in `load`.
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

    def gathered(part):
        # Batch by batch: in one piece, each step of the normalization would
        # take the memory of all images anew.
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
