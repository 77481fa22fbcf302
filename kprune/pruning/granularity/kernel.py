"""Kernels of a convolution: the window from one channel to another."""

import dataclasses

import numpy as np

from kprune.masking.layouts import Layout
from kprune.pruning.granularity.base import REDUCE, Granularity, matrix_axes
from kprune.runtime import lookup


@dataclasses.dataclass(frozen=True)
class Kernel(Granularity):
    """Kernels of a convolution: the k x k entries from one channel to another.

    In a layer without a window, such as Dense, each weight is a group of its
    own: `exclude` such layers to prune convolutions only.

    Args:
        reduce: How to reduce the scores of a kernel to one, as for
            `kprune.Block`. Defaults to `"mean"`, by which kernels of other
            sizes and single weights are comparable.
    """

    reduce: str = "mean"

    def __post_init__(self):
        lookup.choose(self.reduce, REDUCE, "reduction")

    def outputs(self, layout: Layout) -> np.ndarray:
        found = super().outputs(layout).reshape(layout.view)  # type: ignore[union-attr]
        window = _window(layout)
        return found[
            tuple(
                0 if axis in window else slice(None)
                for axis in range(found.ndim)
            )
        ]

    def pool(
        self,
        scores: np.ndarray,
        alive: np.ndarray,
        layout: Layout,
        rng: np.random.Generator,
    ) -> np.ndarray:
        del rng
        none = -np.inf if self.reduce == "max" else 0.0
        live = np.where(alive, scores, none).reshape(layout.view)
        return REDUCE[self.reduce](live, axis=_window(layout))

    def live(self, alive: np.ndarray, layout: Layout) -> np.ndarray:
        return alive.reshape(layout.view).any(axis=_window(layout))

    def expand(self, kept: np.ndarray, layout: Layout) -> np.ndarray:
        full = np.expand_dims(kept, _window(layout))
        return np.broadcast_to(full, layout.view).reshape(layout.shape)


def _window(layout):
    """Returns the axes of a view that run over a window, a tuple."""
    rows, _ = matrix_axes(layout)
    return tuple(axis for axis in rows if axis not in layout.inputs)
