"""Selects the batches to read: the first step and a worker's share."""

import dataclasses

import tensorflow as tf

from kprune.datasets import randomness


@dataclasses.dataclass(frozen=True)
class Batching:
    """Splits passes over a training set into batches, and batches into shares.

    A key, which is a function of the seed and the number of the pass,
    determines the order and augmentation of a pass. So a run can begin at any
    step, and every worker knows the whole batch.

    Args:
        size: Integer, number of training images.
        batch_size: Integer, number of images in a batch of all workers.
        seed: Integer.
        drop_remainder: Whether to leave out a last, smaller batch.
        start: Integer, the step to start an endless data set at, or `None` for
            one pass.
        shard: `(index, count)` of the share to read.
    """

    size: int
    batch_size: int
    seed: int = 0
    drop_remainder: bool = False
    start: int | None = None
    shard: tuple[int, int] = (0, 1)

    def __post_init__(self):
        if self.steps == 0:
            raise ValueError(
                f"`batch_size={self.batch_size}` is more than the {self.size} "
                "training images, and `drop_remainder=True` leaves out the "
                "only batch. Lower `batch_size`, or pass "
                "`drop_remainder=False`."
            )
        rest, count = self.size % self.batch_size, self.shard[1]
        if not self.drop_remainder and rest % count:
            raise ValueError(
                f"The last batch of a pass holds {rest} of the {self.size} "
                f"training images, which cannot be shared equally by {count} "
                "workers. Pass `drop_remainder=True` to leave it out, or "
                "another `batch_size`."
            )

    @property
    def steps(self):
        """Number of batches in a pass."""
        whole, rest = divmod(self.size, self.batch_size)
        return whole + (rest > 0 and not self.drop_remainder)

    @property
    def share_size(self):
        """Number of images in this worker's share of a full batch."""
        return self.batch_size // self.shard[1]

    def share(self, rows):
        """Returns this worker's rows of a batch: part `index` of `count`."""
        index, count = self.shard
        return tf.split(rows, count)[index]

    def holds(self, place):
        """Returns whether the image at a place of a pass is in the share."""
        index, count = self.shard
        row = place % self.batch_size
        batch = tf.minimum(self.size - place + row, self.batch_size)
        return row * count // batch == index

    def passes(self, batches):
        """Returns the batches of one pass, or of all passes from `start` on.

        The data set of one pass yields the next pass each time it is read. The
        endless one begins at `start` each time.

        Args:
            batches: Function from a key, int64 of shape `(2,)`, and a scalar
                `first` to the `tf.data.Dataset` of a pass without its first
                `first` batches.
        """
        if self.start is None:
            done, first, length = 0, 0, self.steps
            keys = randomness.key_of_the_pass(self.seed)
        else:
            done, first = divmod(self.start, self.steps)
            length = tf.data.INFINITE_CARDINALITY
            keys = randomness.keys_of_all_passes(self.seed)
        firsts = tf.data.Dataset.from_tensors(tf.constant(first, tf.int64))
        zero = tf.data.Dataset.from_tensors(tf.constant(0, tf.int64))
        passes = tf.data.Dataset.zip(
            keys.skip(done), firsts.concatenate(zero.repeat())
        )
        length = tf.data.experimental.assert_cardinality(length)
        return passes.flat_map(batches).apply(length)
