"""The entries TFMOT keeps: by threshold, by block or M by N.

A threshold keeps all entries that tie with it, and so may keep more than the
sparsity allows; kprune's own `top_k` is exact.
"""

import dataclasses
import numbers

import tensorflow as tf

from kprune.learned.tfmot.sparsity.keras.pruning_schedule import PruningSchedule
from kprune.runtime import checks


@dataclasses.dataclass(frozen=True, eq=False)
class MaskRule:
    """The rule by which `PruneLowMagnitude` computes masks, and when.

    Args:
        schedule: A `PruningSchedule`.
        block_size: Height and width of the blocks that are removed together.
        block_pooling_type: `"AVG"` or `"MAX"`, the magnitude of a block.
        sparsity_m_by_n: `None`, or (m, n): removes m of n consecutive entries.
    """

    schedule: PruningSchedule
    block_size: tuple | list = (1, 1)
    block_pooling_type: str = "AVG"
    sparsity_m_by_n: tuple | list | None = None

    def __post_init__(self):
        given = "pruning_schedule", self.schedule
        checks.instance(*given, PruningSchedule, "a PruningSchedule")
        checks.choice(
            "block_pooling_type", self.block_pooling_type, ("AVG", "MAX")
        )
        sizes = _pair("block_size", self.block_size, "(height, width)")
        object.__setattr__(self, "block_size", sizes)
        m_by_n = self.sparsity_m_by_n
        if m_by_n is not None:
            m_by_n = _pair("sparsity_m_by_n", m_by_n, "m < n")
            fits = m_by_n[0] < m_by_n[1]
            expected = "two integers m < n, to remove m of n entries"
            checks.require(fits, "sparsity_m_by_n", m_by_n, expected)
        object.__setattr__(self, "sparsity_m_by_n", m_by_n)

    @property
    def in_blocks(self):
        """Whether entries are removed in blocks."""
        return self.block_size != (1, 1)

    def check_shape(self, name, shape):
        """Raises if the rule does not fit a weight of shape `shape`."""
        rank = len(shape)
        if self.sparsity_m_by_n:
            if rank not in (2, 4):
                raise ValueError(
                    "`sparsity_m_by_n` is for weights of rank 2 or 4, of dense "
                    f"layers and convolutions of images. Received: {name!r} "
                    f"of shape {tuple(shape)}"
                )
        elif self.in_blocks and rank != 2:
            raise ValueError(
                "`block_size` is for weights of rank 2, of dense layers. "
                f"Received: block_size={self.block_size} for {name!r} of shape "
                f"{tuple(shape)}"
            )

    def is_due(self, step):
        """Returns whether masks are due at a training step, a tensor."""
        if self.sparsity_m_by_n:
            return tf.equal(step, 1)
        return tf.convert_to_tensor(self.schedule(step)[0])

    def mask(self, weight, step):
        """Returns the mask of a weight at a step, and its threshold: the least
        kept magnitude, or 0 for M by N."""
        magnitudes = tf.abs(weight)
        if self.sparsity_m_by_n:
            return m_by_n_mask(magnitudes, *self.sparsity_m_by_n), 0.0
        sparsity = self.schedule(step)[1]
        if not self.in_blocks:
            return by_threshold(magnitudes, sparsity)
        pooled = pool(magnitudes, self.block_size, self.block_pooling_type)
        mask, threshold = by_threshold(pooled, sparsity)
        for axis, size in enumerate(self.block_size):
            mask = tf.repeat(mask, size, axis)
        height, width = weight.shape
        return mask[:height, :width], threshold


def _pair(name, value, what):
    pair = isinstance(value, tuple | list) and len(value) == 2
    whole = pair and all(
        isinstance(one, numbers.Integral) and not isinstance(one, bool)
        for one in value
    )
    positive = whole and min(value) >= 1
    checks.require(positive, name, value, f"two integers >= 1, {what}")
    return tuple(int(one) for one in value)


def by_threshold(magnitudes, sparsity):
    """Returns the mask of the largest magnitudes, and the least of them.

        kept = max(round(size (1 - sparsity)), 1),  half to even, in float32

    Entries that tie with the least are kept as well.
    """
    size = tf.cast(tf.size(magnitudes), tf.float32)
    kept = tf.cast(tf.maximum(tf.round(size * (1 - sparsity)), 1), tf.int32)
    falling = tf.sort(tf.reshape(magnitudes, [-1]), direction="DESCENDING")
    threshold = falling[kept - 1]
    return magnitudes >= threshold, threshold


def pool(magnitudes, sizes, pooling):
    """Returns the mean or maximum of each block of a matrix.

    Blocks are smaller at the edges. Pools over heights first, then widths.
    """
    image = magnitudes[tf.newaxis, :, :, tf.newaxis]
    for window in ((sizes[0], 1), (1, sizes[1])):
        image = tf.nn.pool(image, window, pooling, window, "SAME")
    return image[0, :, :, 0]


def m_by_n_mask(magnitudes, m, n):
    """Returns the mask that removes the m least of each n consecutive inputs
    of an output; the last group may be smaller than n."""
    rank = len(magnitudes.shape)
    first = [rank - 1, *range(rank - 1)]  # Outputs first, inputs last.
    rows = tf.transpose(magnitudes, first)
    inputs = rows.shape[-1]
    padding = [[0, 0]] * (rank - 1) + [[0, -inputs % n]]
    padded = tf.pad(rows, padding)
    groups = tf.reshape(padded, [-1, n])
    _, places = tf.math.top_k(groups, n - m)
    kept = tf.reduce_any(tf.one_hot(places, n, True, False, dtype=bool), 1)
    kept = tf.reshape(kept, padded.shape)[..., :inputs]
    return tf.transpose(kept, [*range(1, rank), 0])
