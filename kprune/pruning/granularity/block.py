"""Rectangles of the weight matrix."""

import dataclasses
import math

import numpy as np

from kprune.pruning.granularity.base import REDUCE, Granularity, matrix_axes
from kprune.runtime import checks, lookup


@dataclasses.dataclass(frozen=True)
class Block(Granularity):
    """Rectangles of the weight matrix of inputs by outputs.

    Kernels of more dimensions are looked at as a matrix: rows count the
    inputs of an output (positions of the window included), columns the
    outputs. Blocks at the edges may be smaller.

    Args:
        shape: Height (inputs) and width (outputs) of a block. `(4, 1)` is
            what LiteRT's sparse kernels read.
        reduce: How the scores of a block become one. Defaults to `"mean"`,
            which treats smaller blocks at the edges alike.
    """

    shape: tuple = (4, 1)
    reduce: str = "mean"

    def __post_init__(self):
        lookup.choose(self.reduce, REDUCE, "reduction")
        shape = tuple(self.shape)
        fits = len(shape) == 2 and all(int(n) == n and n >= 1 for n in shape)
        expected = "two integers >= 1, (inputs, outputs)"
        checks.require(fits, "shape", self.shape, expected)
        object.__setattr__(self, "shape", shape)

    def pool(self, scores, alive, layout, rng):
        """Returns one score per block."""
        del rng
        blocks = self._blocks(np.where(alive, scores, 0.0), layout, 0.0)
        if self.reduce == "mean":  # Over what a block at an edge has.
            count = self._blocks(np.ones(layout.shape), layout, 0.0)
            return blocks.sum(axis=(1, 3)) / count.sum(axis=(1, 3))
        if self.reduce == "max":
            blocks = self._blocks(
                np.where(alive, scores, -np.inf), layout, -np.inf
            )
        return REDUCE[self.reduce](blocks, axis=(1, 3))

    def live(self, alive, layout):
        """Returns which blocks have a live weight."""
        return self._blocks(alive, layout, False).any(axis=(1, 3))

    def expand(self, kept, layout):
        """Returns the mask that keeps whole blocks."""
        rows, columns, order = _matrix(layout)
        height, width = self.shape
        full = kept.repeat(height, axis=0).repeat(width, axis=1)
        moved = full[:rows, :columns].reshape(
            [layout.view[axis] for axis in order]
        )
        return np.transpose(moved, np.argsort(order)).reshape(layout.shape)

    def _blocks(self, array, layout, padding):
        """Returns the array as (rows, height, columns, width) of blocks,
        padded at the edges."""
        rows, columns, order = _matrix(layout)
        moved = np.transpose(array.reshape(layout.view), order)
        matrix = moved.reshape(rows, columns)
        height, width = self.shape
        edge = ((0, -rows % height), (0, -columns % width))
        matrix = np.pad(matrix, edge, constant_values=padding)
        return matrix.reshape(
            matrix.shape[0] // height, height, matrix.shape[1] // width, width
        )


def _matrix(layout):
    """Returns rows, columns and the axes of the view in that order."""
    rows, columns = matrix_axes(layout)
    height, width = (
        math.prod(layout.view[a] for a in axes) for axes in (rows, columns)
    )
    return height, width, rows + columns
