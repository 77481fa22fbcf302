"""Chooses and encodes the storage of a weight in a LiteRT file.

The bounds are those of measurements on x86 at batch 1, against the dense
kernels of XNNPACK: blocks of 1x4 are faster from about 70 % zero blocks on, CSR
from about 95 % zeros on.
"""

import dataclasses

import numpy as np

BLOCK = 4
_ZERO_BLOCKS = 0.85  # From here on, the block kernel is faster at batch 32 too.
_ZEROS = 0.95  # From here on, the CSR kernel is faster at batch 1.
_FULL_BLOCKS = 0.5  # A CSR entry costs about as much as three in a block.
_SMALLER = 0.75  # What is stored sparsely has to save a quarter.
_OVERHEAD = 256  # Bytes of an operator and of a tensor's metadata.


@dataclasses.dataclass(frozen=True)
class Encoded:
    """The entries of a sparse tensor.

    Attributes:
        values: Array of the entries that are stored, in order.
        segments, indices: Arrays of integers, the compressed axis.
        is_block: Whether entries are blocks of 1x4.
    """

    values: np.ndarray
    segments: np.ndarray
    indices: np.ndarray
    is_block: bool

    @property
    def bytes(self):
        """Bytes that it takes in a file."""
        parts = (narrowed(self.segments), narrowed(self.indices))
        return self.values.nbytes + sum(x.nbytes for x in parts) + _OVERHEAD


def kernel_form(matrix):
    """Returns the `Encoded` form that a sparse kernel of FULLY_CONNECTED reads
    faster than a dense one a dense matrix, or `None` if none does.

    Args:
        matrix: Array of the shape (outputs, inputs).
    """
    kept = matrix != 0
    zeros = 1 - kept.mean()
    zero_blocks, filled = _blocks(kept)
    by_block = zero_blocks >= _ZERO_BLOCKS
    if by_block and (filled >= _FULL_BLOCKS or zeros < _ZEROS):
        return block(matrix)
    return csr(matrix) if zeros >= _ZEROS else None


def size_form(array):
    """Returns the `Encoded` form in which an array takes the fewest bytes, or
    `None` if that saves too little."""
    found = [csr(array)]
    if array.ndim == 2 and array.shape[1] % BLOCK == 0:
        found.append(block(array))
    best = min(found, key=lambda one: one.bytes)
    return best if best.bytes <= _SMALLER * array.nbytes else None


def csr(array):
    """Returns an array with its last axis compressed."""
    kept = _kept(array.reshape(-1, array.shape[-1]))
    rows, indices = np.nonzero(kept)
    values = array.reshape(kept.shape)[rows, indices]
    return Encoded(values, _segments(kept), indices, False)


def block(matrix):
    """Returns a matrix (outputs, inputs) as blocks of four inputs each."""
    blocks = matrix.reshape(len(matrix), -1, BLOCK)
    kept = _kept((blocks != 0).any(axis=2))
    rows, indices = np.nonzero(kept)
    return Encoded(
        blocks[rows, indices].ravel(), _segments(kept), indices, True
    )


def cost(kernel):
    """Returns roughly what a Keras kernel costs to compute with, in
    multiply-adds of a dense kernel."""
    if kernel.ndim != 2:
        return kernel.size
    form = kernel_form(kernel.T)
    if form is None:
        return kernel.size
    return form.values.size * (3 if form.is_block else 9)


def narrowed(integers):
    """Returns integers in the narrowest type that a file may hold them in."""
    top = integers.max(initial=0)
    for kind in (np.uint8, np.uint16):
        if top <= np.iinfo(kind).max:
            return integers.astype(kind)
    return integers.astype(np.int32)


def _kept(matrix):
    """Returns where a matrix is stored: at least one entry, as a buffer without
    data is no constant."""
    kept = matrix != 0
    if not kept.any():
        kept[0, 0] = True
    return kept


def _segments(kept):
    return np.concatenate([[0], np.cumsum(kept.sum(axis=1))])


def _blocks(kept):
    """Returns the share of blocks that are zero, and of entries that are kept
    in the others; (0, 0) if rows are not made of whole blocks."""
    if kept.shape[1] % BLOCK or not kept.size:
        return 0.0, 0.0
    counts = kept.reshape(len(kept), -1, BLOCK).sum(axis=2)
    used = (counts > 0).sum()
    filled = counts.sum() / (BLOCK * used) if used else 1.0
    return 1 - used / counts.size, filled
