"""Chooses and encodes the storage of a weight in a LiteRT file.

The thresholds come from measurements on x86 at batch size 1, against XNNPACK's
dense kernels: 1x4 blocks are faster from about 70 % zero blocks, CSR from about
95 % zeros.
"""

import dataclasses

import numpy as np

BLOCK = 4
_ZERO_BLOCKS = 0.85  # The block kernel is faster from here, at batch 32 too.
_ZEROS = 0.95  # The CSR kernel is faster from here, at batch 1.
_FULL_BLOCKS = 0.5  # A CSR entry costs about as much as three in a block.
_SMALLER = 0.75  # Sparse storage must save at least a quarter.
_OVERHEAD = 256  # Bytes of an operator and a tensor's metadata.


@dataclasses.dataclass(frozen=True)
class Encoded:
    """A sparse tensor.

    Attributes:
        values: Array of the stored entries, in order.
        segments, indices: Integer arrays that describe the compressed axis.
        is_block: Whether entries are stored in 1x4 blocks.
    """

    values: np.ndarray
    segments: np.ndarray
    indices: np.ndarray
    is_block: bool

    @property
    def bytes(self) -> int:
        """Its size in a file, in bytes."""
        parts = (narrowed(self.segments), narrowed(self.indices))
        return self.values.nbytes + sum(x.nbytes for x in parts) + _OVERHEAD


def kernel_form(matrix):
    """Returns the `Encoded` form whose sparse FULLY_CONNECTED kernel is faster
    than the dense one, or `None` if neither is.

    Args:
        matrix: Array of shape (outputs, inputs).
    """
    kept = matrix != 0
    zeros = 1 - kept.mean()
    zero_blocks, filled = _blocks(kept)
    by_block = zero_blocks >= _ZERO_BLOCKS
    if by_block and (filled >= _FULL_BLOCKS or zeros < _ZEROS):
        return block(matrix)
    return csr(matrix) if zeros >= _ZEROS else None


def size_form(array):
    """Returns the smallest `Encoded` form of an array, or `None` if it saves
    too little."""
    found = [csr(array)]
    if array.ndim == 2 and array.shape[1] % BLOCK == 0:
        found.append(block(array))
    best = min(found, key=lambda one: one.bytes)
    return best if best.bytes <= _SMALLER * array.nbytes else None


def csr(array):
    """Returns the `Encoded` form of an array with its last axis compressed."""
    kept = _kept(array.reshape(-1, array.shape[-1]))
    rows, indices = np.nonzero(kept)
    values = array.reshape(kept.shape)[rows, indices]
    return Encoded(values, _segments(kept), indices, False)


def block(matrix):
    """Returns the `Encoded` form of a matrix (outputs, inputs) in blocks of
    four inputs."""
    blocks = matrix.reshape(len(matrix), -1, BLOCK)
    kept = _kept((blocks != 0).any(axis=2))
    rows, indices = np.nonzero(kept)
    return Encoded(
        blocks[rows, indices].ravel(), _segments(kept), indices, True
    )


def cost(kernel):
    """Returns the approximate cost of a Keras kernel, in multiply-adds of a
    dense one."""
    if kernel.ndim != 2:
        return kernel.size
    form = kernel_form(kernel.T)
    if form is None:
        return kernel.size
    return form.values.size * (3 if form.is_block else 9)


def narrowed(integers):
    """Returns integers in the narrowest dtype that the format allows."""
    top = integers.max(initial=0)
    for kind in (np.uint8, np.uint16):
        if top <= np.iinfo(kind).max:
            return integers.astype(kind)
    return integers.astype(np.int32)


def _kept(matrix):
    """Returns a boolean mask of the stored entries. At least one is stored: a
    tensor with an empty buffer would not be a constant."""
    kept = matrix != 0
    if not kept.any():
        kept[0, 0] = True
    return kept


def _segments(kept):
    return np.concatenate([[0], np.cumsum(kept.sum(axis=1))])


def _blocks(kept):
    """Returns the share of zero blocks, and the share of nonzero entries in the
    others; (0, 0) if rows do not divide into blocks."""
    if kept.shape[1] % BLOCK or not kept.size:
        return 0.0, 0.0
    counts = kept.reshape(len(kept), -1, BLOCK).sum(axis=2)
    used = (counts > 0).sum()
    filled = counts.sum() / (BLOCK * used) if used else 1.0
    return 1 - used / counts.size, filled
