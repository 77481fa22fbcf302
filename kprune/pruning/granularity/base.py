"""The interface of granularities, and single weights."""

import dataclasses
import math
from collections.abc import Callable, Collection, Container, Iterator
from typing import Any

import numpy as np

from kprune.masking.layouts import Layout
from kprune.runtime import types
from kprune.runtime.methods import Method

# Functions of (array, axis) that reduce the scores of a group to one.
REDUCE: dict[str, Callable[..., Any]] = {
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "l2": lambda a, axis: np.sqrt(np.sum(np.square(a), axis=axis)),
    "first": lambda a, axis: np.moveaxis(a, axis, range(len(axis)))[
        (0,) * len(axis)
    ],
    "abs_sum": lambda a, axis: np.abs(np.sum(a, axis=axis)),
}


def matrix_axes(layout):
    """Returns a view's axes of rows and of columns of a weight's matrix.

    Columns are the outputs, with the gates of a recurrent kernel.
    """
    gates = [layout.outputs[0] - 1] if layout.view != layout.shape else []
    columns = gates + list(layout.outputs)
    return [a for a in range(len(layout.view)) if a not in columns], columns


def as_matrix(array, layout):
    """Returns a weight as a matrix, with the axes of `matrix_axes`."""
    rows, columns = matrix_axes(layout)
    count = math.prod(layout.view[a] for a in columns)
    moved = np.transpose(array.reshape(layout.view), rows + columns)
    return moved.reshape(-1, count)


def matrix_shape(layout):
    """Returns the shape of the matrix that `as_matrix` returns."""
    rows, columns = matrix_axes(layout)
    return tuple(
        math.prod(layout.view[a] for a in axes) for axes in (rows, columns)
    )


def put_back(moved, layout, order=None):
    """Undoes a transposition of a weight's view.

    Args:
        moved: Array, the transposed view, in any shape.
        layout: The weight's `Layout`.
        order: List of the view's axes as transposed. Defaults to the order of
            `as_matrix`.

    Returns:
        Array of the weight's shape.
    """
    rows, columns = matrix_axes(layout)
    order = order or rows + columns
    moved = moved.reshape([layout.view[a] for a in order])
    return np.transpose(moved, np.argsort(order)).reshape(layout.shape)


class Granularity:
    """Base class of granularities: all weights fit, no sparsity is fixed.

    A granularity within weight tensors overrides three methods: `pool` returns
    a score for each group, `live` which groups may be kept, and `expand` the
    mask of the kept groups. Here, each weight is a group.
    """

    sparsity = None  # The sparsity that the granularity fixes, or `None`.
    empties_weights = False  # Whether weights may lose all of their entries.
    min_kept = 0  # Default minimum of groups that each weight keeps.

    def allocation(self, entry: Method | None) -> str:
        """Returns the name of the default allocation.

        Args:
            entry: The criterion's entry in the table of methods, or `None`.
        """
        return "global" if entry is None else entry.allocation

    def leaves_output_layer(self, model: types.Model) -> bool:
        """Returns whether a model's output layer stays dense."""
        del model
        return False

    def unfit(self, layout: Layout) -> str | None:  # type: ignore[return]
        """Returns why a weight cannot be grouped like this, or `None`."""
        del layout

    def unprunable_reasons(
        self, model: types.Model, excluded: Container[str]
    ) -> dict[str, str]:
        """Returns why weights have no group that can be removed, by name.

        Args:
            model: A Keras model, or a `weights.View` of it.
            excluded: Names of weights that are left out.
        """
        del model, excluded
        return {}

    def settle(self, model: types.Model, masks: types.Masks) -> None:
        """Updates variables without a mask after masks are set.

        Does nothing by default. `ResidualBlock` sets biases to zero.
        """
        del model, masks

    def check(self, mask: np.ndarray, layout: Layout) -> None:
        """Raises `ValueError` if a finished mask breaks the pattern."""
        del mask, layout

    def grouping(self, model: types.Model, layouts: dict[str, Layout]) -> Any:
        """Returns the groups of a model: see `ByWeight`."""
        del model
        return ByWeight(self, layouts)

    def outputs(self, layout: Layout) -> np.ndarray | None:
        """Returns each group's output, an array of integers.

        Returns `None` if a group belongs to more than one output.
        """
        rows, columns = matrix_shape(layout)
        # int32, as there are as many entries as weights.
        numbers = np.arange(columns, dtype=np.int32)
        return put_back(np.tile(numbers, rows), layout)

    def pool(
        self,
        scores: np.ndarray,
        alive: np.ndarray,
        layout: Layout,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Returns a score for each group of a weight.

        Args:
            scores: Array of the weight's shape.
            alive: Boolean array of its shape: entries that may be kept.
            layout: The weight's `Layout`.
            rng: A generator, for ties.
        """
        del alive, layout, rng
        return scores

    def live(self, alive: np.ndarray, layout: Layout) -> np.ndarray:
        """Returns which groups of a weight have an entry that may be kept."""
        del layout
        return alive

    def expand(self, kept: np.ndarray, layout: Layout) -> np.ndarray:
        """Returns the mask that keeps the groups `kept`, an array."""
        return kept.reshape(layout.shape)


@dataclasses.dataclass(frozen=True)
class Weight(Granularity):
    """Single weights: unstructured pruning."""


class ByWeight:
    """Groups that lie within one weight tensor each.

    Allocations share out counts among families of groups; here, each weight
    is a family of its name.

    Args:
        grain: A `Granularity`.
        layouts: Dict from name to `Layout` of the weights to prune.
    """

    def __init__(self, grain: Granularity, layouts: dict[str, Layout]):
        self._grain = grain
        self._layouts = layouts

    @property
    def least(self) -> int:
        """The default minimum of groups that each family keeps."""
        return self._grain.min_kept

    def shape(self, family: str) -> tuple[int, ...]:
        """Returns the shape of a family's weight."""
        return self._layouts[family].shape

    def scored_in(self, names: Collection[str]) -> "ByWeight":
        """Returns the grouping; raises if one of its weights has no score."""
        for name in self._layouts:
            if name not in names:
                raise ValueError(
                    f"The criterion gave no scores for {name!r}. Expected one "
                    f"array per weight. Received: {sorted(names)}"
                )
        return self

    def pooled(
        self,
        scores: dict[str, np.ndarray],
        alive: types.Masks,
        rng: Callable[[str], np.random.Generator],
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Yields (family, array with a score for each group).

        Args:
            scores: Dict from weight name to array.
            alive: Dict from name to booleans: which entries may be kept.
            rng: Function from a name to a random generator.
        """
        for name, layout in self._layouts.items():
            pool = self._grain.pool
            yield name, pool(scores[name], alive[name], layout, rng(name))

    def outputs(self, family: str) -> np.ndarray | None:
        """Returns the output of each group of a family, or `None`."""
        return self._grain.outputs(self._layouts[family])

    def live(self, alive: types.Masks) -> dict[str, np.ndarray]:
        """Returns, by family, which groups have an entry that may be kept."""
        return {
            name: self._grain.live(alive[name], layout)
            for name, layout in self._layouts.items()
        }

    def masks(
        self, kept: dict[str, np.ndarray], alive: types.Masks
    ) -> dict[str, np.ndarray]:
        """Returns the masks that keep the groups `kept`, booleans by family."""
        return {
            name: self._grain.expand(groups, self._layouts[name]) & alive[name]
            for name, groups in kept.items()
        }

    def removed_size(self, masks: types.Masks, others: dict[str, int]) -> int:
        """Returns how many entries of other variables pruned groups remove.

        Args:
            masks: Dict of masks by weight name.
            others: Dict from the names of other variables to their sizes.
        """
        del masks, others
        return 0

    def check(self, masks: types.Masks) -> None:
        """Raises `ValueError` if finished masks break the pattern."""
        for name, mask in masks.items():
            self._grain.check(mask, self._layouts[name])
