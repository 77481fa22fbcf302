"""Rectangles of the weight matrix."""

import dataclasses
import numbers

import numpy as np

from kprune.masking.layouts import Layout
from kprune.pruning.granularity.base import (
    REDUCE,
    Granularity,
    as_matrix,
    matrix_shape,
    put_back,
)
from kprune.runtime import checks, lookup


@dataclasses.dataclass(frozen=True)
class Block(Granularity):
    """Rectangles of the weight matrix of inputs by outputs.

    Kernels of more dimensions are flattened to a matrix: rows are the inputs
    of an output (including positions of the window), columns the outputs.
    Blocks at the edges may be smaller.

    Args:
        shape: Height (inputs) and width (outputs) of a block. Defaults to
            `(4, 1)`, the blocks of LiteRT's sparse kernels.
        reduce: How to reduce the scores of a block to one: `"sum"`, `"mean"`,
            `"max"`, `"l2"`, `"first"` or `"abs_sum"`. Defaults to `"mean"`,
            by which the smaller blocks at edges are comparable.
    """

    shape: tuple[int, int] = (4, 1)
    reduce: str = "mean"

    def __post_init__(self):
        lookup.choose(self.reduce, REDUCE, "reduction")
        listed = isinstance(self.shape, list | tuple)
        shape = tuple(self.shape) if listed else ()
        whole = all(isinstance(n, numbers.Integral) and n >= 1 for n in shape)
        fits = len(shape) == 2 and whole
        expected = "two integers >= 1, (inputs, outputs)"
        checks.require(fits, "shape", self.shape, expected)
        object.__setattr__(self, "shape", shape)

    def outputs(self, layout: Layout) -> np.ndarray:
        rows, columns = matrix_shape(layout)
        height, width = self.shape
        shape = -(-rows // height), -(-columns // width)
        return np.broadcast_to(np.arange(shape[1]), shape)

    def pool(
        self,
        scores: np.ndarray,
        alive: np.ndarray,
        layout: Layout,
        rng: np.random.Generator,
    ) -> np.ndarray:
        del rng
        blocks = self._blocks(np.where(alive, scores, 0.0), layout, 0.0)
        if self.reduce == "mean":  # Over a block's entries, without padding.
            count = self._blocks(np.ones(layout.shape), layout, 0.0)
            return blocks.sum(axis=(1, 3)) / count.sum(axis=(1, 3))
        if self.reduce == "max":
            blocks = self._blocks(
                np.where(alive, scores, -np.inf), layout, -np.inf
            )
        return REDUCE[self.reduce](blocks, axis=(1, 3))

    def live(self, alive: np.ndarray, layout: Layout) -> np.ndarray:
        return self._blocks(alive, layout, False).any(axis=(1, 3))

    def expand(self, kept: np.ndarray, layout: Layout) -> np.ndarray:
        rows, columns = as_matrix(np.empty(layout.shape, bool), layout).shape
        height, width = self.shape
        full = kept.repeat(height, axis=0).repeat(width, axis=1)
        return put_back(full[:rows, :columns], layout)

    def _blocks(self, array, layout, padding):
        """Returns the array as blocks, padded at the edges.

        Its shape is (rows of blocks, height, columns of blocks, width).
        """
        matrix = as_matrix(array, layout)
        (rows, columns), (height, width) = matrix.shape, self.shape
        edge = ((0, -rows % height), (0, -columns % width))
        matrix = np.pad(matrix, edge, constant_values=padding)
        return matrix.reshape(-1, height, matrix.shape[1] // width, width)
