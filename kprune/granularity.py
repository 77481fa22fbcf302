"""What is removed as one: a weight, a channel, N of M weights, a block.

A granularity pools the scores of a weight tensor to groups, says which groups
have a live weight, and expands the groups that are kept to a mask. Its `layout`
argument is a `kprune.layouts.Layout`.
"""

import dataclasses
import re

import numpy as np

from kprune import lookup

_REDUCE = {
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "l2": lambda a, axis: np.sqrt(np.sum(np.square(a), axis=axis)),
    "abs_sum": lambda a, axis: np.abs(np.sum(a, axis=axis)),
}


class Granularity:
    """What all granularities share: no fixed sparsity, all weights fit."""

    sparsity = None
    leaves_output_layer = False

    def unfit(self, layout):
        """Returns why a weight cannot be grouped so, or `None`."""
        del layout

    def check(self, mask, layout):
        """Raises `ValueError` if a finished mask breaks the pattern."""
        del mask, layout


@dataclasses.dataclass(frozen=True)
class Weight(Granularity):
    """Single weights: unstructured pruning."""

    def pool(self, scores, alive, layout, rng):
        """Returns one score per weight."""
        del alive, layout, rng
        return scores

    def live(self, alive, layout):
        """Returns which groups may be kept: here, which weights."""
        del layout
        return alive

    def expand(self, kept, layout):
        """Returns the mask that keeps the weights `kept`."""
        return kept.reshape(layout.shape)


@dataclasses.dataclass(frozen=True)
class Channel(Granularity):
    """Output units: a dense unit, a filter, a recurrent unit with its gates.

    A channel is the slice of the weight tensor that feeds one output unit.

    Args:
        reduce: How the scores of a channel become one: `"mean"` (default),
            which keeps the sign of signed scores, `"sum"`, `"max"`, `"l2"`
            or `"abs_sum"`. `"l2"` suits scores without sign: by it, the
            magnitude of a filter at initialization does not depend on its
            layer's width. `"abs_sum"` is for scores with one: of products of
            weight and gradient, it is the sensitivity to a gate on the
            channel.
        output_layer: Whether to prune the model's output layer too, whose
            channels are the classes. Defaults to `False`.
    """

    reduce: str = "mean"
    output_layer: bool = False

    def __post_init__(self):
        lookup.choose(self.reduce, _REDUCE, "reduction")

    @property
    def leaves_output_layer(self):
        return not self.output_layer

    def pool(self, scores, alive, layout, rng):
        """Returns one score per output unit."""
        del rng
        scores = np.where(alive, scores, 0).reshape(layout.view)
        return _REDUCE[self.reduce](scores, axis=self._others(layout))

    def live(self, alive, layout):
        """Returns which channels have a live weight."""
        return alive.reshape(layout.view).any(axis=self._others(layout))

    def expand(self, kept, layout):
        """Returns the mask that keeps whole channels."""
        kept = np.expand_dims(kept, self._others(layout))
        return np.broadcast_to(kept, layout.view).reshape(layout.shape).copy()

    def _others(self, layout):
        axes = range(len(layout.view))
        return tuple(axis for axis in axes if axis not in layout.outputs)


@dataclasses.dataclass(frozen=True)
class NM(Granularity):
    """N of every M weights kept, along the input axis: `NM(2, 4)` is 2:4.

    The pattern fixes the sparsity of each weight tensor at 1 - n / m. Weights
    whose number of inputs is no multiple of m are skipped, and reported.

    Args:
        n: How many of each m consecutive inputs of an output are kept.
        m: Size of the run, n < m.

    Mishra et al., 2021, https://arxiv.org/abs/2104.08378.
    """

    n: int
    m: int

    def __post_init__(self):
        if not (isinstance(self.n, int) and isinstance(self.m, int)) or not (
            0 < self.n < self.m
        ):
            raise ValueError(
                "Expected integers 0 < n < m. "
                f"Received: n={self.n!r}, m={self.m!r}"
            )

    @property
    def sparsity(self):
        return 1 - self.n / self.m

    def unfit(self, layout):
        if not layout.inputs or set(layout.inputs) & set(layout.outputs):
            return "has no input axis for an N:M pattern"
        inputs = int(np.prod([layout.view[a] for a in layout.inputs]))
        if inputs % self.m:
            return f"{inputs} inputs, not a multiple of {self.m} for N:M"
        return None

    def pool(self, scores, alive, layout, rng):
        """Returns minus the rank of each weight among its m neighbours.

        With the fixed sparsity, the top k of these are the best n of each m.
        """
        runs = self._runs(np.where(alive, scores, -np.inf), layout)
        ties = rng.random(runs.shape, dtype=np.float32)
        order = np.lexsort((ties, -runs), axis=-1)
        ranks = np.empty_like(order)
        places = np.broadcast_to(np.arange(self.m), order.shape)
        np.put_along_axis(ranks, order, places, axis=-1)
        return -self._back(ranks.astype(np.float32), layout)

    def live(self, alive, layout):
        """Returns which weights are live."""
        del layout
        return alive

    def expand(self, kept, layout):
        """Returns the mask that keeps the weights `kept`."""
        return kept.reshape(layout.shape)

    def check(self, mask, layout):
        kept = self._runs(mask, layout).sum(axis=-1)
        if (kept != self.n).any():
            raise ValueError(
                f"The masks are not {self.n}:{self.m}: some runs keep "
                f"{sorted(set(kept.ravel().tolist()))} of {self.m}. Use "
                'allocation "global" or "uniform", and a model without masks '
                "of another pattern."
            )

    def _runs(self, array, layout):
        moved = self._inputs_last(array.reshape(layout.view), layout)
        return moved.reshape(-1, self.m)

    def _back(self, runs, layout):
        rest = [a for a in range(len(layout.view)) if a not in layout.inputs]
        order = rest + list(layout.inputs)
        moved = runs.reshape([layout.view[a] for a in order])
        return np.transpose(moved, np.argsort(order)).reshape(layout.shape)

    def _inputs_last(self, array, layout):
        rest = [a for a in range(array.ndim) if a not in layout.inputs]
        return np.transpose(array, rest + list(layout.inputs))


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
        lookup.choose(self.reduce, _REDUCE, "reduction")
        shape = tuple(self.shape)
        if len(shape) != 2 or any(int(n) != n or n < 1 for n in shape):
            raise ValueError(
                "Expected `shape` to be two integers >= 1, (inputs, outputs). "
                f"Received: shape={self.shape!r}"
            )
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
        return _REDUCE[self.reduce](blocks, axis=(1, 3))

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
    gates = [layout.outputs[0] - 1] if layout.view != layout.shape else []
    columns = gates + list(layout.outputs)
    rows = [a for a in range(len(layout.view)) if a not in columns]
    sizes = [
        int(np.prod([layout.view[axis] for axis in axes], dtype=int))
        for axes in (rows, columns)
    ]
    return (*sizes, rows + columns)


_ALL = {"weight": Weight, "channel": Channel}


def names():
    """Returns the names of the granularities that need no argument."""
    return sorted(_ALL)


def get(identifier):
    """Returns a granularity by name (`"weight"`, `"channel"`, `"2:4"`), or an
    object as it is."""
    if hasattr(identifier, "pool") and hasattr(identifier, "expand"):
        return identifier
    pattern = re.fullmatch(r"(\d+):(\d+)", str(identifier))
    if pattern:
        return NM(int(pattern[1]), int(pattern[2]))
    return lookup.choose(identifier, _ALL, "granularity")()
